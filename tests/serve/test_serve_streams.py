"""Streamed answers to requests with bodies, over real connections: nothing is lost, and nobody streams for nobody."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config as HypercornConfig
from starlette.middleware.base import BaseHTTPMiddleware

from millpond.config import ServerConfig
from millpond.serve.connection.bounded import bounded_protocol
from millpond.serve.processes.addresses import bind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp

    from millpond import Millpond
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

ROUTES = {
    "/echo": """
    from millpond import StreamingResponse

    async def POST(request):
        async def body():
            async for chunk in request.stream():
                yield chunk
        return StreamingResponse(body())

    async def GET(request):
        return await POST(request)
    """,
    "/rest": """
    from millpond import StreamingResponse

    async def POST(request):
        stream = request.stream()
        first = await anext(stream)
        async def body():
            yield first
            async for chunk in stream:
                yield chunk
        return StreamingResponse(body())
    """,
    "/generated": """
    async def POST(request):
        async for chunk in request.stream():
            yield {"bytes": len(chunk)}
    """,
    "/events": """
    import asyncio
    from starlette.background import BackgroundTask
    from millpond import StreamingResponse

    begun, ended, cleaned = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def clean():
        cleaned.set()

    async def silent():
        try:
            yield b"hello"
            begun.set()
            await asyncio.sleep(3600)
        finally:
            ended.set()

    async def POST(request):
        return StreamingResponse(silent(), background=BackgroundTask(clean))

    async def GET(request):
        return StreamingResponse(silent(), background=BackgroundTask(clean))

    async def PUT(request):
        await anext(request.stream())
        return StreamingResponse(silent(), background=BackgroundTask(clean))
    """,
}
SIZE = 300_000


class Passing(BaseHTTPMiddleware):
    async def dispatch(self, request: Any, call_next: Any) -> Any:
        return await call_next(request)


def with_middleware(pond: Millpond) -> ASGIApp:
    pond.add_middleware(Passing)
    return pond


def mounted(pond: Millpond) -> ASGIApp:
    parent = FastAPI()
    parent.add_middleware(Passing)
    parent.mount("/", pond)
    return parent


def bare(pond: Millpond) -> ASGIApp:
    return pond


WAYS = {"bare": bare, "with middleware": with_middleware, "mounted": mounted}


@asynccontextmanager
async def by_uvicorn(app: Any) -> AsyncIterator[int]:
    (sock,) = bind("127.0.0.1", 0)
    sock.listen(64)
    protocol = bounded_protocol(ServerConfig())
    config = uvicorn.Config(app, http=protocol, lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve([sock]))
    try:
        yield sock.getsockname()[1]
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def by_hypercorn(app: Any) -> AsyncIterator[int]:
    (sock,) = bind("127.0.0.1", 0)
    sock.listen(64)
    port, stop, config = sock.getsockname()[1], asyncio.Event(), HypercornConfig()
    config.bind, config.errorlog = [f"fd://{sock.detach()}"], None
    task = asyncio.create_task(hypercorn_serve(app, config, shutdown_trigger=stop.wait))
    try:
        yield port
    finally:
        stop.set()
        await task


SERVERS = {"uvicorn": by_uvicorn, "hypercorn": by_hypercorn}
EVERYWHERE = pytest.mark.parametrize(("server", "way"), [*(("uvicorn", way) for way in WAYS), ("hypercorn", "mounted")])


@asynccontextmanager
async def served(project: Project, server: str = "uvicorn", way: str = "bare") -> AsyncIterator[tuple[Running, int]]:
    """The running pond, and the port at which it is served."""
    project.routes(ROUTES)
    async with project.serving() as running, SERVERS[server](WAYS[way](running.pond)) as port:
        yield running, port


async def pieces() -> AsyncIterator[bytes]:
    """A body that comes in parts."""
    for number in range(SIZE // 10_000):
        yield bytes([number]) * 10_000
        await asyncio.sleep(0)


WHOLE = b"".join(bytes([number]) * 10_000 for number in range(SIZE // 10_000))


@EVERYWHERE
@pytest.mark.parametrize("path", ["/echo", "/rest"])
async def test_an_answer_that_is_made_of_the_body_has_all_of_it(
    project: Project, server: str, way: str, path: str
) -> None:
    async with served(project, server, way) as (_, port), httpx2.AsyncClient() as client:
        for content in (pieces(), WHOLE):
            answer = await client.post(f"http://127.0.0.1:{port}{path}", content=content, timeout=10)
            assert (answer.status_code, len(answer.content)) == (200, SIZE)
            assert answer.content == WHOLE


async def test_a_generator_of_fastapi_has_all_of_the_body(project: Project) -> None:
    async with served(project) as (_, port), httpx2.AsyncClient() as client:
        answer = await client.post(f"http://127.0.0.1:{port}/generated", content=pieces(), timeout=10)
        lines = answer.text.splitlines()
        assert sum(json.loads(line)["bytes"] for line in lines) == SIZE


@pytest.mark.parametrize("way", WAYS)
async def test_a_streamed_get_that_asks_for_a_body_finds_none_and_ends(project: Project, way: str) -> None:
    async with served(project, way=way) as (_, port), httpx2.AsyncClient() as client:
        answer = await client.request("GET", f"http://127.0.0.1:{port}/echo", content=b"hidden", timeout=5)
        assert (answer.status_code, answer.content) == (200, b"")


REQUESTS = {
    "no body": b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n",
    "a body that nobody reads": b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    "half a body": b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nhello",
    "a body that is read in part": b"PUT /events HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nhello",
}


@EVERYWHERE
@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
async def test_a_stream_with_nothing_to_say_ends_when_its_client_has_gone(
    project: Project, server: str, way: str, request_: bytes
) -> None:
    async with served(project, server, way) as (running, port):
        module = running.module("/events")
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request_)
        await asyncio.wait_for(module.begun.wait(), 5)
        assert not module.ended.is_set()
        writer.transport.abort()
        await asyncio.wait_for(module.ended.wait(), 5)
        await asyncio.wait_for(module.cleaned.wait(), 5)  # background tasks run, as they do in FastAPI
