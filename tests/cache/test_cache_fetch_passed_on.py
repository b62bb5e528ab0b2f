"""Handlers that return what fetch() gave them, and handlers that return what isn't data."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any

import brotli  # type: ignore[import-untyped]
import pytest
from upstreams import upstream

from millpond.serve.layers.failures import LoggedFailures

if TYPE_CHECKING:
    from upstreams import Upstream

    from ponds import Project, Running

pytestmark = pytest.mark.anyio

TOKEN = "Bearer the-servers-own"
PASSING = """
from typing import Annotated, Any
import httpx2
from fastapi import Depends
from pydantic import BaseModel
from millpond import fetch
dynamic = "{dynamic}"
URL, PATH, GIVEN, METHOD = "", "/x", {{}}, "GET"

class Item(BaseModel):
    name: str

def nothing(): ...

async def ask():
    return await fetch(URL, method=METHOD, headers={{"Authorization": "Bearer the-servers-own"}}, **GIVEN)

{handler}
"""
PLAIN = "async def GET(): return await ask()"
HANDLERS = {
    "as it is": PLAIN,
    "with everything of FastAPI": "async def GET(x: Annotated[None, Depends(nothing)]): return await ask()",
    "with a response model": "async def GET() -> Item: return await ask()",
    "with a dict for a model": "async def GET() -> dict[str, Any]: return await ask()",
    "declared": "async def GET() -> httpx2.Response: return await ask()",
    "declared among others": "async def GET() -> httpx2.Response | Item: return await ask()",
}


async def passed(running: Running, source: Upstream, **given: Any) -> Any:
    module = running.module("/")
    module.URL, module.GIVEN = source.url + module.PATH, given
    return await running.get("/")


def write(project: Project, handler: str = PLAIN, dynamic: str = "force-dynamic") -> None:
    project.routes({"/": PASSING.format(handler=handler, dynamic=dynamic)})


@pytest.mark.parametrize("handler", HANDLERS.values(), ids=HANDLERS)
@pytest.mark.parametrize("given", [{}, {"cache": "force-cache"}], ids=["uncached", "cached"])
async def test_what_fetch_gave_is_passed_on(project: Project, handler: str, given: dict[str, Any]) -> None:
    write(project, handler)
    async with upstream() as source, project.started() as running:
        source.body = b"<p>h\xc3\xa9llo</p>"
        source.headers = {"Content-Type": "text/html; charset=utf-8", "ETag": '"v1"', "X-Own": "1", "Age": "5"}
        answer = await passed(running, source, **given)
        assert answer.status_code == 200
        assert answer.content == source.body
        wanted = {"content-type": "text/html; charset=utf-8", "etag": '"v1"', "x-own": "1", "content-length": "13"}
        assert {name: answer.headers.get(name) for name in wanted} == wanted
        assert "age" not in answer.headers
        assert TOKEN not in str(answer.headers) + answer.text


async def test_a_passed_on_answer_is_stored_with_the_tags_and_the_lifetime_of_the_fetch(project: Project) -> None:
    project.routes(
        {
            "/": f"""
        from millpond import fetch
        dynamic = "force-static"
        async def GET():
            return await fetch(URL, headers={{"Authorization": "{TOKEN}"}}, revalidate=60, tags=["a-tag"])
        URL = ""
    """
        }
    )
    async with upstream() as source, project.started() as running:
        source.headers = {"Content-Type": "text/x-own", "Set-Cookie": "session=the-servers"}
        running.module("/").URL = source.url + "/x"
        assert await running.cache("/") == "MISS"
        answer = await running.get("/")
        assert (answer.headers["x-nextjs-cache"], answer.text) == ("HIT", "/x 1")
        assert answer.headers["content-type"] == "text/x-own"
        assert "set-cookie" not in answer.headers
        entry = running.entry("/")
        assert entry is not None
        assert (entry.revalidate, entry.tags[0]) == (60, "a-tag")
        assert TOKEN.encode() not in entry.body + b"".join(value for _, value in entry.headers)


CODED = {
    "gzip": gzip.compress(b"still water"),
    "deflate": zlib.compress(b"still water"),
    "br": brotli.compress(b"still water"),
    "gzip, br": brotli.compress(gzip.compress(b"still water")),
    "GZIP": gzip.compress(b"still water"),
    "identity": b"still water",
}


@pytest.mark.parametrize("given", [{}, {"cache": "force-cache"}], ids=["uncached", "cached"])
@pytest.mark.parametrize(
    "handler",
    [
        PLAIN,
        """
