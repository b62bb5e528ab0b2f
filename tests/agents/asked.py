"""Conversations with an application, in process or over a socket, and what an agent has reported of each request."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import httpx2
import uvicorn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

T = TypeVar("T")

CONVERSATION = (
    "GET /static",
    "GET /static",
    "GET /static",
    "GET /things/1",
    "GET /things/1",
    "GET /things/2?size=3",
    "HEAD /things/9",
    "GET /live",
    "POST /orders",
    "POST /orders?wrong",
    "GET /failing",
    "GET /failing-live",
    "GET /nope",
    "PUT /static",
    "GET /declared/oak",
    "GET /declared-failing",
    "GET /included/pine",
    "GET /sub/inner/1",
    "GET /sub/nope",
)
"""What every agent is asked about; each request has one answer, and the same one from both.

Of Millpond's answers the first for a path is rendered, the second is a hit, and the third is a hit without routing.
"""

CACHED = ("GET /static", "GET /things", "HEAD /things", "GET /failing")
"""The requests for which Millpond renders for everybody, without parameters."""

ORDER = {"number": 7}
"""What is posted, except where the query says "wrong"."""


@dataclass(frozen=True)
class Asked(Generic[T]):
    """One request, its answer, and what was reported until it had ended."""

    request: str
    status: int
    cache: str | None
    """What `x-nextjs-cache` says."""
    body: str
    reports: T


async def conversation(client: httpx2.AsyncClient, requests: Iterable[str], collect: Callable[[], T]) -> list[Asked[T]]:
    """Ask one after the other; `collect` returns, and forgets, what was reported."""
    asked = []
    for request in requests:
        method, target = request.split(" ")
        body = None if method != "POST" else {} if target.endswith("?wrong") else ORDER
        answer = await client.request(method, target, json=body)
        asked.append(Asked(request, answer.status_code, answer.headers.get("x-nextjs-cache"), answer.text, collect()))
    return asked


def caller(app: ASGIApp) -> httpx2.AsyncClient:
    """A client that calls the application; errors that it raises after its answer go to nobody."""
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False, client=("10.0.0.1", 4000))
    return httpx2.AsyncClient(transport=transport, base_url="http://shop.example")


@asynccontextmanager
async def in_process(app: ASGIApp) -> AsyncIterator[httpx2.AsyncClient]:
    """A caller of an application within its lifespan."""
    async with running(app), caller(app) as client:
        yield client


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a uvicorn that serves the application; an answer comes when its request has ended there."""
    idle = asyncio.Event()
    idle.set()

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        idle.clear()
        try:
            await app(scope, receive, send)
        finally:
            idle.set()

    async def ended(response: httpx2.Response) -> None:
        await response.aread()
        await idle.wait()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(noting, log_config=None, lifespan="on"))
        serving = asyncio.create_task(server.serve([listening]))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with httpx2.AsyncClient(base_url=url, event_hooks={"response": [ended]}) as client:
            yield client
        server.should_exit = True
        await serving


@asynccontextmanager
async def running(app: ASGIApp) -> AsyncIterator[None]:
    """The application's lifespan, by ASGI messages."""
    received: asyncio.Queue[Message] = asyncio.Queue()
    sent: asyncio.Queue[str] = asyncio.Queue()

    async def send(message: Message) -> None:
        await sent.put(message["type"])

    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    task = asyncio.ensure_future(app(scope, received.get, send))
    await received.put({"type": "lifespan.startup"})
    assert await sent.get() == "lifespan.startup.complete"
    yield
    await received.put({"type": "lifespan.shutdown"})
    await task
