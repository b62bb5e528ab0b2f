"""uvicorn's HTTP protocol, with bounds on what a client sends and on how long it takes: uvicorn has none.

And stricter where a message could mean two things: what isn't beyond doubt is refused, and its connection closed. So no
byte of a client's is taken for something else here than by who stands in front.
"""

from __future__ import annotations

import contextvars
import logging
from functools import partial
from typing import TYPE_CHECKING, cast

import httptools

from millpond.internals.uvicorn_http import STATUS_LINE, HttpToolsProtocol
from millpond.serve.connection.cycle import Flow, disconnect, refused, unchunked
from millpond.serve.connection.framing import length_of, origin_form, refusal, with_host, without_upgrade
from millpond.serve.connection.timeouts import ClientWait, Timeouts
from millpond.serve.connection.turns import Turns
from millpond.serve.connection.unread import reset, unacknowledged

if TYPE_CHECKING:
    import asyncio
    from typing import Any

    from millpond.config import ServerConfig
    from millpond.internals.uvicorn_http import RequestResponseCycle

log = logging.getLogger("millpond.serve")

ROOM = 1024
"""Bytes of a request's URL that don't count as its path: scheme, host and base path."""

_LONGEST_URL = 65_535
"""httptools can't take a longer one apart."""

_PIECE = 2048
"""Bytes that are parsed before it is looked whether answers wait: a bound on how many requests can wait, as each takes
about a hundred times the bytes that it was sent in."""

_MOST_AT_ONCE = 64
"""Answers to one client before others have their turn: a single read may hold some thousand requests."""

_MOST_HELD = 64 * 1024
"""Bytes that are read and not parsed while requests wait, besides the last piece."""

_LINGER = 1.0
"""Seconds in which a refused client may read why, as closing at once would reset the connection under the answer; and
in which one that has just connected may ask, when the server ends."""


class _Refusal(Exception):
    """Stops the parser."""