from millpond import Response
async def GET():
    r = await ask()
    return Response(r.content, r.status_code, headers=r.headers)
""",
    ],
    ids=["returned", "made of its headers"],
)
async def test_a_decoded_body_comes_with_headers_that_are_true_of_it(
    project: Project, handler: str, given: dict[str, Any]
) -> None:
    write(project, handler)
    async with upstream() as source, project.started() as running:
        for coding, source.body in CODED.items():
            source.headers = {"Content-Encoding": coding, "X-Own": "1"}
            running.module("/").PATH = f"/{coding}"
            answer = await passed(running, source, **given)
            assert (coding, answer.content) == (coding, b"still water")
            assert (answer.headers["content-length"], answer.headers["x-own"]) == ("11", "1")
            assert "content-encoding" not in answer.headers


async def test_a_coding_that_nobody_here_decodes_stays_on_the_body_and_is_named(project: Project) -> None:
    write(project)
    async with upstream() as source, project.started() as running:
        source.body, source.headers = gzip.compress(b"packed twice"), {"Content-Encoding": "compress, gzip"}
        answer = await passed(running, source)
        assert (answer.content, answer.headers["content-encoding"]) == (b"packed twice", "compress")


async def test_headers_of_one_connection_stay_on_it(project: Project) -> None:
    write(project)
    async with upstream() as source, project.started() as running:
        source.headers = {
            "Connection": "close, X-Hop",
            "X-Hop": "1",
            "Keep-Alive": "timeout=5",
            "Proxy-Authenticate": "Basic",
            "TE": "trailers",
            "Trailer": "X-Sum",
            "Upgrade": "h2c",
            "Server": "theirs",
            "Date": "Wed, 01 Jan 2020 00:00:00 GMT",
            "X-End": "1",
        }
        answer = await passed(running, source)
        assert {name.lower() for name in source.headers} & set(answer.headers) == {"x-end"}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_every_status_is_passed_on_with_no_body_where_it_has_none(project: Project, method: str) -> None:
    write(project)
    async with upstream() as source, project.started() as running:
        running.module("/").METHOD = method
        for status in (201, 204, 205, 304, 404, 410, 500, 503):
            source.status, source.body = status, b"" if status in (204, 205, 304) else b"body"
            answer = await passed(running, source)
            body = b"" if method == "HEAD" else source.body
            length = None if status in (204, 304) else str(len(body))
            assert (answer.status_code, answer.content) == (status, body)
            assert answer.headers.get("content-length") == length


async def test_a_status_that_no_answer_can_have_is_a_bad_gateway(project: Project) -> None:
    write(project)
    async with upstream() as source, project.started() as running:
        source.status = 999
        answer = await passed(running, source)
        assert (answer.status_code, answer.json()) == (502, {"detail": "Bad Gateway"})


async def test_an_upstream_that_says_private_makes_the_passed_on_answer_live(project: Project) -> None:
    project.routes(
        {"/": "from millpond import fetch\nrevalidate = 60\nURL = ''\nasync def GET(): return await fetch(URL)"}
    )
    async with upstream() as source, project.started() as running:
        running.module("/").URL = source.url + "/x"
        source.headers = {"Cache-Control": "private, max-age=60"}
        answers = [await running.get("/") for _ in range(2)]
        assert [answer.headers.get("x-nextjs-cache") for answer in answers] == [None, None]
        assert answers[0].headers["cache-control"] == "private, max-age=60"
        assert running.entry("/") is None


async def test_cookies_go_to_the_one_who_asked_and_into_no_cache(project: Project) -> None:
    write(project)
    async with upstream() as source, project.started() as running:
        source.headers = {"Set-Cookie": "session=1"}
        live = await passed(running, source)
        stored = [await passed(running, source, cache="force-cache") for _ in range(2)]
        assert [answer.headers.get("set-cookie") for answer in (live, *stored)] == ["session=1", None, None]


async def test_what_wasnt_read_isnt_passed_on_empty(project: Project) -> None:
    write(
        project,
        """
async def GET():
    async with httpx2.AsyncClient() as client, client.stream("GET", URL) as answer:
        return answer
""",
    )
    async with upstream() as source, project.started() as running:
        assert (await passed(running, source)).status_code == 500


ITEMS = """
import httpx2
from dataclasses import dataclass
from typing import Any
from typing_extensions import TypedDict
from pydantic import BaseModel
from fastapi import Depends
from collections.abc import AsyncIterator, Iterator
SECRET = "hidden"
ANSWER = httpx2.Response(200, request=httpx2.Request("GET", "http://x/", headers={{"authorization": SECRET}}))
def nothing(): ...
class Settings(BaseModel):
    password: str = SECRET
    @classmethod
    def settings_customise_sources(cls): ...
