"""One running application, asked in three ways: at the socket, through ASGI, and through ASGI without a short cut.

The protocols are real and so is the event loop; only the wire is a list of bytes, so that nothing depends on time.
"""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import h11
import httptools
import uvicorn
from moved_loop import Timers
from raw_requests import ETAG
from uvicorn.server import ServerState

from millpond.serve.connection.bounded import bounded_protocol
from millpond.serve.connection.protocol import hit_protocol
from ponds import turns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from raw_requests import Script

    from millpond import Millpond
    from ponds import Project

ROUTES = {
    "/plain": "dynamic = 'force-static'\ndef GET():\n    return {'plain': True}\n",
    "/long": "dynamic = 'force-static'\ndef GET():\n    return {'long': 'still water ' * 200}\n",
    "/text": """
    from millpond import Response
    dynamic = "force-static"
    HEADERS = {"etag": '"own"', "last-modified": "Wed, 01 Jan 2025 00:00:00 GMT", "vary": "accept", "X-Two": "2"}


    def GET():
        return Response("text", 200, HEADERS, "text/plain")
    """,
    "/fresh": "revalidate = 60\ndef GET():\n    return 'fresh'\n",
    "/items/[id]": """
    revalidate = 600


    def generate_static_params():
        return [{"id": "1"}]


    def GET(id: str):
        return {"id": id}
    """,
    "/missing": "from millpond import not_found\ndynamic = 'force-static'\ndef GET():\n    not_found()\n",
    "/picked": """
    revalidate = 60
    cache_query = ("size",)


    def GET(size: str = "0"):
        return {"size": size}
    """,
    "/own-head": """
    from millpond import Response

    dynamic = "force-static"


    def GET():
        return "got"


    async def HEAD():  # in a thread it would take its time
        return Response(headers={"x-own": "head"})
    """,
    "/emptied": "from millpond import JSONResponse\nrevalidate = 60\ndef GET():\n    return JSONResponse(None, 204)\n",
    "/reset": "from millpond import Response\ndynamic = 'force-static'\ndef GET():\n    return Response('form', 205)\n",
    "/said/[slug]": """
    from millpond import PlainTextResponse, Response

    revalidate = 600
    STATUS = {"n": 204, "r": 205}


    def generate_static_params():
        return []


    async def GET(slug: str):
        if slug[0] in STATUS:
            return PlainTextResponse(slug, STATUS[slug[0]])
        response = Response(slug, 999 if slug == "odd" else 200)
        response.raw_headers.append((b"x-said", slug.encode()))
        return response
    """,
    "/told/[slug]": """
    from millpond import PlainTextResponse, Response

    dynamic = "force-dynamic"
    STATUS = {"n": 204, "r": 205, "m": 304}


    async def GET(slug: str):
        if slug[0] in STATUS:
            length = {"content-length": str(len(slug)), "transfer-encoding": "chunked"}
            return PlainTextResponse(slug, STATUS[slug[0]], length)
        response = Response(slug, 999 if slug == "odd" else 200)
        response.raw_headers.append((b"x-said", slug.encode()))
        return response
    """,
    "/live": """
    from millpond import Request


    async def GET(request: Request):
        return {"agent": request.headers.get("user-agent")}


    async def POST(request: Request):
        return {"length": len(await request.body())}
    """,
}
KNOWN = (
    "/plain",
    "/long",
    "/text",
    "/fresh",
    "/items/1",
    "/items/2",
    "/items/a%2Fb",
    "/missing",
    "/picked",
    "/picked?size=1",
    "/picked?size=2",
    "/own-head",
    "/emptied",
    "/reset",
    "/said/n%0D%0A",
    "/said/r%0D%0A",
)
BOUNDS = {"max_path_bytes": 1000, "max_header_bytes": 2000, "shutdown_timeout": 2.0}


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"sockname": ("127.0.0.1", 80), "peername": ("127.0.0.1", 4000)})
        self.written = bytearray()
        self.closed = self.ended = self.paused = False
        self.unread = 0
        """What the client hasn't taken yet, in bytes."""
        self.protocol: asyncio.BaseProtocol | None = None
        """Who has taken the connection over."""

    def write(self, data: Any) -> None:
        if not self.closed and not self.ended:
            self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def abort(self) -> None:
        self.closed = True

    def get_write_buffer_size(self) -> int:
        return self.unread

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class Seen(NamedTuple):
    """What one client sees, and what the server notes."""

    written: bytes
    closed: bool
    counted: int
    logged: list[tuple[Any, ...]]


