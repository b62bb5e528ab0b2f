"""Nothing of a request that isn't part of a key changes what is stored, or what the next client gets of it."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, unquote

import h11
import pytest
from msgspec.structs import replace
from three_ways import Way, _Log

from millpond.serve.connection.bounded import bounded_protocol
from millpond.serve.connection.protocol import hit_protocol

if TYPE_CHECKING:
    from millpond.policy.entry import Entry
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

ECHO = """
from millpond import cookies, headers, JSONResponse
dynamic = "force-static"
def GET(request):
    seen = {name: str(request.scope.get(name)) for name in sorted(request.scope) if name in NAMES}
    seen |= {"url": str(request.url), "base": str(request.base_url), "found": str(request.url_for("get_text"))}
    seen |= {"headers": list(request.headers.items()), "query": str(request.query_params)}
    seen |= {"cookies": dict(request.cookies)}
    seen |= {"functions": [list(headers().items()), [str(cookie) for cookie in cookies()]]}
    seen |= {"client": str(request.client), "state": str(request.state._state), "path": request.path_params}
    return JSONResponse(seen, headers={"x-url": str(request.url), "content-location": str(request.url)})
NAMES = ("type", "http_version", "method", "scheme", "server", "client", "root_path", "path", "raw_path",
         "query_string", "headers", "path_params", "session", "user", "auth", "extensions")
"""
ROUTES = {
    "/echo": ECHO,
    "/items/[id]": ECHO.replace("(request)", "(request, id)"),
    "/rest/[...rest]": ECHO.replace("(request)", "(request, rest)"),
    "/text": "revalidate = 60\ndef GET(): return 'text ' * 100",
    "/missing": "from millpond import not_found\nrevalidate = 60\ndef GET(): not_found()",
    "/moved": "from millpond import redirect\nrevalidate = 60\ndef GET(): redirect('/text')",
    "/moved/[to]": """
        from millpond import RedirectResponse
        dynamic = "force-static"
        def GET(request, to): return RedirectResponse(request.url_for("get_moved_by_to", to=to))
    """,
    "/picked": "revalidate = 60\ncache_query = ['size', 'colour']\n"
    "def GET(size: int = 0, colour: str = 'red'): return [size, colour]",
    "/own": "from millpond import fetch\nrevalidate = 60\nasync def GET(): return await fetch('/echo')",
}
TARGETS = [
    *("/echo", "/items/Az-9", "/items/a b", "/items/é", "/items/a/b", "/rest/x/y%z", "/text", "/missing", "/moved"),
    *("/moved/x", "/picked", "/picked?size=2", "/picked?size=2&colour=blue", "/own", "/sitemap.xml", "/robots.txt"),
]
FILES = {
    "app/sitemap.py": "def sitemap(): return [{'url': 'https://shop.example/'}]\n",
    "app/robots.py": "def robots(): return {'rules': {'user_agent': '*'}, 'sitemap': 'https://shop.example/sitemap.xml'}\n",
}
NOISE = [
    *("Host: evil.example", "Host: evil.example:8443", "Host: shop.example.", "Host: ", "Host: [::1]"),
    *("Forwarded: for=1.2.3.4;host=evil.example;proto=https", "X-Forwarded-Host: evil.example"),
    *("X-Forwarded-Proto: https", "X-Forwarded-Prefix: /evil", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Port: 1"),
    *("X-Original-URL: /echo", "X-Rewrite-URL: /echo", "X-HTTP-Method-Override: DELETE", "X-Method-Override: POST"),
    *("X-Host: evil.example", "X-Forwarded-Server: evil.example", "X-Script-Name: /evil", "X-Real-IP: 1.2.3.4"),
    *("Accept: text/html", "Accept-Language: fr", "Accept-Charset: utf-16", "Accept-Encoding: br", "Range: bytes=0-3"),
    *("Accept-Encoding: gzip;q=0.1, zstd", "If-None-Match: *", "If-Modified-Since: Wed, 01 Jan 2031 00:00:00 GMT"),
    *("If-Range: x", "Cookie: session=evil", "Authorization: Bearer evil", "Origin: https://evil.example"),
    *("Referer: https://evil.example/", "User-Agent: evil", "Cache-Control: no-cache", "Pragma: no-cache"),
    *("Purpose: prefetch", "Sec-Fetch-Mode: navigate", "RSC: 1", "Next-Url: /evil", "X-Middleware-Subrequest: a"),
    *("Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Connection: close", "TE: trailers"),
]
QUERIES = [
    "",
    "",
    "?",
    "?utm=1",
    "?a=1&b=2",
    "?size",
    "?callback=evil",
    "?a=%00",
    "?%ff",
    "?a=1;size=3",
    "?_method=DELETE",
]
REFUSALS = {304, 308, 400, 414, 431}


class Seen(NamedTuple):
    """An answer, without what tells of this moment or of how it came about."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


_OF_THE_MOMENT = {b"date", b"age", b"cache-status", b"x-nextjs-cache", b"connection"}


def plain(target: str) -> str:
    path, question, query = target.partition("?")
    kept = [quote(part, safe="") for part in path.split("/")]
    if path.startswith("/items/"):
        kept = ["", "items", quote(path.removeprefix("/items/"), safe="")]
    return "/".join(kept) + question + query


