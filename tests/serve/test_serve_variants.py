"""Hosts and values in keys, over HTTP: nobody gets another's answer, at the socket and through ASGI, hit or miss."""

from __future__ import annotations

import json
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from three_ways import Way, _Log

from millpond.serve.connection.bounded import bounded_protocol
from millpond.serve.connection.protocol import hit_protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ponds import Project, Running

pytestmark = pytest.mark.anyio

SAYS = """
def GET(request):
    return {"host": request.url.hostname, "own": request.headers.get("host")}
"""
ROUTES = {
    "/listed": f"cache_host = True\nhosts = ['a.example', 'b.example']\nrevalidate = 60\n{SAYS}",
    "/any": f"cache_host = True\nrevalidate = 60\n{SAYS}",
    "/look": """
    from millpond import cookies, headers

    cache_vary = {
        "accept-language": ["en", "de"],
        "cookie:theme": ["light", "dark"],
        "header:x-plan": ["free", "pro"],
    }
    revalidate = 60


    def GET(request):
        own = request.headers
        assert (own["accept-language"], own["x-plan"]) == (headers()["accept-language"], headers()["X-Plan"])
        assert request.cookies["theme"] == cookies()["theme"]
        return [own["accept-language"], cookies()["theme"], own["x-plan"]]
    """,
}


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: Any

    @property
    def cache(self) -> str | None:
        return self.headers.get("x-nextjs-cache")


class Served(NamedTuple):
    running: Running
    socket: Way
    asgi: Way

    async def ask(self, request: str, *ways: Way) -> Answer:
        """What is answered in all ways, twice in each: it is the same but for the cache's remarks."""
        found = []
        for way in (*(ways or (self.asgi, self.socket)),) * 2:
            seen = await way.say([request.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n"])
            found.append(answer_of(seen.written))
        assert len({(each.status, str(each.body)) for each in found}) == 1, (request, found)
        return found[-1]


def answer_of(written: bytes) -> Answer:
    head, _, body = written.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(each.split(": ", 1) for each in lines)
    is_json = headers.get("content-type") == "application/json"
    return Answer(int(line.split()[1]), headers, json.loads(body) if is_json and body else body)


@asynccontextmanager
async def served(project: Project, **config: Any) -> AsyncIterator[Served]:
    project.routes(ROUTES)
    async with project.serving(**config) as running:
        hits, bounds = running.pond.hits, running.pond.config.server
        assert hits is not None
        log = _Log()
        short = Way(running.pond, hit_protocol(bounds, hits), log)
        yield Served(running, short, Way(running.pond, bounded_protocol(bounds), log))


def get(path: str, *lines: str, version: str = "1.1") -> str:
    return "\n".join([f"GET {path} HTTP/{version}", *lines])


SPELLINGS = {
    "a.example": ["a.example", "A.EXAMPLE", "a.example:80", "a.example.", "a.Example.:8000", "a.example:"],
    "b.example": ["b.example", "B.example:443", "b.example."],
}


@pytest.mark.parametrize("path", ["/listed", "/any"])
async def test_each_host_has_an_answer_of_its_own_in_every_spelling(project: Project, path: str) -> None:
    async with served(project) as ways:
        for host, spellings in SPELLINGS.items():
            for spelling in spellings:
                answer = await ways.ask(get(path, f"Host: {spelling}"))
                assert (answer.status, answer.body, answer.cache) == (200, {"host": host, "own": host}, "HIT")


LIES = (
    "X-Forwarded-Host: b.example",
    "X-Host: b.example",
    "Forwarded: host=b.example",
    "X-Original-Host: b.example",
    "X-Forwarded-Server: b.example",
    "Referer: http://b.example/",
    "Origin: http://b.example",
    "Cookie: host=b.example",
    "X-Original-URL: http://b.example/any",
)


@pytest.mark.parametrize("lie", LIES)
async def test_only_the_host_header_says_which_host_it_is(project: Project, lie: str) -> None:
    async with served(project) as ways:
        for path in ("/listed", "/any"):
            assert (await ways.ask(get(path, "Host: b.example"))).body["host"] == "b.example"
            assert (await ways.ask(get(path, "Host: a.example", lie))).body["host"] == "a.example"
            assert (await ways.ask(get(path, lie, "Host: a.example"))).body["host"] == "a.example"


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ((), 400),
        (("Host: a.example", "Host: a.example"), 400),
        (("Host: b.example", "Host: a.example"), 400),
        (("Host: ",), 400),
        (("Host: a.example, b.example",), 400),
        (("Host: b.example a.example",), 400),
        (("Host: %61.example",), 400),
        (("Host: a..example",), 400),
        (("Host: a.example/",), 400),
        (("Host: " + "a" * 400,), 400),
        (("Host: c.example",), 421),
        (("Host: a.example.c.example",), 421),
        (("Host: xa.example",), 421),
        (("Host: 127.0.0.1:8000",), 421),
        (("Host: [::1]",), 421),
    ],
)
async def test_a_request_of_no_listed_host_is_refused_and_stores_nothing(
    project: Project, lines: tuple[str, ...], status: int
) -> None:
    async with served(project) as ways:
        before = len(list(ways.running.pond.store.entries()))
        answer = await ways.ask(get("/listed", *lines))
        assert answer.status == status
        assert "x-nextjs-cache" not in answer.headers
        assert len(list(ways.running.pond.store.entries())) == before


