"""uvicorn's HTTP protocol, with bounds on what a client sends and on how long it takes: uvicorn has none.

A message that could be understood in two ways is refused, and its connection closed: a proxy in front might have
understood it in the other way (request smuggling).
"""

from __future__ import annotations

import contextvars
import logging
from functools import partial
from typing import TYPE_CHECKING, cast

import httptools

from millpond.internals.uvicorn_http import HttpToolsProtocol
from millpond.policy.http.header_size import header_size
from millpond.serve.connection.caller import Caller
from millpond.serve.connection.cycle import Flow, disconnect, refuse, refused, refusing, without_chunks
from millpond.serve.connection.framing import NO_TRAILERS, length_of, origin_form, refusal, with_host, without_upgrade
from millpond.serve.connection.protocol_bounds import IN_USE, LINGER, bounds_of
from millpond.serve.connection.tcp import reset, unacknowledged
from millpond.serve.connection.timeouts import ClientWait, Timeouts

if TYPE_CHECKING:
    import asyncio
    from typing import Any

    from millpond.config import ServerConfig
    from millpond.internals.uvicorn_http import RequestResponseCycle
    from millpond.serve.connection.round_robin import RoundRobin
    from millpond.serve.connection.turns import Turns
    from millpond.serve.forwarded import Proxies
    from millpond.telemetry.request_counts import RequestCounts

log = logging.getLogger("millpond.serve")

_PIECE = 2048
"""Bytes that are parsed at a time. Parsing stops when requests wait for their answers, as each of them takes about a
hundred times the bytes that it was sent in."""

_MAX_AT_ONCE = 64
"""Answers to one client before others are served: a single read may hold some thousand requests."""

_MAX_HELD_BYTES = 64 * 1024
"""Bytes that are read ahead and not parsed while requests wait, besides the last piece."""


class StopParsing(httptools.HttpParserError):
    """Raised in a callback of the parser: it reads no further, and `feed_data` raises what stands for this error."""