class Way:
    """One of the ways; each connection is a new one."""

    def __init__(self, pond: Millpond, protocol: type[Any], log: _Log) -> None:
        self.pond = pond
        self.config = uvicorn.Config(pond, log_config=None, access_log=False, server_header=False, ws="none")
        self.config.load()
        self._protocol, self._log = protocol, log

    def connect(self, loop: Any = None) -> tuple[Any, Wire, ServerState]:
        state, wire = ServerState(), Wire()
        state.default_headers = [(b"date", b"Fri, 27 Nov 2026 12:00:00 GMT")]
        protocol = self._protocol(self.config, state, {}, loop)
        protocol.connection_made(wire)
        return protocol, wire, state

    async def say(self, pieces: Sequence[bytes], pause: float = 0) -> Seen:
        """All that is answered to `pieces`, when nothing goes on any more, and nobody asks for anything first.

        Args:
            pieces: what is said.
            pause: seconds after each, by a clock that is moved.
        """
        seen = await self._say(pieces, pause)
        while b"x-nextjs-cache: MISS" in seen.written:
            seen = await self._say(pieces, pause)
        return seen

    async def _say(self, pieces: Sequence[bytes], pause: float) -> Seen:
        self._log.records.clear()
        timers = Timers() if pause else None
        protocol, wire, state = self.connect(timers)
        for piece in pieces:
            if wire.closed:
                break
            protocol.data_received(piece)
            await turns(10)
            while state.tasks and not protocol.cycle.more_body:
                await asyncio.wait(state.tasks)
                await turns(10)
            if timers is not None:
                timers.move(pause)
                await turns(10)
        seen = Seen(bytes(wire.written), wire.closed or wire.ended, state.total_requests, list(self._log.records))
        protocol.connection_lost(None)
        if state.tasks:  # of who still waited for a body
            await asyncio.wait(state.tasks)
        return seen


