"""An ASGI application on a real port, and what is said to it as bytes."""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from millpond.config import ServerConfig
from millpond.serve.processes.addresses import bind
from millpond.serve.processes.server import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from millpond.serve.forwarded import Proxies
    from millpond.serve.hits import Hits

SMALL = ServerConfig(max_path_bytes=1000, max_header_bytes=4000, shutdown_timeout=2)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with what it was asked: scheme, path, and length of the body."""
    length, more = 0, True
    while more:
        message = await receive()
        length, more = length + len(message.get("body", b"")), message.get("more_body", False)
    body = f"{scope['scheme']} {scope['path']} {length};".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving(
    app: ASGIApp = echo, bounds: ServerConfig = SMALL, *, proxies: Proxies | None = None, hits: Hits | None = None
) -> AsyncIterator[int]:
    """The port of a server, which a SIGTERM of our own ends afterwards."""
    sockets = bind("127.0.0.1", 0)
    port: int = sockets[0].getsockname()[1]
    started = asyncio.Event()
    task = asyncio.create_task(serve(app, sockets, bounds, hits=hits, proxies=proxies, started=started.set))
    await asyncio.wait_for(started.wait(), 5)
    try:
        yield port
    finally:
        signal.raise_signal(signal.SIGTERM)
        await asyncio.wait_for(task, 10)


async def talk(port: int, *pieces: bytes) -> bytes:
    """Everything that is answered to `pieces`, each sent by itself, until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.002)  # pieces that arrive together would be one
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


def ask(talking: Callable[[int], Awaitable[bytes]], app: ASGIApp = echo, *, proxies: Proxies | None = None) -> str:
    async def run() -> bytes:
        async with serving(app, proxies=proxies) as port:
            return await talking(port)

    return asyncio.run(run()).decode()