async def test_without_a_host_http_1_0_has_no_answer(project: Project) -> None:
    async with served(project) as ways:
        assert (await ways.ask(get("/any", version="1.0"))).status == 400
        assert (await ways.ask(get("/any", "Host: a.example", version="1.0"))).body["host"] == "a.example"
        assert (await ways.ask(get("/look", version="1.0"))).body == ["en", "light", "free"]


async def test_the_authority_of_an_absolute_target_is_the_host(project: Project) -> None:
    async with served(project) as ways:
        for path in ("/listed", "/any"):
            for _ in range(2):
                answer = await ways.ask(get(f"http://b.example{path}", "Host: a.example"))
                assert answer.body == {"host": "b.example", "own": "b.example"}
                assert (await ways.ask(get(path, "Host: a.example"))).body["host"] == "a.example"
        assert (await ways.ask(get("http://c.example/listed", "Host: a.example"))).status == 421
        assert (await ways.ask(get("http://a.example@c.example/listed", "Host: a.example"))).status == 400


async def test_values_are_normalised_and_others_count_as_the_first(project: Project) -> None:
    async with served(project) as ways:
        for lines, values in {
            (): ["en", "light", "free"],
            ("Accept-Language: de-CH,fr;q=0.3",): ["de", "light", "free"],
            ("accept-language: fr", "Accept-Language: DE;q=0.2"): ["de", "light", "free"],
            ("Cookie: theme=dark",): ["en", "dark", "free"],
            ("Cookie: session=secret; theme=dark", "X-Plan: pro"): ["en", "dark", "pro"],
            ('Cookie: theme="dark"',): ["en", "dark", "free"],
            ("Cookie: theme=dark; theme=light",): ["en", "light", "free"],
            ("Cookie: theme=dark", "Cookie: a=b"): ["en", "dark", "free"],
            ("Cookie: theme=admin", "X-Plan: root", "Accept-Language: xx"): ["en", "light", "free"],
            ("X-Plan: pro", "X-Plan: pro"): ["en", "light", "free"],
            ("X-Plan: pro, pro",): ["en", "light", "free"],
            ("X-Plan: " + "pro" * 400,): ["en", "light", "free"],
        }.items():
            answer = await ways.ask(get("/look", "Host: a.example", *lines))
            assert (answer.status, answer.body, answer.cache) == (200, values, "HIT"), lines
            assert answer.headers["vary"] == "accept-language, cookie, x-plan"


async def test_unlisted_values_make_no_entries(project: Project) -> None:
    async with served(project) as ways:
        before = len(list(ways.running.pond.store.entries()))
        for number in range(50):
            await ways.ask(get("/look", "Host: x", f"X-Plan: {number}", f"Cookie: theme={number}"), ways.socket)
        assert len(list(ways.running.pond.store.entries())) == before == 8 + 2