class BoundedProtocol(HttpToolsProtocol):
    """Bounds heads, trailers, requests that wait, and times; see the module, and the table in docs/reliability.md.

    The exact bounds on a whole head are the application's, which knows its base path. Here, no more is read of a head
    that doesn't end.
    """

    most_url: int
    most_head: int
    most_trailers: int
    most_body: int | None
    most_connections: int
    timeouts: Timeouts
    turns: Turns

    flow: Flow
    waits_since = 0.0
    waits_for = (ClientWait.HEAD, 0)

    _in_message = False
    """Whether one has begun, and hasn't ended."""
    _in_head = True
    _in_body = False
    """Whether the body of `cycle` is being read."""
    _unfinished = 0
    """What was read since a head ended, or a byte of a body came: of a head, or of what is around chunks."""
    _progressed = False
    """Whether either happened in the piece that is being read."""
    _trailers = 0
    """Bytes of the trailers that were dropped."""
    _body = 0
    """Bytes of the body that came."""
    _pieces = 0
    """How often something came."""
    _answers = 0
    """How many answers were completed."""
    _held: bytearray
    """What was read, and isn't parsed before answers that wait are on their way."""
    _running: RequestResponseCycle | None = None
    """That of the request which is being answered, or was answered last; `cycle` is that of the one which came last."""
    _status: int | None = None
    """With which the client was refused, or will be: nothing more is read."""
    _leaving = False
    """Whether the next answer is the last, as the server ends."""
    _context: contextvars.Context
    """The connection's, in which each of its requests begins: none sees what the handler of another one set."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self.flow, self._held = Flow(transport), bytearray()
        self._context = contextvars.copy_context()
        self.timeouts.watch(self, self.loop)
        excess = len(self.connections) - self.most_connections
        if excess > self.most_connections:  # even those that are told so would be too many
            transport.abort()
        elif excess > 0:
            self._refuse(503)

    def connection_lost(self, exc: Exception | None) -> None:
        self.timeouts.forget(self)
        self._held.clear()
        self.pipeline.clear()
        if self._running is not None and not self._running.response_complete:
            disconnect(self._running)  # uvicorn tells `cycle`, which may be one that waits
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        self._status = 101
        self.timeouts.forget(self)
        super().handle_websocket_upgrade()

    # Reading.

    def data_received(self, data: bytes) -> None:
        self._pieces += 1
        if self.pipeline or self._held:
            self._hold(data)
        elif len(data) > _PIECE:
            self._read(data)
        else:
            self._feed(data)
            if self.pipeline:
                self._hold(b"")

    def _read(self, data: bytes) -> None:
        """Parse `data` until requests wait, and no more of it before the last of them is on its way.

        Or until many have been answered, which is done at once for hits alone.
        """
        left, most = memoryview(data), self._answers + _MOST_AT_ONCE
        while left and not self.pipeline and self._answers < most:
            self._feed(left[:_PIECE])
            left = left[_PIECE:]
        if left or self.pipeline:
            self._hold(left)
            if not self._answering():  # else the end of that answer lets it go on
                self.turns.wait(self._go_on, self._context, self.loop)

    def _hold(self, data: bytes | memoryview) -> None:
        """Keep it for later. Some more is read all the same: a client that goes away is noticed by reading only."""
        self._held += data
        if len(self._held) > _MOST_HELD:
            self.flow.held = True
            self.flow.pause_reading()
        else:
            self.flow.resume_reading()  # uvicorn doesn't read on

    def _feed(self, data: bytes | memoryview) -> None:
        if self._status is not None:
            return
        self._progressed = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._stopped(error)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade(bytes(data[upgrade.args[0] :]))
        if self._status is None:
            self._unfinished = 0 if self._progressed else self._unfinished + len(data)
            if self._unfinished > self.most_head:
                self._refuse(431)

    def _stopped(self, error: httptools.HttpParserError) -> None:
        """The parser has: for what came, or as it was told to."""
        if self._status is None and isinstance(error, httptools.HttpParserCallbackError):
            log.error("a request couldn't be read", exc_info=error)
        self._refuse(self._status or 400)

    def _upgrade(self, rest: bytes) -> None:
        """The head asks for another protocol, where `rest` would be of that."""
        if not self._should_upgrade():
            # llhttp would skip the body, and take it for the next request.
            head = without_upgrade(self.parser.get_method(), self.parser.get_http_version(), self.url, self.headers)
            self._in_head = True
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as in uvicorn
            self._feed(head + rest)
        elif self._answering():
            self._refuse(400)
        else:
            self.handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        self._in_message = True
        HttpToolsProtocol.on_message_begin(self)

    def on_url(self, url: bytes) -> None:
        self.url += url
        if len(self.url) > self.most_url:
            self._status = 414
            raise _Refusal

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            HttpToolsProtocol.on_header(self, name, value)
        else:
            self._drop(name, value)

    def _drop(self, name: bytes, value: bytes) -> None:
        """A trailer: nobody has checked it, and it must not pass for a header (RFC 9110 §6.5.1)."""
        self._trailers += len(name) + len(value) + 4
        if self._trailers > self.most_trailers:
            self._status = 431
            raise _Refusal

    def on_headers_complete(self) -> None:
        self._in_head, self._progressed, self._trailers, self._body = False, True, 0, 0
        method, version, headers = self.parser.get_method(), self.parser.get_http_version(), self.headers
        self._status = refusal(method, version, self.url, headers)
        if self._status is None and self.most_body is not None and length_of(headers) > self.most_body:
            self._status = 413
        if self._status is not None:
            raise _Refusal
        if self.parser.should_upgrade():
            self.scope["method"] = method.decode("ascii")
            return
        absolute = None if self.url.startswith(b"/") else origin_form(self.url)
        if absolute is not None:
            authority, self.url = absolute
            headers[:] = with_host(headers, authority)
        if version == "1.0":
            self.expect_100_continue = False  # RFC 9110 §10.1.1
        HttpToolsProtocol.on_headers_complete(self)
        self._in_body = True
        if self._leaving or self.expect_100_continue:
            # Who waits for "100 Continue" and is answered without it doesn't say whether the body follows.
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._progressed = True
        self._body += len(body)
        if self.most_body is not None and self._body > self.most_body:
            self._status = 413
            raise _Refusal
        HttpToolsProtocol.on_body(self, body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        HttpToolsProtocol.on_message_complete(self)
        self._in_message, self._in_head, self._in_body, self._progressed = False, True, False, True

    # Answering.

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, unchunked(cycle, app) if cycle.scope["http_version"] == "1.0" else app)

    def on_response_complete(self) -> None:
        """As uvicorn's; but the next request begins in a context of its own, and no timer is started."""
        self.server_state.total_requests += 1
        self._answers += 1
        if self.transport.is_closing():
            return
        if self.pipeline or self._held:
            self.loop.call_soon(self._go_on, context=self._context)
        else:
            self.flow.resume_reading()

    def _go_on(self) -> None:
        """Begin with the next request that waits; read on when none does."""
        if self.transport.is_closing():
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        if not self.pipeline:
            held, self.flow.held = bytes(self._held), False
            self._held.clear()
            self.flow.resume_reading()
            self._read(held)

    def shutdown(self) -> None:
        """As uvicorn's; but who has just connected, and is about to ask, gets an answer first.

        Else a server that is replaced would drop requests that it has accepted, and not read yet.
        """
        if self._answering() or not self._is_new():
            super().shutdown()
            return
        self._leaving = True
        self.loop.call_later(_LINGER, self._leave)

    def _is_new(self) -> bool:
        """Whether nothing has been answered on the connection."""
        return self._answers == 0 and cast("RequestResponseCycle | None", self.cycle) is None

    def _leave(self) -> None:
        if not self._answering() and not self.transport.is_closing():
            self.transport.close()

    def _answering(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        return cycle is not None and not cycle.response_complete

    # Giving up.

    def waiting(self) -> tuple[ClientWait, int]:
        """See `Timeouts`."""
        unread = self.transport.get_write_buffer_size()
        if unread or self.transport.is_closing():
            # The kernel takes a megabyte at once, and then nothing until as much has been read.
            return ClientWait.READER, unread + unacknowledged(self.transport)
        if self._in_body and (self.pipeline or self.flow.read_paused or self.cycle.waiting_for_100_continue):
            return ClientWait.ANSWER, 0
        if not self._in_head:
            return ClientWait.BODY, self._pieces
        if self._answering():
            return ClientWait.ANSWER, 0
        return ClientWait.HEAD if self._has_begun() or self._is_new() else ClientWait.REQUEST, self._answers

    def _has_begun(self) -> bool:
        """Whether something of a request has come."""
        return self._in_message or self._unfinished > 0

    def give_up(self, wait: ClientWait) -> None:
        """See `Timeouts`."""
        if wait is ClientWait.READER:
            reset(self.transport)
        elif wait is ClientWait.BODY or self._has_begun():
            self._refuse(408)
        else:
            self.transport.close()

    def _refuse(self, status: int) -> None:
        """Read no more; say `status` where nothing else has been said, after the answers that are on their way."""
        self._status = status
        if self._in_body:
            self._refuse_body(status)
        elif self._answering():  # nothing cuts into an answer, and this one is the last
            self.cycle.keep_alive = False
        else:
            self._say(status)

    def _refuse_body(self, status: int) -> None:
        """What belongs to `cycle` can't be read to its end."""
        cycle = self.cycle
        if self.pipeline:  # its own turn comes after others
            cycle.keep_alive = False
            self.pipeline[0] = (cycle, partial(refused, status))
            return
        disconnect(cycle)
        if cycle.response_started:
            self.transport.close()
        else:
            self._say(status)

    def _say(self, status: int) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.held = False
        self.flow.resume_reading()  # as what lies unread would reset the connection, too
        self.loop.call_later(_LINGER, self.transport.close)


def bounds_of(bounds: ServerConfig) -> dict[str, Any]:
    """The attributes of a BoundedProtocol, by a configuration."""
    return {
        "most_url": min(bounds.max_path_bytes + ROOM, _LONGEST_URL),
        "most_head": bounds.max_path_bytes + ROOM + bounds.max_header_bytes,
        "most_trailers": bounds.max_header_bytes,
        "most_body": bounds.max_body_bytes,
        "most_connections": bounds.max_connections,
        "timeouts": Timeouts(bounds),
        "turns": Turns(),
    }


def bounded_protocol(bounds: ServerConfig) -> type[BoundedProtocol]:
    """The protocol with the bounds of a configuration; uvicorn makes one of it for each connection."""
    return type("BoundedProtocol", (BoundedProtocol,), bounds_of(bounds))
