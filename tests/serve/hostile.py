"""Byte sequences that were never meant well, and what a second parser makes of them. Equal seeds give equal bytes.

h11 is that parser: written by others, after the same specification, and with nothing of llhttp in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import socket
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import h11
import uvicorn
from raw_requests import script
from uvicorn.server import ServerState

from millpond.serve.connection.protocol import hit_protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from millpond import Millpond
    from millpond.serve.hits import HitRequest

Headers = list[tuple[bytes, bytes]]

_HOST = b"Host: shop.example\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n"
_INNER = b"GET /plain HTTP/1.1\r\nHost: shop.example\r\n\r\n"
SEEDS = [
    b"GET /plain HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"GET /plain HTTP/1.1\r\n" + _HOST + b"User-Agent: x\r\nAccept: */*\r\n\r\n",
    b"HEAD /plain HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"GET /plain?a=b HTTP/1.1\r\n" + _HOST + b"Cookie: a=b\r\n\r\n",
    b"GET http://shop.example/plain HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"GET /live HTTP/1.0\r\n\r\n",
    b"GET /live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"GET /live HTTP/1.1\r\n" + _HOST + b"Connection: close\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"POST /live HTTP/1.1\r\n" + _HOST + b"Content-Length: 11\r\n\r\nhello world",
    b"POST /live HTTP/1.1\r\n" + _HOST + b"Content-Length: %d\r\n\r\n" % len(_INNER) + _INNER,
    b"PUT /live HTTP/1.1\r\n" + _HOST + _CHUNKED + b"\r\n5\r\nhello\r\n6; a=b\r\n world\r\n0\r\n\r\n",
    b"POST /live HTTP/1.1\r\n"
    + _HOST
    + _CHUNKED
    + b"\r\nA\r\n0123456789\r\n0\r\nX-Trailer: evil\r\nHost: evil\r\n\r\n",
    b"POST /live HTTP/1.1\r\n" + _HOST + _CHUNKED + b'\r\n5;a="b;c";d\r\n0\r\n\r\n\r\n0\r\n\r\n',
    b"POST /live HTTP/1.1\r\n" + _HOST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
    b"POST /live HTTP/1.1\r\n" + _HOST + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi",
    b"GET /live HTTP/1.1\r\n" + _HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"POST /live HTTP/1.1\r\n" + _HOST + _CHUNKED + b"Content-Length: 6\r\n\r\n0\r\n\r\nX",
    b"POST /live HTTP/1.1\r\n" + _HOST + b"Content-Length: 5\r\n" + _CHUNKED + b"\r\n0\r\n\r\n",
    b"GET /live HTTP/1.1\r\n" + _HOST + b"X-Fold: a\r\n b\r\n\r\n",
    b"GET /live HTTP/1.1\nHost: shop.example\n\n",
    b"CONNECT shop.example:443 HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /live\r\n\r\n",
    b"get /live HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"\r\n\r\nGET /live HTTP/1.1\r\n" + _HOST + b"\r\n",
]
_LINES = [
    *(b"Content-Length: " + value for value in (b"0", b"5", b"5, 5", b"+5", b"5\0", b"")),
    *(b"Transfer-Encoding: " + value for value in (b"chunked", b"xchunked", b"\x0bchunked", b"chunked, identity")),
    *(b"Transfer-Encoding: " + value for value in (b"gzip, chunked", b"\r\n chunked", b"Chunked", b"identity")),
    *(b"Host: " + value for value in (b"evil.example", b"", b"a b")),
    *(b"Connection: " + value for value in (b"close", b"upgrade\r\nUpgrade: h2c", b"keep-alive, Transfer-Encoding")),
    *(b"Content-Length : 5", b"content-length:5", b"Content_Length: 5", b" Host: x", b"Expect: 100-continue"),
    *(b"Transfer-Encoding : chunked", b"X: y\r\nTransfer-Encoding\r\n: chunked", b"TE: gzip, chunked"),
    *(b"X-Y: " + b"z" * 3000, b"\r\n".join([b"a:"] * 20), b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
]
_BITS = [
    *(bytes([byte]) for byte in b'\r\n\0 \t:,;"\x0b\x0c\x7f\x80\xff#'),
    *(b"\r\n\r\n", b"\r\n ", b"\r\n\t", b"\n ", b"\r\r\n", b"0\r\n\r\n", b"1\r\nZ\r\n", b"x" * 300),
    *(b"0x5", b"+5", b"-1", b"5 ", b"00000005", b"1_0", b"\xd9\xa3", b"F" * 16, b"18446744073709551617", b"9" * 23),
    *(b"HTTP/1.1", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/1.10", b"http/1.1", b"http://evil.example"),
    *(b"//", b"/../", b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"),
    *(line + b"\r\n" for line in _LINES),
]


_ENDS = (b"\n", b"\r", b"\r\r\n", b"\n\r")


def hostile(seed: int) -> tuple[list[bytes], int]:
    """What one client sends, piece by piece; and how many requests there are about."""
    chance = random.Random(seed)
    number = chance.choice((1, 1, 2, 2, 3, 5))
    requests = [chance.choice(SEEDS[:16] if chance.random() < 0.7 else SEEDS) for _ in range(number)]
    if chance.random() < 0.1:
        requests[-1] = b"".join(script(seed).pieces)
    if chance.random() < 0.15:
        requests = [chance.choice(SEEDS[:3])] * number
    at = chance.randrange(number)
    if chance.random() < 0.85:
        requests[at] = _mutated(chance, requests[at])
    whole = b"".join(requests)
    if chance.random() < 0.1:
        whole = whole[: chance.randrange(len(whole) + 1)]
    kind = chance.random()
    if kind < 0.35 or len(whole) < 2:
        return [whole], number
    if kind < 0.5:
        return [each for each in requests if each] if b"".join(requests) == whole else [whole], number
    if kind < 0.53 and len(whole) < 300:
        return [whole[at : at + 1] for at in range(len(whole))], number
    cuts = sorted(chance.randrange(len(whole) + 1) for _ in range(chance.randint(1, 4)))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    return [piece for piece in pieces if piece], number


def _mutated(chance: random.Random, request: bytes) -> bytes:
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3))):
        lines = request.split(b"\r\n")
        at = chance.randrange(len(request) + 1)
        match chance.randrange(9):
            case 0:
                request = request[:at] + chance.choice(_BITS) + request[at:]
            case 1:  # a header more, in front of the others
                request = request.replace(b"\r\n", b"\r\n" + chance.choice(_BITS), 1)
            case 2:
                request = request[:at] + bytes([chance.randrange(256)]) + request[at + 1 :]
            case 3:
                request = request[:at] + request[at + chance.randint(1, 8) :]
            case 4:
                request = request.replace(
                    b"\r\n", chance.choice((b"\n", b"\r", b"\r\r\n", b"\n\r")), chance.randint(1, 4)
                )
            case 5:
                line = chance.randrange(len(lines))
                lines[line:line] = [lines[line]] * chance.choice((1, 1, 30))
                request = b"\r\n".join(lines)
            case 6:
                chance.shuffle(lines)
                request = b"\r\n".join(lines)
            case 7:
                other = chance.choice(SEEDS)
                request = request[:at] + other[chance.randrange(len(other)) :]
            case _:
                digits = [place for place, byte in enumerate(request) if 48 <= byte <= 57]
                if digits:
                    place = chance.choice(digits)
                    request = request[:place] + chance.choice(_BITS) + request[place + 1 :]
    return request


class Understood(NamedTuple):
    """A request as somebody understood it."""

    method: bytes
    target: bytes
    headers: Headers | None
    """None where only the path is known, of a hit."""
    body: bytes
    whole: bool


_SPACES = re.compile(rb"\A([!-~]+) +([!-~]+) +(HTTP/1\.[01]\r\n)")
"""A request line, perhaps with more than one space between its words. h11 refuses those; llhttp and nginx read them,
and read the same (RFC 9112 §3: a recipient may)."""


def understood_by_h11(data: bytes) -> tuple[list[Understood], str]:
    """The requests in `data`, and what h11 has against the rest; `""` for nothing."""
    found: list[Understood] = []
    while data := data.lstrip(b"\r\n"):  # which h11 doesn't pass over, and servers should (RFC 9112 §2.2)
        server = h11.Connection(h11.SERVER, max_incomplete_event_size=10**6)
        server.receive_data(_SPACES.sub(rb"\1 \2 \3", data, count=1))
        try:
            request = server.next_event()
            if not isinstance(request, h11.Request):
                return found, ""  # more is to come
            if request.http_version not in (b"1.0", b"1.1"):
                return found, "another version"
            headers, body = [(name, value) for name, value in request.headers], b""
            found.append(Understood(request.method, request.target, headers, b"", whole=False))
            while isinstance(event := server.next_event(), h11.Data):
                body += event.data
                found[-1] = found[-1]._replace(body=body)
            if not isinstance(event, h11.EndOfMessage):
                return found, ""
            found[-1] = found[-1]._replace(whole=True)
            if server.their_state is h11.MUST_CLOSE or request.http_version != b"1.1":
                return found, "the connection ends here"
            data = server.trailing_data[0]
        except h11.RemoteProtocolError as error:
            return found, str(error)
    return found, ""


@dataclass
class Seen:
    """What came of the bytes of one client."""

    requests: list[Understood] = field(default_factory=list)
    written: bytes = b""
    closed: bool = False


class Recorder:
    """Stands in front of an application, and writes down what it is asked; each body is read to its end first."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.requests: list[Understood] = []
        self.reading = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        number = len(self.requests)
        self.requests.append(Understood(scope["method"].encode(), target, scope["headers"], b"", whole=False))
        body, more = b"", True
        self.reading += 1
        while more:
            message = await receive()
            body += message.get("body", b"")
            self.requests[number] = self.requests[number]._replace(body=body)
            if message["type"] == "http.disconnect":
                self.reading -= 1
                return
            more = message["more_body"]
        self.reading -= 1
        self.requests[number] = self.requests[number]._replace(whole=True)
        replayed: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return replayed.pop() if replayed else await receive()

        await self._app(scope, again, send)