def spelt(target: str, chance: random.Random) -> str:
    """The target in another spelling, which may mean the same; the query is noise where nothing of it is a key's."""
    path, question, query = plain(target).partition("?")
    letters = [
        f"%{ord(letter):02{chance.choice('xX')}}" if letter.isalnum() and chance.random() < 0.1 else letter
        for letter in path
    ]
    if "%" in path:  # an escape isn't escaped again
        letters = list(path.lower() if chance.random() < 0.3 and "Az" not in path else path)
    path = "".join(letters) + chance.choice(["", "", "", "", "/"])
    path = chance.choice(["", "", "", "", "/"]) + path
    noise = chance.choice(QUERIES)
    if question:
        pairs = [*query.split("&"), "utm=1"]
        chance.shuffle(pairs)
        noise = "?" + "&".join(pairs)
    elif target == "/picked":
        noise = chance.choice(["", "?", "?utm=1"])
    origin = chance.choice(["", "", "", "http://evil.example", "https://evil.example:1"])
    return origin + path + noise + chance.choice(["", "", "", "#f"])


def request_for(target: str, chance: random.Random) -> tuple[str, bytes]:
    method = chance.choice(["GET", "GET", "GET", "HEAD"])
    lines = chance.sample(NOISE, chance.randint(0, 6))
    if not any(line.startswith("Host:") for line in lines):
        lines.append("Host: x")
    chance.shuffle(lines)
    return method, "\r\n".join([f"{method} {spelt(target, chance)} HTTP/1.1", *lines, "", ""]).encode()


def parsed(written: bytes, method: str) -> Seen:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(written)
    head = client.next_event()
    assert isinstance(head, h11.Response)
    body = b""
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    headers = [(bytes(name), bytes(value)) for name, value in head.headers if name not in _OF_THE_MOMENT]
    return Seen(head.status_code, sorted(headers), body)


def bare(entry: Entry) -> Entry:
    return replace(entry, rendered_at=0, generation=0, build="", came=None)


async def forget(running: Running) -> None:
    for entry in list(running.pond.store.entries()):
        await running.pond.store.remove(entry.key)


def stored(running: Running) -> dict[str, Entry]:
    return {entry.key: bare(entry) for entry in running.pond.store.entries()}


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    logger = logging.getLogger("uvicorn.error")
    logger.disabled = True
    yield
    logger.disabled = False


@pytest.mark.parametrize("at", ["socket", "asgi"])
async def test_no_spelling_and_no_header_of_a_request_changes_what_others_get(project: Project, at: str) -> None:
    project.routes(ROUTES)
    project.write(FILES)
    async with project.started(compat="14") as running:
        pond = running.pond
        assert pond.hits is not None
        bounds = pond.config.server
        protocol = hit_protocol(bounds, pond.hits) if at == "socket" else bounded_protocol(bounds)
        way, reached = Way(pond, protocol, _Log()), 0

        async def ask(method: str, request: bytes) -> Seen:
            return parsed((await way._say([request], 0)).written, method)

        for target in TARGETS:
            await forget(running)
            get = f"GET {plain(target)} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            first, wanted = await ask("GET", get), await ask("GET", get)
            entries = stored(running)
            assert (first, len(entries) > 0) == (wanted, True), target
            for seed in range(25):
                chance = random.Random(f"{target} {seed}")
                await forget(running)
                method, request = request_for(target, chance)
                answer = await ask(method, request)
                now = stored(running)
                if now:
                    reached += 1
                    assert (now, answer.status in (wanted.status, 304)) == (entries, True), request
                else:
                    assert answer.status in REFUSALS, request
                    location = dict(answer.headers).get(b"location", b"/")
                    assert location.startswith(b"/"), request
                    assert not location.startswith((b"//", b"/\\")), request
                assert await ask("GET", get) == wanted, request
        assert reached > 10 * len(TARGETS)


async def asked(running: Running, target: str, **around: Any) -> Seen:
    """The answer to what a server, or a middleware in front, makes of a request."""
    messages: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": around.get("body", b""), "more_body": False}

    async def send(message: Any) -> None:
        messages.append(message)

    path, _, query = plain(target).partition("?")
    root = around.get("root_path", "")
    scope: dict[str, Any] = {"type": "http", "asgi": {"version": "3.0"}, "method": "GET", "headers": []}
    scope |= {"path": root + unquote(path), "raw_path": (root + path).encode(), "query_string": query.encode()}
    await running.pond({**scope, **around}, receive, send)
    headers = [(name, value) for name, value in messages[0]["headers"] if name not in _OF_THE_MOMENT]
    return Seen(messages[0]["status"], sorted(headers), messages[1]["body"])


AROUND: list[dict[str, Any]] = [
    {"root_path": "/evil"},
    {"root_path": "/evil", "scheme": "https", "server": ("evil.example", 443), "client": ("1.2.3.4", 5)},
    {"http_version": "2", "extensions": {"http.response.push": {}}},
    {"state": {"user": "evil"}, "session": {"user": "evil"}, "user": "evil", "auth": "evil"},
    {"route": "evil", "endpoint": "evil", "path_params": {"id": "evil", "rest": "evil"}, "router": "evil"},
    {"app": "evil", "app_root_path": "/evil", "body": b"evil", "headers": [(b"content-length", b"4")]},
    {"headers": [(b"host", b"evil.example"), (b"host", b"evil.example"), (b"cookie", b"a=evil")]},
]


@pytest.mark.parametrize("around", AROUND, ids=lambda around: " ".join(around))
async def test_nothing_that_a_server_says_of_a_request_changes_what_others_get(
    project: Project, around: dict[str, Any]
) -> None:
    project.routes(ROUTES)
    project.write(FILES)
    async with project.started(compat="14") as running:
        for target in TARGETS:
            await forget(running)
            wanted, entries = await asked(running, target), stored(running)
            await forget(running)
            first = await asked(running, target, **around)
            assert (first, stored(running)) == (wanted, entries)
            assert await asked(running, target) == wanted
            assert b"evil" not in wanted.body
