"""What a server does between SIGTERM and the end of accepting connections."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from echo_server import SMALL, echo, talk

from millpond.serve.answered import DRAINING
from millpond.serve.processes.addresses import bind
from millpond.serve.processes.drain import Drain, SignedApp
from millpond.serve.processes.server import serve
from ponds import Clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Message, Receive, Scope, Send

pytestmark = pytest.mark.anyio

GET = b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n"
LAST = b"GET /x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"


@asynccontextmanager
async def draining(seconds: float) -> AsyncIterator[tuple[int, asyncio.Task[None]]]:
    """The port of a server with a drain, and the task that serves."""
    sockets, started = bind("127.0.0.1", 0), asyncio.Event()
    serving = asyncio.create_task(serve(echo, sockets, SMALL, drain_delay=seconds, started=started.set))
    await asyncio.wait_for(started.wait(), 5)
    try:
        yield sockets[0].getsockname()[1], serving
    finally:
        if not serving.done():
            signal.raise_signal(signal.SIGINT)
        await asyncio.wait_for(serving, 10)


async def test_after_sigterm_connections_are_accepted_until_the_drain_is_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "millpond.serve")
    async with draining(0.6) as (port, serving):
        signal.raise_signal(signal.SIGTERM)
        assert b"200 OK" in await talk(port, LAST)
        assert not serving.done()
        await asyncio.wait_for(serving, 5)
        with pytest.raises(ConnectionError):
            await talk(port, LAST)
    assert "draining: connections are accepted for 0.6 s more (server.drain_delay)" in caplog.text


async def test_sigint_stops_without_a_drain() -> None:
    async with draining(60) as (_, serving):
        signal.raise_signal(signal.SIGINT)
        await asyncio.wait_for(serving, 5)


async def test_sigint_ends_a_drain() -> None:
    async with draining(60) as (port, serving):
        signal.raise_signal(signal.SIGTERM)
        assert b"200 OK" in await talk(port, LAST)
        signal.raise_signal(signal.SIGINT)
        await asyncio.wait_for(serving, 5)


async def test_a_further_sigterm_from_a_parent_leaves_the_drain_as_it_is() -> None:
    async with draining(60) as (port, _):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert b"200 OK" in await talk(port, LAST)


async def test_answers_end_their_connections_in_the_second_half_only() -> None:
    clock = Clock(0.0)
    drain = Drain(10.0, clock)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        told.append(scope.get(DRAINING))
        headers = [(b"Connection", b"keep-alive"), (b"x", b"y")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(dict(message["headers"]))

    told: list[bool | None] = []
    sent: list[dict[bytes, bytes]] = []
    drained = SignedApp(app, drain)
    for moment in (0, 4.9, 5.0):
        clock.now = moment
        await drained({"type": "http"}, receive, send)
        drain.begin()  # once; later calls change nothing
    clock.now = 5.0
    assert told == [None, True, True]
    assert [each.get(b"connection") for each in sent] == [None, None, b"close"]
    assert not drain.is_over
    clock.now = 10.0
    assert drain.is_over


async def test_a_connection_that_is_kept_open_is_ended_by_an_answer_before_the_server_ends_it() -> None:
    async with draining(1.0) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        signal.raise_signal(signal.SIGTERM)
        answers = b""
        while b"connection: close" not in answers:  # as a load balancer that sends one request after another
            writer.write(GET)
            answers = await asyncio.wait_for(reader.readuntil(b";"), 5)
            assert answers.startswith(b"HTTP/1.1 200 OK")
            await asyncio.sleep(0.02)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