class Target:
    """A real server on a real socket, in this process, with hits at the socket; one client at a time."""

    def __init__(self, pond: Millpond) -> None:
        self.recorder = Recorder(pond)
        self._state = ServerState()
        self._config = uvicorn.Config(self.recorder, log_config=None, access_log=False, server_header=False, ws="none")
        self._config.load()
        assert pond.hits is not None
        plain: Any = hit_protocol(pond.config.server, pond.hits)
        target = self

        class Recorded(plain):  # type: ignore[misc]  # a class that is made by a function
            def connection_made(self, transport: asyncio.Transport) -> None:
                super().connection_made(transport)
                target.connection, target.heard = self, 0

            def data_received(self, data: bytes) -> None:
                super().data_received(data)
                target.heard += len(data)

            def _answer(self, request: HitRequest) -> bool:
                answered: bool = super()._answer(request)
                if answered:
                    hit = Understood(request.method.encode(), request.path, None, b"", whole=True)
                    target.recorder.requests.append(hit)
                return answered

        self._protocol = Recorded
        self.connection: Any = None
        self.heard = 0
        """Bytes that have come from the client."""
        self.port = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: self._protocol(self._config, self._state, {}), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()

    async def hear(self, pieces: Sequence[bytes]) -> Seen:
        """Send `pieces`, wait until nothing goes on any more, and go away."""
        self.recorder.requests, self.connection = [], None
        loop, said = asyncio.get_running_loop(), 0
        with socket.socket() as client:
            client.setblocking(False)
            await loop.sock_connect(client, ("127.0.0.1", self.port))
            await until(lambda: self.connection is not None)
            for piece in pieces:
                try:
                    await loop.sock_sendall(client, piece)
                except ConnectionError:
                    break
                said += len(piece)
                await until(self._settled, said)
                for _ in range(4):  # who was told something may not have begun with it
                    await asyncio.sleep(0)
                    await until(self._settled, said)
            requests = list(self.recorder.requests)
            closed = self.connection.transport.is_closing()
            written = _read(client)
        await until(lambda: not (self._state.connections or self._state.tasks))
        return Seen(requests, written, closed)

    def _settled(self, said: int) -> bool:
        """Whether all that was said has come, and nothing runs but what waits for more."""
        connection = self.connection
        if connection.transport.is_closing():
            return True
        waits = connection.pipeline or connection._held
        return self.heard == said and not waits and len(self._state.tasks) <= self.recorder.reading