async def test_a_304_says_vary_and_is_of_the_variant_alone(project: Project) -> None:
    async with served(project) as ways:
        german = await ways.ask(get("/look", "Host: x", "Accept-Language: de"))
        condition = f"If-None-Match: {german.headers['etag']}"
        same = await ways.ask(get("/look", "Host: x", "Accept-Language: de", condition))
        assert (same.status, same.headers["vary"]) == (304, "accept-language, cookie, x-plan")
        other = await ways.ask(get("/look", "Host: x", condition))
        assert (other.status, other.body) == (200, ["en", "light", "free"])


async def test_head_has_the_headers_of_its_variant(project: Project) -> None:
    async with served(project) as ways:
        for host in ("a.example", "b.example"):
            whole = await ways.ask(get("/any", f"Host: {host}"))
            head = await ways.ask(get("/any", f"Host: {host}").replace("GET", "HEAD"))
            assert head.headers["etag"] == whole.headers["etag"]
            assert head.body == b""


async def test_a_hit_of_a_variant_needs_no_application(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(project) as ways:
        requests = [get("/any", f"Host: {host}", "Accept-Encoding: gzip") for host in SPELLINGS]
        requests += [get("/look", "Host: x", f"Cookie: id={n}; theme={theme}") for n, theme in enumerate(("dark", ""))]
        for request in requests:
            await ways.ask(request)

        async def nothing(*_: Any) -> None:
            raise AssertionError

        monkeypatch.setattr(type(ways.running.pond), "__call__", nothing)
        bodies = [(await ways.ask(request, ways.socket)).body for request in requests]
        assert [body["host"] for body in bodies[:2]] == ["a.example", "b.example"]
        assert [body[1] for body in bodies[2:]] == ["dark", "light"]
        fresh_cookies = get("/look", "Host: x", "Cookie: id=999; theme=dark")
        assert (await ways.ask(fresh_cookies, ways.socket)).body[1] == "dark"


async def test_what_is_remembered_by_its_bytes_is_one_variants(project: Project) -> None:
    """Thousands of requests in any order, pipelined: each has the answer that its own host and values select."""
    chance = random.Random(7)
    async with served(project) as ways:
        asked: list[tuple[str, Any]] = []
        for _ in range(1500):
            host = chance.choice([spelling for each in SPELLINGS.values() for spelling in each])
            language, theme = chance.choice(["", "de", "en;q=0.1, de"]), chance.choice(["", "theme=dark", "a=b"])
            lines = [f"Host: {host}"]
            lines += [f"Accept-Language: {language}"] if language else []
            lines += [f"Cookie: {theme}"] if theme else []
            chance.shuffle(lines)
            if chance.random() < 0.5:
                normal = next(name for name, each in SPELLINGS.items() if host in each)
                asked.append((get("/any", *lines), normal))
            else:
                asked.append(
                    (get("/look", *lines), ["de" if language else "en", "dark" if "dark" in theme else "light"])
                )
        for way in (ways.asgi, ways.socket):
            for request, expected in asked:
                answer = answer_of((await way.say([request.replace("\n", "\r\n").encode() + b"\r\n\r\n"])).written)
                told = answer.body["host"] if isinstance(answer.body, dict) else answer.body[:2]
                assert told == expected, request
        hits = ways.running.pond.hits
        assert hits is not None
        assert hits._requests
        assert len(hits._variants) > 10


async def test_a_retired_variant_is_no_hit_any_more(project: Project) -> None:
    async with served(project) as ways:
        request = get("/any", "Host: a.example")
        await ways.ask(request)
        hits = ways.running.pond.hits
        assert hits is not None
        remembered = [*hits._variants.values()]
        hits.unlearn()
        assert remembered
        assert [hits.prepared(each) for each in remembered] == [None] * len(remembered)
        assert not hits._variants
        assert (await ways.ask(request)).body["host"] == "a.example"