class BoundedProtocol(HttpToolsProtocol):
    """Bounds heads, trailers, pipelined requests and times; see the module, and the table in docs/reliability.md.

    The application, which knows its base path, checks the exact bounds of a whole head. The bounds here stop the
    reading of a head that doesn't end.
    """

    max_url_bytes: int
    max_head_bytes: int
    max_trailer_bytes: int
    max_body_bytes: int | None
    max_connections: int
    linger: float
    """Seconds that a shutdown leaves to clients that have used their connections."""
    timeouts: Timeouts
    proxies: Proxies | None
    """Those that are trusted to name the client, for the access log."""
    round_robin: RoundRobin
    turns: Turns
    counts: RequestCounts | None = None
    """Where messages count that are refused before they are requests."""

    refusal_lines: bytes = b""
    """Of headers that the answers to refused requests have."""

    flow: Flow
    caller: Caller
    waits_since = 0.0
    waits_for = (ClientWait.HEAD, 0)

    _in_message = False
    """Whether a message has begun, and hasn't ended."""
    _in_head = True
    _in_body = False
    """Whether the body of `cycle` is being read."""
    _unfinished = 0
    """Bytes that were read since a head ended or a byte of a body came: of a head, or of the framing of chunks."""
    _progressed = False
    """Whether a head ended or a byte of a body came in the piece that is being read."""
    _trailers = 0
    """Bytes of the trailers that were dropped."""
    _body = 0
    """Bytes of the body that were received."""
    _pieces = 0
    """How often data was received."""
    _answers = 0
    """How many answers were completed."""
    _held: bytearray
    """What was read ahead; it is parsed when the requests before it are being answered."""
    _active_cycle: RequestResponseCycle | None = None
    """Of the request that is being answered, or was answered last; `cycle` is of the one that was parsed last."""
    _status: int | None = None
    """The status with which the client was refused, or will be: nothing more is read."""
    _is_last = False
    """Whether the next answer is the last one, as the server shuts down."""
    _context: contextvars.Context
    """In which each request of the connection begins: no handler sees context variables that another one set."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self.flow, self._held, self.caller = Flow(transport), bytearray(), Caller(transport, self.proxies)
        self._context = contextvars.copy_context()
        self.timeouts.watch(self, self.loop)
        excess = len(self.connections) - self.max_connections
        if excess > self.max_connections:  # even 503s would be too many
            transport.abort()
        elif excess > 0:
            self._refuse(503)

    def connection_lost(self, exc: Exception | None) -> None:
        self.timeouts.forget(self)
        self._held.clear()
        self.pipeline.clear()
        if self._active_cycle is not None and not self._active_cycle.response_complete:
            disconnect(self._active_cycle)  # uvicorn disconnects `cycle`, which may be a pipelined one
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
        """Parse `data` until requests wait for their answers, or until many have been answered; hold the rest.

        Only hits are answered at once, while they are parsed.
        """
        left, most = memoryview(data), self._answers + _MAX_AT_ONCE
        while left and not self.pipeline and self._answers < most:
            self._feed(left[:_PIECE])
            left = left[_PIECE:]
        if left or self.pipeline:
            self._hold(left)
            if not self._answering():  # else the end of that answer resumes
                self.round_robin.schedule(self._resume, self._context, self.loop)

    def _hold(self, data: bytes | memoryview) -> None:
        """Hold `data` for later, and read on up to a bound: only reading tells that a client has gone."""
        self._held += data
        if len(self._held) > _MAX_HELD_BYTES:
            self.flow.held = True
            self.flow.pause_reading()
        else:
            self.flow.resume_reading()  # uvicorn has paused it

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
            if self._unfinished > self.max_head_bytes:
                self._refuse(431)

    def _stopped(self, error: httptools.HttpParserError) -> None:
        """The parser has stopped: because of the data, or because a callback refused the message."""
        if self._status is None and isinstance(error, httptools.HttpParserCallbackError):
            log.error("a request couldn't be read", exc_info=error)
        self._refuse(self._status or 400)

    def _upgrade(self, rest: bytes) -> None:
        """The head asks for another protocol, and `rest` would belong to that."""
        if not self._should_upgrade():
            # llhttp would take the body for the next request: it parses the head again, without the upgrade.
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
        if len(self.url) > self.max_url_bytes:
            self._status = 414
            raise StopParsing

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            HttpToolsProtocol.on_header(self, name, value)
        else:
            self._drop(name, value)

    def _drop(self, name: bytes, value: bytes) -> None:
        """A trailer, which must not be merged into the headers unchecked (RFC 9110 §6.5.1).

        The parser takes one that is about the message or the connection for a header all the same: after "Connection:
        close" it would skip the next request, and the client would wait for its answer.
        """
        if name.lower() in NO_TRAILERS:
            self._status = 400
            raise StopParsing
        self._trailers += header_size(((name, value),))
        if self._trailers > self.max_trailer_bytes:
            self._status = 431
            raise StopParsing

    def on_headers_complete(self) -> None:
        self._in_head, self._progressed, self._trailers, self._body = False, True, 0, 0
        method, version, headers = self.parser.get_method(), self.parser.get_http_version(), self.headers
        self._status = refusal(method, version, self.url, headers)
        if self._status is None and self.max_body_bytes is not None and length_of(headers) > self.max_body_bytes:
            self._status = 413
        if self._status is not None:
            raise StopParsing
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
        if self._is_last or self.expect_100_continue:
            # A client that waits for "100 Continue" and gets a final answer may send its body or not: nobody can tell.
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._progressed = True
        self._body += len(body)
        if self.max_body_bytes is not None and self._body > self.max_body_bytes:
            self._status = 413
            raise StopParsing
        HttpToolsProtocol.on_body(self, body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        HttpToolsProtocol.on_message_complete(self)
        self._in_message, self._in_head, self._in_body, self._progressed = False, True, False, True

    # Answering.

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._active_cycle = cycle
        app = without_chunks(cycle, app) if cycle.scope["http_version"] == "1.0" else app
        self.turns.take(partial(super()._start_asgi_task, cycle, app), self._context, self.loop)

    def on_response_complete(self) -> None:
        """As uvicorn's, but the next request begins in the connection's context, and no timer is started."""
        self.server_state.total_requests += 1
        self._answers += 1
        if self.transport.is_closing():
            return
        if self.pipeline or self._held:
            self.loop.call_soon(self._resume, context=self._context)
        else:
            self.flow.resume_reading()

    def _resume(self) -> None:
        """Answer the next pipelined request; read on when there is none."""
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
        """As uvicorn's, but a client that uses its connection may still send a request: its answer says it's the last.

        Else a server that is replaced would drop requests that are on their way, or that it hasn't read yet.
        """
        if self._answering() or not (self._is_new() or self._is_in_use()):
            super().shutdown()
            return
        self._is_last = True
        self.loop.call_later(LINGER if self._is_new() else self.linger, self._close_if_idle)

    def _is_new(self) -> bool:
        """Whether nothing has been answered on the connection."""
        return self._answers == 0 and cast("RequestResponseCycle | None", self.cycle) is None

    def _is_in_use(self) -> bool:
        """Whether something was answered lately, so that the client may be about to ask again."""
        return self.waiting() != self.waits_for or self.loop.time() - self.waits_since < IN_USE

    def _close_if_idle(self) -> None:
        if not self._answering() and not self.transport.is_closing():
            self.transport.close()

    def _answering(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        return cycle is not None and not cycle.response_complete

    # Giving up.

    def waiting(self) -> tuple[ClientWait, int]:
        """See `Timeouts`."""
        unsent = self.transport.get_write_buffer_size()
        if unsent or self.transport.is_closing():
            # The kernel takes a megabyte at once, and then nothing until the client has read as much.
            return ClientWait.READER, unsent + unacknowledged(self.transport)
        if self._in_body and (self.pipeline or self.flow.read_paused or self.cycle.waiting_for_100_continue):
            return ClientWait.ANSWER, 0
        if not self._in_head:
            return ClientWait.BODY, self._pieces
        if self._answering():
            return ClientWait.ANSWER, 0
        return ClientWait.HEAD if self._has_begun() or self._is_new() else ClientWait.REQUEST, self._answers

    def _has_begun(self) -> bool:
        """Whether a part of a request has been received."""
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
        """Read no more; send `status` after the answers under way, unless an answer to this request has begun."""
        self._status = status
        if self._in_body:
            self._refuse_body(status)
        elif self._answering():  # it is sent whole, and is the last one
            self.cycle.keep_alive = False
        elif not self.transport.is_closing():
            self._send_status(status)
            begun = self._in_message and bool(self.url)
            head = (self.parser.get_method(), self.url, self.headers) if begun else ()
            self.caller.tell_refusal(self.counts, status, *head)

    def _refuse_body(self, status: int) -> None:
        """The body of `cycle` can't be read to its end."""
        cycle = self.cycle
        if self.pipeline:  # others are answered first
            cycle.keep_alive = False
            self.pipeline[0] = (cycle, refusing(status))
            return
        disconnect(cycle)
        if cycle.response_started:
            self.transport.close()
        else:
            refuse(cycle, status)
            self._send_status(status)

    def _send_status(self, status: int) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(refused(status, self.server_state.default_headers, self.refusal_lines))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.held = False
        self.flow.resume_reading()  # as unread data would reset the connection, too
        self.loop.call_later(LINGER, self.transport.close)


def bounded_protocol(bounds: ServerConfig, proxies: Proxies | None = None) -> type[BoundedProtocol]:
    """The protocol class for a configuration; uvicorn makes an instance for each connection."""
    return type("BoundedProtocol", (BoundedProtocol,), bounds_of(bounds, proxies))