async def until(true: Callable[..., bool], *arguments: object) -> None:
    """Let the event loop do something else until something is true."""
    ends = time.monotonic() + 10
    while not true(*arguments):
        assert time.monotonic() < ends, "it didn't come about"
        await asyncio.sleep(0)


def _read(client: socket.socket) -> bytes:
    written = b""
    with contextlib.suppress(BlockingIOError, ConnectionError):
        while piece := client.recv(1 << 20):
            written += piece
    return written


def misunderstanding(pieces: Sequence[bytes], seen: Seen) -> str | None:
    """In what the server and h11 differ that matters, or None.

    The server may understand less: it may refuse, and it may end a connection early. What it understands has to be what
    h11 does, in that order, and to the byte; and nothing may be left out without a word.
    """
    theirs, fault = understood_by_h11(b"".join(pieces))
    for number, request in enumerate(seen.requests):
        if number >= len(theirs):
            return f"request {number} is none: {request}\n  h11: {fault}"
        wrong = _differs(request, theirs[number])
        if wrong:
            return f"request {number}: {wrong}\n  {request}\n  {theirs[number]}"
    refused = _REFUSAL.search(seen.written) is not None
    whole = sum(each.whole for each in theirs)
    if sum(each.whole for each in seen.requests) < whole and not (seen.closed or refused):
        return f"{whole} requests, and only these were seen: {seen.requests}"
    return None