class Shown(BaseModel):
    name: str = "n"
@dataclass
class Held:
    kept: Any
class Named(TypedDict):
    name: str
class Stored(Settings):
    name: str = "stored"
dynamic = "{dynamic}"
{handler}
"""


async def sent_by(running: Running, path: str) -> bytes:
    """Whatever is sent of an answer, be it whole or not."""
    messages: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        messages.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
    }
    await LoggedFailures(running.pond)({"asgi": {"version": "3.0", "spec_version": "2.4"}, **scope}, receive, send)
    return repr(messages).encode()


UNPUBLISHED = {
    "nested": "def GET(): return {'data': [ANSWER]}",
    "by all of FastAPI": "def GET(x=Depends(nothing)): return {'data': [ANSWER]}",
    "settings": "def GET(): return Settings()",
    "settings as their own model": "def GET() -> Settings: return Settings()",
    "settings in any dict": "def GET() -> dict[str, Any]: return {'all': Settings()}",
    "settings in anything": "async def GET(x=Depends(nothing)) -> Any: return [Settings()]",
    "settings where a model is one choice": "def GET() -> Shown | dict[str, Any]: return {'all': Settings()}",
    "settings in a dataclass": "def GET() -> Any: return Held(Settings())",
    "settings in a bare list": "def GET() -> list: return [{'all': Settings()}]",
    "stream": "def GET():\n    yield {'answer': ANSWER}",
    "asynchronous stream": "async def GET():\n    yield ANSWER",
    "stream of a declared kind": "async def GET() -> AsyncIterator[dict[str, Any]]:\n    yield {'all': Settings()}",
}


@pytest.mark.parametrize("handler", UNPUBLISHED.values(), ids=UNPUBLISHED)
async def test_what_isnt_data_is_published_by_no_way(
    project: Project, handler: str, caplog: pytest.LogCaptureFixture
) -> None:
    kinds = {"/live": "force-dynamic", "/static": "force-static"}
    project.routes({path: ITEMS.format(handler=handler, dynamic=dynamic) for path, dynamic in kinds.items()})
    async with project.started() as running:
        for path in kinds:
            assert b"hidden" not in await sent_by(running, path)
            assert f"app{path}/route.py:" in caplog.text
            assert "isn't published" in caplog.text
            assert "hidden" not in caplog.text
            caplog.clear()
        assert running.entry("/static") is None


SHOWN = {
    "a model that filters settings": ("def GET() -> Shown: return Stored()", {"name": "stored"}),
    "a list of one": ("def GET() -> list[Shown]: return [Stored()]", [{"name": "stored"}]),
    "a dict that names its keys": ("def GET() -> Named: return {'name': 'n', 'more': ANSWER}", {"name": "n"}),
    "any dict of data": ("def GET() -> dict[str, Any]: return {'a': [Shown(), {1}]}", {"a": [{"name": "n"}, [1]]}),
    "a stream of data": ("def GET():\n    yield {'a': {1}}\n    yield Shown()", [{"a": [1]}, {"name": "n"}]),
    "an asynchronous stream": ("async def GET():\n    yield Shown()", [{"name": "n"}]),
    "a stream of a model": ("async def GET() -> AsyncIterator[Shown]:\n    yield Shown()", [{"name": "n"}]),
}


@pytest.mark.parametrize(("handler", "wanted"), SHOWN.values(), ids=SHOWN)
async def test_what_a_model_lets_through_and_what_streams_of_data_hold_is_published(
    project: Project, handler: str, wanted: Any
) -> None:
    project.routes({"/": ITEMS.format(handler=handler, dynamic="force-dynamic")})
    async with project.started() as running:
        answer = await running.get("/")
        lines = [json.loads(line) for line in answer.text.splitlines()]
        assert (lines if "yield" in handler else lines[0]) == wanted


async def test_an_own_route_is_passed_on_without_its_decision(project: Project) -> None:
    project.routes(
        {
            "/": "from millpond import fetch\ndynamic = 'force-dynamic'\nasync def GET(): return await fetch('/own')",
            "/own": "dynamic = 'force-static'\ndef GET(): return {'own': 'x' * 500}",
        }
    )
    async with project.started() as running:
        for _ in range(2):
            answer = await running.get("/")
            assert answer.json() == {"own": "x" * 500}
            assert len(answer.headers.get_list("cache-status")) == 1
            assert "x-nextjs-cache" not in answer.headers
