"""Live answers in content codings: the same bytes after decoding, each event at once, nothing coded twice."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount

from millpond.config import ServerConfig
from millpond.serve.connection.bounded import bounded_protocol
from millpond.serve.outermost.coding_app import MAX_WHOLE, CodingApp
from millpond.serve.processes.addresses import bind

if sys.version_info >= (3, 14):
    pass
else:
    pass

from ponds import route_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp

    from millpond import Millpond
    from millpond.policy.entry import Coding
    from ponds import Project

pytestmark = pytest.mark.anyio

CODINGS: tuple[Coding, ...] = ("zstd", "br", "gzip")
ROUTES = {
    "/long": """
    from millpond import JSONResponse, Response

    dynamic = "force-dynamic"

    def GET(request):
        if request.headers.get("if-none-match") == '"1"':
            return Response(status_code=304, headers={"etag": '"1"'})
        return JSONResponse({"long": "still water " * 2000}, headers={"etag": '"1"', "vary": "Origin"})

    def PUT(request):
        return {"matches": request.headers.get("if-match") == '"1"', "text": "x" * 300}

    def DELETE():
        return JSONResponse({"detail": "x" * 400}, 409)
    """,
    "/model": "async def GET(request):\n    return {'of': str(request.url), 'rows': list(range(400))}\n",
    "/short": "dynamic = 'force-dynamic'\ndef GET():\n    return {'short': True}\n",
    "/static": "dynamic = 'force-static'\ndef GET():\n    return {'long': 'still water ' * 200}\n",
    "/whole": "dynamic = 'force-dynamic'\ndef GET():\n    return {'rows': list(range(200_000))}\n",
    "/own": """
    import zlib
    from millpond import Response

    dynamic = "force-dynamic"

    def GET(request):
        kind = request.query_params["kind"]
        if kind == "coded":
            return Response(zlib.compress(b"a" * 9000, wbits=31), headers={"content-encoding": "gzip"},
                            media_type="text/plain")
        headers = {"no-transform": {"cache-control": "no-store, no-transform"}, "range": {"accept-ranges": "bytes"},
                   "digest": {"repr-digest": "sha-256=:x:"}}
        media = "image/png" if kind == "png" else "text/plain"
        return Response(b"a" * 9000, headers=headers.get(kind), media_type=media)
    """,
    "/file": """
    from starlette.responses import FileResponse

    dynamic = "force-dynamic"

    def GET():
        return FileResponse(__file__, media_type="text/plain")
    """,
    "/broken": """
    from millpond import StreamingResponse

    dynamic = "force-dynamic"

    def GET():
        def body():
            yield "a" * 1000
            raise RuntimeError("half way")
        return StreamingResponse(body(), media_type="text/plain")
    """,
    "/events": """
    import asyncio
    from millpond import StreamingResponse

    dynamic = "force-dynamic"
    seen, ended = asyncio.Event(), asyncio.Event()

    def GET():
        async def body():
            try:
                for number in range(3):
                    yield f"data: {number}\\n\\n"
                    await seen.wait()
                    seen.clear()
            finally:
                ended.set()
        return StreamingResponse(body(), media_type="text/event-stream")
    """,
}


FIXED = [{"source": "/[[...path]]", "name": "x-fixed", "value": "1"}]


class Shouting(BaseHTTPMiddleware):
    """Middleware that reads and replaces bodies, which are plain for it."""

    async def dispatch(self, request: Any, call_next: Any) -> Any:
        from starlette.responses import Response

        answer = await call_next(request)
        if request.method == "HEAD":
            return answer
        body = b"".join([part async for part in answer.body_iterator])
        headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
        return Response(body.replace(b"still", b"STILL"), answer.status_code, headers)


def bare(pond: Millpond) -> ASGIApp:
    return pond


def with_middleware(pond: Millpond) -> ASGIApp:
    pond.add_middleware(Shouting)
    return pond


def mounted(pond: Millpond) -> ASGIApp:
    return Starlette(routes=[Mount("/", pond)])


WAYS = {"bare": bare, "with middleware": with_middleware, "mounted": mounted}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("headers", [[], FIXED], ids=["plain", "configured"])
async def test_a_live_answer_is_compressed_for_who_accepts_it(
    project: Project, way: str, coding: str, headers: list[Any]
) -> None:
    project.routes(ROUTES)
    async with project.started(wrap=WAYS[way], headers=headers) as running:
        plain = await running.get("/long", headers={"accept-encoding": "identity"})
        coded = await running.get("/long", headers={"accept-encoding": coding})
        head = await running.client.head("/long", headers={"accept-encoding": coding})
    assert plain.json() == coded.json()
    assert int(plain.headers["content-length"]) > 10 * int(coded.headers["content-length"])
    assert coded.headers["content-encoding"] == coding
    assert plain.headers["vary"] == coded.headers["vary"] == "Origin, accept-encoding"
    assert (plain.headers["etag"], coded.headers["etag"]) == ('"1"', f'"1-live-{coding}"')
    assert "content-encoding" not in plain.headers
    same = ("content-encoding", "etag", "vary", "content-type", "cache-status")
    assert [head.headers[name] for name in same] == [coded.headers[name] for name in same]
    assert (head.content, "content-length" in head.headers) == (b"", False)


async def test_routes_in_code_errors_and_other_methods_are_live_answers_too(project: Project) -> None:
    project.routes(ROUTES)

    def declared(pond: Millpond) -> ASGIApp:
        @pond.get("/declared")
        def answer() -> dict[str, list[int]]:
            return {"rows": list(range(400))}

        return pond

    async with project.started(wrap=declared) as running:
        assert (await running.get("/declared")).headers["content-encoding"] == "zstd"
        assert (await running.get("/openapi.json")).headers["content-encoding"] == "zstd"
        refused = await running.client.delete("/long")
    assert (refused.status_code, refused.headers["content-encoding"]) == (409, "zstd")


@pytest.mark.parametrize("path", ["/short", "/static", "/file", *(f"/own?kind={kind}" for kind in (
    "no-transform", "range", "digest", "png"))])  # fmt: skip
async def test_what_is_short_stored_binary_ranged_or_not_to_be_changed_stays(project: Project, path: str) -> None:
    project.routes(ROUTES)
    async with project.started(cache={"codings": ["gzip"]}) as running:
        answer = await running.get(path, headers={"accept-encoding": "gzip"})
        again = await running.get(path, headers={"accept-encoding": "gzip"})
    if path == "/static":  # by the store's own rules, once
        assert answer.headers.get_list("content-encoding") == again.headers.get_list("content-encoding") == ["gzip"]
        assert "live" not in again.headers["etag"]
    else:
        assert "content-encoding" not in answer.headers
        assert answer.headers["content-length"] == str(len(answer.content))


async def test_what_is_coded_already_is_sent_as_it_is(project: Project) -> None:
    project.routes(ROUTES)
    async with project.started() as running:
        answer = await running.get("/own?kind=coded", headers={"accept-encoding": "br, gzip"})
    assert (answer.headers["content-encoding"], answer.content) == ("gzip", b"a" * 9000)


@pytest.mark.parametrize(("config", "vary"), [({}, "Origin"), ({"cdn": {}}, "Origin, accept-encoding")])
async def test_with_caches_in_front_a_plain_answer_says_that_there_are_others(
    project: Project, config: dict[str, Any], vary: str
) -> None:
    project.routes(ROUTES)
    async with project.started(**config) as running:
        del running.client.headers["accept-encoding"]
        assert (await running.get("/long")).headers["vary"] == vary


async def test_the_users_own_middleware_has_the_word(project: Project) -> None:
    project.routes(ROUTES)

    def gzipped(pond: Millpond) -> ASGIApp:
        pond.add_middleware(GZipMiddleware)
        return pond

    for wrap in (gzipped, lambda pond: GZipMiddleware(pond)):
        async with project.started(wrap=wrap) as running:
            answer = await running.get("/long", headers={"accept-encoding": "gzip"})
        assert answer.headers.get_list("content-encoding") == ["gzip"]
        assert len(answer.json()["long"]) == 24_000


@pytest.mark.parametrize("config", [{"server": {"compress_live": False}}, {"cache": {"codings": []}}])
async def test_it_can_be_turned_off(project: Project, config: dict[str, Any]) -> None:
    project.routes(ROUTES)
    async with project.started(**config) as running:
        answer = await running.get("/long")
        assert (await running.get("/long", headers={"if-none-match": '"1"'})).status_code == 304
    assert "content-encoding" not in answer.headers
    assert answer.headers["vary"] == "Origin"


async def test_fixed_headers_may_forbid_it_for_some_paths(project: Project) -> None:
    project.routes(ROUTES)
    fixed = [{"source": "/long", "name": "cache-control", "value": "no-transform"}]
    async with project.started(headers=fixed) as running:
        assert "content-encoding" not in (await running.get("/long")).headers
        assert "content-encoding" in (await running.get("/model")).headers


async def test_a_handler_that_compares_etags_still_does(project: Project) -> None:
    project.routes(ROUTES)
    async with project.started() as running:
        etag = (await running.get("/long")).headers["etag"]
        held = await running.get("/long", headers={"if-none-match": etag})
        changed = await running.get("/long", headers={"if-none-match": '"0-live-zstd"'})
        written = await running.client.put("/long", headers={"if-match": etag})
    assert (held.status_code, held.headers["etag"], held.headers["vary"]) == (304, etag, "accept-encoding")
    assert changed.status_code == 200
    assert written.json()["matches"]


async def test_another_site_cannot_measure_secrets(project: Project) -> None:
    project.routes(ROUTES)
    asked = {"cookie": "session=1", "sec-fetch-site": "cross-site"}
    async with project.started() as running:
        measured = await running.get("/long", headers=asked)
        clicked = await running.get("/long", headers={**asked, "sec-fetch-user": "?1"})
    assert "content-encoding" not in measured.headers
    assert "content-encoding" in clicked.headers


@pytest.mark.parametrize("outer", [False, True], ids=["shortly", "through middleware"])
async def test_the_access_log_counts_what_was_sent(
    project: Project, outer: bool, caplog: pytest.LogCaptureFixture
) -> None:
    project.routes(ROUTES)
    wrap = with_middleware if outer else bare
    with caplog.at_level(logging.INFO, "millpond.access"):
        async with project.started(wrap=wrap) as running:
            sent = int((await running.get("/long")).headers["content-length"])
    served = [record.__dict__["served"] for record in caplog.records if record.name == "millpond.access"]
    assert [each.sent for each in served] == [sent]


async def test_a_large_body_is_sent_in_pieces_while_others_are_answered(project: Project) -> None:
    project.routes(ROUTES)
    async with project.started() as running:
        answer = await running.get("/whole")
    assert len(answer.content) > MAX_WHOLE
    assert answer.json()["rows"] == list(range(200_000))
    assert "content-length" not in answer.headers


async def test_a_stream_that_breaks_off_has_no_end(project: Project) -> None:
    project.routes(ROUTES)
    async with project.started() as running:
        with pytest.raises(Exception, match="half way"):
            await httpx2.AsyncClient(
                transport=httpx2.ASGITransport(app=running.pond), base_url="http://shop.example"
            ).get("/broken", headers={"accept-encoding": "gzip"})


async def test_two_applications_in_each_other_code_once(project: Project) -> None:
    project.routes(ROUTES)
    async with project.started(wrap=lambda pond: CodingApp(pond, CODINGS, varies=False)) as running:
        answer = await running.get("/long")
    assert answer.headers.get_list("content-encoding") == ["zstd"]


@asynccontextmanager
async def events_of(project: Project, coding: str) -> AsyncIterator[tuple[httpx2.Response, Any]]:
    """The stream of `/events`, over a connection, and the module that sends it."""
    project.routes(ROUTES)
    pond = project.pond()
    (sock,) = bind("127.0.0.1", 0)
    sock.listen(8)
    config = uvicorn.Config(pond, http=bounded_protocol(ServerConfig()), log_config=None, access_log=False)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve([sock]))
    url = f"http://127.0.0.1:{sock.getsockname()[1]}/events"
    async with (
        asyncio.timeout(20),
        httpx2.AsyncClient() as client,
        client.stream("GET", url, headers={"accept-encoding": coding}) as answer,
    ):
        assert answer.headers["content-encoding"] == coding
        yield answer, route_of(pond, "/events").module.module
    server.should_exit = True
    await task


@pytest.mark.parametrize("coding", CODINGS)
async def test_each_event_arrives_before_the_next_one_is_made(project: Project, coding: str) -> None:
    seen = []
    async with events_of(project, coding) as (answer, module):
        async for text in answer.aiter_text():
            seen.append(text)
            module.seen.set()
    assert seen == [f"data: {number}\n\n" for number in range(3)]


async def test_a_client_that_goes_away_ends_the_stream(project: Project) -> None:
    async with events_of(project, "br") as (answer, module):
        await anext(answer.aiter_text())
        await answer.aclose()
        await asyncio.wait_for(module.ended.wait(), 10)


async def test_a_parent_that_is_fastapi_gets_coded_answers_of_what_is_mounted(project: Project) -> None:
    project.routes(ROUTES)

    def below(pond: Millpond) -> ASGIApp:
        parent = FastAPI()
        parent.mount("/shop", pond)
        return parent

    async with project.started(wrap=below) as running:
        answer = await running.get("/shop/long")
    assert answer.headers["content-encoding"] == "zstd"
    assert json.loads(answer.content)