_REFUSAL = re.compile(rb"HTTP/1\.1 (?:400|414|431|501|505) [A-Za-z -]+\r\ncontent-length: 0\r\nconnection: close\r\n")


def _differs(ours: Understood, theirs: Understood) -> str | None:
    if ours.method != theirs.method:
        return "the method"
    if _path(ours.target) != _path(theirs.target):
        return "the target"
    if ours.whole and (ours.body, theirs.whole) != (theirs.body, True):
        return "the body"
    if not theirs.body.startswith(ours.body):
        return "the beginning of a body"
    if ours.headers is not None and _comparable(ours, theirs) != _comparable(theirs, theirs):
        return "the headers"
    return None


def _path(target: bytes) -> bytes:
    """Of a target in whatever form, without what is no part of it."""
    if not target.startswith((b"/", b"*")):
        rest = target.partition(b"://")[2]
        path = rest[len(rest.partition(b"/")[0].partition(b"?")[0]) :]
        target = path if path.startswith(b"/") else b"/" + path
    return target.partition(b"#")[0].partition(b"?")[0]


def _comparable(request: Understood, theirs: Understood) -> Headers:
    """What h11 puts in order, put in order; and without what is ignored on purpose."""
    ignored = {b"upgrade"} | (set() if theirs.target.startswith((b"/", b"*")) else {b"host"})
    lower = (b"transfer-encoding",)
    return sorted(
        (name, value.lower() if name in lower else value.strip(b" \t"))
        for name, value in request.headers or ()
        if name not in ignored
    )