class _Log(logging.Handler):
    """What the access log says, without the time that it took."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[tuple[Any, ...]] = []

    def emit(self, record: logging.LogRecord) -> None:
        fields = {**record.__dict__["fields"]}
        fields.pop("milliseconds")
        self.records.append((record.getMessage(), *fields.items()))


@dataclass
class Ways:
    """The three."""

    pond: Millpond
    socket: Way
    asgi: Way
    long: Way
    etag: bytes
    differences: list[str] = field(default_factory=list)

    async def follow(self, script: Script) -> None:
        """Compare, and hold the answers against what a strict parser makes of the requests."""
        pieces = [piece.replace(ETAG, self.etag) for piece in script.pieces]
        seen, whole = await self.compare(pieces), b"".join(pieces)
        asked = requests_in(whole)
        if asked is None or b"HTTP/1.1 400 " in seen.written:  # either parser may be the stricter one
            return
        try:
            answered = len(answers_in(seen.written, [method for method, _ in asked]))
        except h11.ProtocolError as error:
            self.differences.append(f"{pieces!r}\n  {error}\n  {asked}")
            return
        if answered != len(asked) and not seen.closed:
            self.differences.append(f"{pieces!r}\n  {len(asked)} requests, {answered} answers")

    async def compare(self, pieces: Sequence[bytes], pause: float = 0) -> Seen:
        """Say the same in all ways; what differs is noted.

        A request can be answered before what follows it turns out to be none, or after that; which one depends on
        how the network cuts. So the short ways may also answer as the long one does when each request comes alone.
        """
        expected = await self.long.say(pieces, pause)
        for way in (self.asgi, self.socket):
            seen = await way.say(pieces, pause)
            if seen != expected and seen != await self.long.say(one_by_one(pieces), pause):
                self.differences.append(f"{pieces!r}\n  {seen}\n  {expected}")
        return seen


def one_by_one(pieces: Sequence[bytes]) -> list[bytes]:
    """The same pieces, cut after each request besides."""
    ends = _Ends()
    parser: Any = httptools.HttpRequestParser(ends)
    cut: list[bytes] = []
    request = b""
    for piece in pieces:
        begins = 0
        for at in range(len(piece)):
            request += piece[at : at + 1]
            if parser is not None:
                parser = _fed(parser, ends, piece[at : at + 1], request)
            if ends.met:
                ends.met, request = False, b""
                cut.append(piece[begins : at + 1])
                begins = at + 1
        if begins < len(piece):
            cut.append(piece[begins:])
    return cut


_UPGRADE = re.compile(rb"(?i)\nupgrade:[^\n]*")


def _fed(parser: Any, ends: _Ends, byte: bytes, request: bytes) -> Any:
    """The parser that goes on after `byte`, the last one of `request` so far; None where there is no going on."""
    try:
        parser.feed_data(byte)
        return parser
    except httptools.HttpParserError:
        return None
    except httptools.HttpParserUpgrade:
        ends.met, plain = False, _UPGRADE.sub(b"", request)
        if plain == request:
            return None
        return _fed(httptools.HttpRequestParser(ends), ends, plain, plain)


class _Ends:
    met = False

    def on_message_complete(self) -> None:
        self.met = True


@asynccontextmanager
async def three_ways(project: Project) -> AsyncIterator[Ways]:
    """Build ROUTES, and make every path of theirs known."""
    project.routes(ROUTES)
    log = _Log()
    access = logging.getLogger("millpond.access")
    former = access.level, access.propagate
    access.addHandler(log)
    access.setLevel(logging.INFO)
    access.propagate = False
    project.config["server"] = BOUNDS
    try:
        await project.built()
        async with project.started() as short, project.started() as long:
            assert long.pond.hits is not None
            long.pond.hits.cached_path = lambda path: None  # type: ignore[assignment]
            bounds = short.pond.config.server
            assert short.pond.hits is not None
            ways = Ways(
                short.pond,
                Way(short.pond, hit_protocol(bounds, short.pond.hits), log),
                Way(short.pond, bounded_protocol(bounds), log),
                Way(long.pond, bounded_protocol(bounds), log),
                (await short.get("/plain")).headers["etag"].encode(),
            )
            for path in KNOWN:
                for running in (short, long):
                    await running.get(path)
                    await running.get(path)
            yield ways
    finally:
        access.removeHandler(log)
        access.level, access.propagate = former


def requests_in(data: bytes) -> list[tuple[bytes, bytes]] | None:
    """Method and target of each request, by a strict parser; None when it finds fault with one, or misses the rest."""
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=100_000)
    server.receive_data(data)
    found: list[tuple[bytes, bytes]] = []
    try:
        while True:
            event = server.next_event()
            if isinstance(event, h11.Request):
                if event.http_version not in (b"1.0", b"1.1"):  # of others llhttp takes no "Connection: close"
                    return None
                found.append((event.method, event.target))
            elif isinstance(event, h11.EndOfMessage):
                answer = h11.Response(status_code=200, headers=[("content-length", "0")])
                server.send(answer)
                server.send(h11.EndOfMessage())
                if server.our_state is h11.MUST_CLOSE:
                    return found
                server.start_next_cycle()
            elif event is h11.NEED_DATA:
                return found if not server.trailing_data[0] and server.their_state is h11.IDLE else None
            elif event is h11.PAUSED:
                return None
    except h11.ProtocolError:
        return None


def answers_in(data: bytes, methods: Sequence[bytes]) -> list[int]:
    """The status of each answer, by a strict parser that knows what was asked.

    Raises:
        h11.ProtocolError: it is no HTTP.
    """
    statuses: list[int] = []
    for method in methods:
        if not data:
            break
        client = h11.Connection(h11.CLIENT)
        client.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
        client.send(h11.EndOfMessage())
        client.receive_data(data)
        event = client.next_event()
        while not isinstance(event, h11.EndOfMessage):
            if isinstance(event, h11.Response):
                statuses.append(event.status_code)
            elif event is h11.NEED_DATA:
                raise h11.RemoteProtocolError("the answer ends in the middle")
            event = client.next_event()
        data = client.trailing_data[0]
    if data:
        raise h11.RemoteProtocolError(f"there is more than was asked for: {data[:80]!r}")
    return statuses
