from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from starlette.responses import StreamingResponse

from millpond.config import ServerConfig, parse_config
from millpond.errors import ConfigError
from millpond.serve.outermost.coding_app import CodingApp
from millpond.serve.processes.addresses import bind
from millpond.serve.processes.event_loop import default_loop, fastest_loop, run_loop
from millpond.serve.processes.server import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

SOON = ServerConfig(stream_timeout=0, shutdown_timeout=30)
LOOPS = pytest.mark.parametrize("loop", [fastest_loop, default_loop])


@asynccontextmanager
async def stopping(app: ASGIApp, bounds: ServerConfig, *requests: bytes) -> AsyncIterator[list[asyncio.Task[bytes]]]:
    """Everything that each request is answered by a server that is told to stop when all answers are under way."""
    sockets = bind("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]
    started, under_way = asyncio.Event(), asyncio.Semaphore(0)

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        under_way.release()
        await app(scope, receive, send)

    task = asyncio.create_task(serve(counted, sockets, bounds, started=started.set))
    await started.wait()

    async def ask(request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()

    answers = [asyncio.create_task(ask(request)) for request in requests]
    for _ in requests:
        await under_way.acquire()
    await asyncio.sleep(0.05)  # what has begun sends its head
    signal.raise_signal(signal.SIGTERM)
    yield answers
    await asyncio.wait_for(task, 10)


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode()


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR or record.exc_info]


@LOOPS
def test_a_stream_is_told_at_once_and_a_request_beside_it_ends_in_peace(
    loop: Callable[[], Callable[[], asyncio.AbstractEventLoop]], caplog: pytest.LogCaptureFixture
) -> None:
    told = asyncio.Event()

    async def events() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"data: 1\n\n"
                await asyncio.sleep(0.01)
        finally:
            told.set()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/events":
            await StreamingResponse(events())(scope, receive, send)
            return
        await told.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"done"})

    async def run() -> None:
        async with stopping(app, SOON, get("/events"), get("/request")) as (stream, request):
            assert (await request).endswith(b"\r\n\r\ndone")
            assert not (await stream).endswith(b"0\r\n\r\n")  # cut short, and not as if it were whole

    with caplog.at_level(logging.INFO):
        run_loop(asyncio.wait_for(run(), 10), loop())
    assert errors(caplog) == []
    assert "1 request within 30 s (server.shutdown_timeout), 1 stream within 0 s" in caplog.text


def test_a_coded_answer_whose_length_was_declared_is_no_stream() -> None:
    piece = b"still water " * 20_000

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % (2 * len(piece)))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await asyncio.sleep(0.3)  # longer than streams have
        await send({"type": "http.response.body", "body": piece})

    async def run() -> None:
        request = b"GET / HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\n\r\n"
        async with stopping(CodingApp(app, ("gzip",), varies=False), SOON, request) as (answer,):
            sent = await answer
        assert b"transfer-encoding: chunked" in sent
        assert sent.endswith(b"\r\n0\r\n\r\n")

    asyncio.run(run())


@LOOPS
def test_a_stream_that_doesnt_listen_is_cut_off(
    loop: Callable[[], Callable[[], asyncio.AbstractEventLoop]], caplog: pytest.LogCaptureFixture
) -> None:
    ended = False

    async def deaf(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal ended
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
                await asyncio.sleep(0.01)
        finally:
            ended = True

    async def run() -> None:
        async with stopping(deaf, SOON, get("/")) as (stream,):
            await stream

    run_loop(asyncio.wait_for(run(), 10), loop())
    assert ended
    assert errors(caplog) == []


def test_a_stream_to_a_client_that_knows_no_chunks_is_told_like_any_other() -> None:
    async def events() -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        await asyncio.sleep(3600)

    async def run() -> bytes:
        async with stopping(StreamingResponse(events()), SOON, b"GET / HTTP/1.0\r\n\r\n") as (stream,):
            return await stream

    assert asyncio.run(asyncio.wait_for(run(), 10)) == b""  # reset, as a close would say that it is whole


def test_an_answer_that_says_how_long_it_is_is_no_stream() -> None:
    release = asyncio.Event()

    async def download(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"6")]})
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        await release.wait()
        await send({"type": "http.response.body", "body": b"def"})

    async def run() -> bytes:
        async with stopping(download, SOON, get("/")) as (answer,):
            await asyncio.sleep(0.5)  # longer than it takes to tell streams
            release.set()
            return await answer

    assert asyncio.run(run()).endswith(b"abcdef")


def test_a_stream_has_the_time_that_the_configuration_leaves_it() -> None:
    async def report(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        await asyncio.sleep(0.4)
        await send({"type": "http.response.body", "body": b"def"})

    async def run() -> bytes:
        async with stopping(report, ServerConfig(stream_timeout=5), get("/")) as (answer,):
            return await answer

    assert asyncio.run(run()).endswith(b"def\r\n0\r\n\r\n")


def test_requests_that_take_too_long_are_one_line_and_503(caplog: pytest.LogCaptureFixture) -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/begun":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"6")]})
        await asyncio.Event().wait()

    async def run() -> list[bytes]:
        async with stopping(slow, ServerConfig(shutdown_timeout=0.2), get("/waits"), get("/begun")) as answers:
            return await asyncio.gather(*answers)

    waits, begun = asyncio.run(run())
    assert waits.startswith(b"HTTP/1.1 503 ")
    assert waits.endswith(b"the server is stopping")
    assert b" 503 " not in begun
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert line.startswith("2 requests didn't end within 0.2 s and are cut off: GET /")
    assert errors(caplog) == []


def test_less_than_no_time_for_streams_is_refused() -> None:
    with pytest.raises(ConfigError, match=r'"server\.stream_timeout" is -1'):
        parse_config({"server": {"stream_timeout": -1}}, "millpond.toml")
    with pytest.raises(ConfigError, match=r'"server\.worker_timeout" is 0'):
        parse_config({"server": {"worker_timeout": 0}}, "millpond.toml")


async def _answering(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"done"})


async def _accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@LOOPS
@pytest.mark.parametrize("asks_again", [True, False])
def test_a_client_that_uses_its_connection_gets_one_more_answer_which_says_that_it_is_the_last(
    loop: Callable[[], Callable[[], asyncio.AbstractEventLoop]], *, asks_again: bool
) -> None:
    async def run() -> None:
        sockets, started = bind("127.0.0.1", 0), asyncio.Event()
        port = sockets[0].getsockname()[1]
        bounds = ServerConfig(shutdown_timeout=5 if asks_again else 0.5)  # a fifth of it is left to clients
        serving = asyncio.create_task(serve(_answering, sockets, bounds, started=started.set))
        await started.wait()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(get("/first"))
        first = await reader.readuntil(b"done")
        assert b"connection: close" not in first
        signal.raise_signal(signal.SIGTERM)
        while await _accepts(port):  # noqa: ASYNC110 - nobody tells that a port is closed
            await asyncio.sleep(0.01)
        if asks_again:
            writer.write(get("/second"))
        last = await reader.read()
        assert (b"connection: close" in last, last.endswith(b"\r\n\r\ndone")) == (asks_again, asks_again)
        writer.close()
        await serving

    run_loop(asyncio.wait_for(run(), 10), loop())
