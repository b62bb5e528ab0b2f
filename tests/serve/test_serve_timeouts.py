"""How long a client may take, and how many there may be: with the protocol, a moved clock, and a wire of bytes."""

from __future__ import annotations

import asyncio
import contextvars
import math
import socket
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from echo_server import serving
from moved_loop import Timers
from three_ways import Wire, three_ways
from uvicorn.server import ServerState

from millpond.config import ServerConfig
from millpond.serve.connection import timeouts
from millpond.serve.connection.bounded import BoundedProtocol, bounded_protocol
from millpond.serve.connection.round_robin import RoundRobin
from ponds import turns

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from ponds import Project

pytestmark = pytest.mark.anyio

BOUNDS = ServerConfig(header_timeout=10, body_timeout=20, write_timeout=30, keep_alive_timeout=40, max_connections=3)
GET = b"GET /plain HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /live HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"


class Slow:
    """An application that answers when it is let go, or when it has the body."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.messages: list[str] = []
        self.calls = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        while scope["method"] == "POST":
            message = await receive()
            self.messages.append(message["type"])
            if not message.get("more_body"):
                break
        if scope["method"] == "GET":
            await self.go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


class Server:
    """Connections of one server, whose clock is moved."""

    def __init__(self, bounds: ServerConfig = BOUNDS, ws: Any = "none") -> None:
        self.app, self.timers, self.state = Slow(), Timers(), ServerState()
        self._config = uvicorn.Config(self.app, log_config=None, access_log=False, server_header=False, ws=ws)
        self._config.load()
        self._kind = bounded_protocol(bounds)

    def connect(self) -> tuple[BoundedProtocol, Wire]:
        loop: Any = self.timers
        protocol, wire = self._kind(self._config, self.state, {}, loop), Wire()
        protocol.connection_made(wire)
        return protocol, wire

    def closed_after(self, wire: Wire, seconds: float) -> bool:
        """Whether that is when the connection is closed: not earlier, and no two seconds later."""
        self.timers.move(seconds - 0.1)
        early = wire.closed
        self.timers.move(2.1)
        return wire.closed and not early


async def test_who_says_nothing_is_closed() -> None:
    server = Server()
    _, wire = server.connect()
    assert server.closed_after(wire, 10)
    assert not wire.written


@pytest.mark.parametrize("every", [1.0, 3.0])
async def test_a_head_has_its_time_however_busily_it_dribbles(every: float) -> None:
    server = Server()
    protocol, wire = server.connect()
    for byte in (b"\r\n\r\n" + GET + b"x: " + b"y" * 100)[: math.floor(9 / every)]:
        protocol.data_received(bytes([byte]))
        server.timers.move(every)
    assert not wire.closed
    server.timers.move(10)
    assert wire.closed
    assert wire.written.startswith(b"HTTP/1.1 408 ")


async def test_the_second_head_of_a_connection_has_its_own_time() -> None:
    server = Server()
    server.app.go.set()
    protocol, wire = server.connect()
    protocol.data_received(GET)
    await turns(5)
    server.timers.move(35)
    protocol.data_received(GET[:10])
    server.timers.move(8)
    assert not wire.closed
    server.timers.move(5)
    assert wire.closed
    assert wire.written.endswith(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")


async def test_a_body_without_progress_is_408_and_its_handler_is_told() -> None:
    server = Server()
    protocol, wire = server.connect()
    protocol.data_received(POST)
    await turns(5)
    for _ in range(9):
        server.timers.move(15)
        protocol.data_received(b"x")
    assert not wire.closed
    assert server.closed_after(wire, 20)
    await turns(5)
    assert wire.written.startswith(b"HTTP/1.1 408 ")
    assert server.app.messages[-1] == "http.disconnect"


async def test_a_long_upload_with_progress_passes() -> None:
    server = Server()
    protocol, wire = server.connect()
    protocol.data_received(POST)
    await turns(5)
    for _ in range(10):
        server.timers.move(19)
        protocol.data_received(b"x")
    await turns(5)
    assert wire.written.endswith(b"ok")
    assert not wire.closed


async def test_the_rest_of_a_body_that_nobody_wants_any_more_has_its_time() -> None:
    server = Server()
    server.app.go.set()
    protocol, wire = server.connect()
    protocol.data_received(POST.replace(b"POST", b"GET"))
    await turns(5)
    assert wire.written.endswith(b"ok")
    assert server.closed_after(wire, 20)


async def test_who_waits_for_an_answer_waits_as_long_as_it_takes() -> None:
    server = Server()
    protocol, wire = server.connect()
    protocol.data_received(GET)
    protocol.data_received(GET + POST[:20])
    await turns(5)
    server.timers.move(3600)
    assert not wire.closed
    server.app.go.set()
    await turns(10)
    assert wire.written.count(b"200 OK") == 2
    server.timers.move(9)
    assert not wire.closed
    server.timers.move(3)
    assert wire.closed


async def test_a_body_that_the_handler_has_not_asked_for_is_waited_for_as_long_as_it_takes() -> None:
    server = Server()
    protocol, wire = server.connect()
    expects = b"GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n"
    protocol.data_received(expects)
    await turns(5)
    server.timers.move(3600)
    assert not wire.closed


async def test_an_idle_connection_is_closed_after_the_keep_alive_time_and_not_before() -> None:
    server = Server()
    server.app.go.set()
    protocol, wire = server.connect()
    for _ in range(3):
        protocol.data_received(GET)
        await turns(5)
        server.timers.move(39)
        assert not wire.closed
    protocol.data_received(GET)
    await turns(5)
    assert server.closed_after(wire, 40)


async def test_hits_prolong_a_connection_as_live_answers_do(project: Project) -> None:
    async with three_ways(project) as ways:
        timers = Timers()
        protocol, wire, state = ways.socket.connect(timers)
        for request in (GET, GET, POST.replace(b"10", b"0"), GET, GET):
            protocol.data_received(request)
            await asyncio.gather(*state.tasks)
            timers.move(74)
            assert not wire.closed
        timers.move(4)
        assert wire.closed
        assert wire.written.count(b"200 OK") == 5


async def test_who_sends_many_requests_at_once_lets_others_have_their_turn(project: Project) -> None:
    """The event loop runs between two lots of hits; the answers are the same, in their order."""
    post = b"POST /live HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
    async with three_ways(project) as ways:
        protocol, wire, state = ways.socket.connect()
        protocol.data_received(GET)
        await asyncio.gather(*state.tasks)
        first = wire.written.count(b"HTTP/1.1 200 OK")
        protocol.data_received(GET * 1000 + post * 3 + GET * 1000)
        assert first == 1
        assert wire.written.count(b"HTTP/1.1 200 OK") - first < 150
        for _ in range(100):
            protocol.data_received(GET[:9])
            protocol.data_received(GET[9:])
            await turns(5)
        while state.tasks or protocol._held:
            await turns(5)
        answers = wire.written.split(b"HTTP/1.1 200 OK")[1:]
        assert len(answers) == 1 + 1000 + 3 + 1000 + 100
        assert [number for number, each in enumerate(answers) if b"detail=live" in each] == [1001, 1002, 1003]
        assert not wire.paused
        await asyncio.gather(*state.tasks)


async def test_however_many_have_more_to_be_answered_one_of_them_goes_on_in_each_turn_of_the_loop() -> None:
    round_robin, loop, went = RoundRobin(), asyncio.get_running_loop(), list[int]()
    for number in range(5):
        round_robin.schedule(partial(went.append, number), contextvars.copy_context(), loop)
    for number in range(1, 6):
        await asyncio.sleep(0)
        assert went == list(range(number))


async def test_who_does_not_read_is_cut_off_though_nothing_more_is_written() -> None:
    server = Server()
    server.app.go.set()
    protocol, wire = server.connect()
    protocol.data_received(GET)
    await turns(5)
    for wire.unread in (500_000, 400_000, 300_000):  # it reads, slowly
        server.timers.move(25)
        assert not wire.closed
    assert server.closed_after(wire, 5)


async def test_who_reads_slowly_is_not_cut_off_while_the_kernel_has_enough_to_send() -> None:
    server = Server()
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)  # so that each read is told soon
        client.connect(listener.getsockname())
        accepted, _ = listener.accept()
        loop = asyncio.get_running_loop()
        timers: Any = server.timers
        kind = partial(server._kind, server._config, server.state, {}, timers)
        transport, _ = await loop.connect_accepted_socket(kind, accepted)
        assert isinstance(transport, asyncio.Transport)
        transport.write(bytes(16_000_000))
        for _ in range(5):  # far less than it takes for the kernel to want more
            await asyncio.sleep(0.02)
            client.recv(64 * 1024, socket.MSG_WAITALL)
            await asyncio.sleep(0.02)
            server.timers.move(25)
            assert not transport.is_closing()
        await asyncio.sleep(0.02)
        server.timers.move(33)
        assert transport.is_closing()
    await turns()


async def test_a_connection_that_is_being_closed_is_cut_off_when_nobody_reads_the_rest() -> None:
    server = Server()
    _, wire = server.connect()
    aborted = []
    wire.abort = lambda: aborted.append(server.timers.now)  # type: ignore[method-assign]
    wire.unread = 1000
    wire.close()
    server.timers.move(29)
    assert not aborted
    server.timers.move(5)
    assert aborted


async def test_connections_over_the_bound_are_503_and_over_twice_the_bound_nothing() -> None:
    server = Server()
    wires = [server.connect()[1] for _ in range(8)]
    assert [bytes(wire.written[:12]) for wire in wires] == [b""] * 3 + [b"HTTP/1.1 503"] * 3 + [b""] * 2
    assert [wire.closed for wire in wires] == [False] * 6 + [True] * 2
    server.timers.move(1.1)
    assert [wire.closed for wire in wires] == [False] * 3 + [True] * 5


async def test_there_is_one_timer_for_all_connections_and_none_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeouts, "_AT_ONCE", 2)
    server = Server(ServerConfig(header_timeout=10, max_connections=100))
    server.app.go.set()
    connected = [server.connect() for _ in range(9)]
    for protocol, _ in connected[:4]:
        for _ in range(3):
            protocol.data_received(GET)
            await turns(5)
    assert server.timers.waiting == 1
    for _ in range(13):
        server.timers.move(1)
        await turns(6)  # each turn looks at a few
    assert [wire.closed for _, wire in connected] == [False] * 4 + [True] * 5
    for protocol, _ in connected:
        protocol.connection_lost(ConnectionResetError())
    assert server.timers.waiting == 0


async def test_a_bound_that_is_infinite_is_none() -> None:
    server = Server(ServerConfig(header_timeout=math.inf))
    _, wire = server.connect()
    server.timers.move(10_000)
    assert not wire.closed


async def test_no_more_is_parsed_while_requests_wait() -> None:
    server = Server()
    protocol, wire = server.connect()
    protocol.data_received(GET * 7000)
    await turns(5)
    assert wire.paused
    assert len(protocol.pipeline) < 100
    server.app.go.set()
    while server.state.tasks:
        await turns(5)
        assert len(protocol.pipeline) < 100
    assert wire.written.count(b"200 OK") == 7000
    assert not wire.paused


async def test_a_handler_that_wants_its_body_reads_no_requests_after_it() -> None:
    server = Server()
    protocol, wire = server.connect()
    protocol.data_received(GET + POST.replace(b"10", b"2"))
    for piece in (b"ok", *[GET] * 3000):
        protocol.data_received(piece)
    await turns(5)
    assert wire.paused
    assert len(protocol.pipeline) == 1
    protocol.cycle.flow.resume_reading()  # as a `receive` does
    assert wire.paused
    server.app.go.set()
    while server.state.tasks:
        await turns(5)
    assert not wire.paused
    protocol.data_received(GET)
    await turns(5)
    assert wire.written.count(b"200 OK") == 3003


WEBSOCKET = (
    b"GET /live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def test_a_websocket_is_silent_as_long_as_it_likes() -> None:
    server = Server(ws="wsproto")
    accepted: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        accepted.append(scope["type"])
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        await receive()

    server._config.loaded_app = app
    protocol, wire = server.connect()
    protocol.data_received(WEBSOCKET + GET * 100)  # what comes after the head is no request
    await turns(10)
    assert accepted == ["websocket"]
    assert wire.written.startswith(b"HTTP/1.1 101 ")
    assert wire.protocol is not None
    server.timers.move(3600)
    assert not wire.closed
    assert server.timers.waiting == 0


async def test_no_other_protocol_begins_in_the_middle_of_an_answer() -> None:
    server = Server(ws="wsproto")
    protocol, wire = server.connect()
    protocol.data_received(GET + WEBSOCKET)
    await turns(5)
    server.app.go.set()
    await turns(10)
    assert wire.protocol is None
    assert wire.closed
    assert wire.written.count(b"HTTP/1.1") == 1


async def test_requests_that_wait_begin_in_a_context_of_their_own() -> None:
    from contextvars import ContextVar

    seen: list[str] = []
    whose = ContextVar("whose", default="nobody's")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(whose.get())
        whose.set(scope["path"])
        await asyncio.sleep(0)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    async with serving(app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /one HTTP/1.1\r\nHost: x\r\n\r\n" * 3 + b"GET /last HTTP/1.0\r\n\r\n")
        await asyncio.wait_for(reader.read(), 5)
        writer.close()
    assert seen == ["nobody's"] * 4


async def test_an_upload_larger_than_what_is_parsed_at_once_arrives_whole() -> None:
    length = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal length
        more = True
        while more:
            message = await receive()
            length, more = length + len(message["body"]), message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    async with serving(app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000
        )
        assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 200 ")
        writer.close()
    assert length == 3_000_000
