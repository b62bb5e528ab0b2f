"""Hits at the socket: uvicorn's HTTP protocol, which answers a hit as soon as its head has been parsed.

llhttp has parsed the request, so there is no second parser that could disagree about where it ends. What isn't a plain
hit (a body, a range, a draft mode cookie, a connection that is about to close, a client that doesn't read) goes on to
uvicorn.

When a piece of data was exactly one whole request, the result of parsing it is remembered: between two messages the
same bytes mean the same request again. The parser is between two messages only if everything before was complete: not
after an upgrade or a last request, and not while earlier data is held. Both remembering and recalling check that.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from millpond.internals.uvicorn_http import HttpToolsProtocol
from millpond.policy.draft_mode import DRAFT_COOKIE_BYTES
from millpond.policy.http.caching.other_answers import refusal_of
from millpond.policy.http.header_size import header_size
from millpond.policy.http.reply import NEGOTIATION_HEADERS, NO_NEGOTIATION, Negotiation
from millpond.policy.request.path_spelling import decoded
from millpond.serve.access.access_log import is_logged, log_hit
from millpond.serve.access.asked import LONGEST_PATH, Asked, identified, shown
from millpond.serve.configured.cors import WaitingMiddleware
from millpond.serve.connection.bounded import BoundedProtocol
from millpond.serve.connection.framing import is_host
from millpond.serve.connection.protocol_bounds import bounds_of
from millpond.serve.forwarded import forwarded_for
from millpond.serve.hits import HitRequest, Sent
from millpond.serve.prepared import lines_of

if TYPE_CHECKING:
    from millpond.config import ServerConfig
    from millpond.serve.forwarded import Proxies
    from millpond.serve.hits import Hits
    from millpond.serve.prepared import PreparedEntry

log = logging.getLogger("millpond.serve")

_NEEDS_ASGI = frozenset({b"content-length", b"transfer-encoding", b"range", b"expect", b"upgrade"})
"""A request with one of these isn't answered by a hit."""
_CREDENTIALS = frozenset({b"authorization", b"cookie", b"proxy-authorization", b"x-request-id"})
"""A request with one of these isn't remembered: it is secret, or there is no other like it."""
_HOST = frozenset({b"host"})
_ORIGIN = b"origin"
_INSPECTED = NEGOTIATION_HEADERS | _NEEDS_ASGI | _CREDENTIALS | _HOST | {_ORIGIN}
_MAX_REPEATED_BYTES = 4 * 1024
"""Bytes of an answer up to which it is kept as it was sent, for the same request."""
_REPEATED = 8
"""How often a request must come within a second, so that a copy of its answer pays."""


class ServerLines:
    """Date, and other headers that uvicorn adds to each answer, as lines."""

    __slots__ = ("_headers", "_lines")

    def __init__(self) -> None:
        self._headers: list[tuple[bytes, bytes]] | None = None
        self._lines = b""

    def of(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """The lines of uvicorn's default headers, of which it makes a new list once a second."""
        if headers is not self._headers:
            self._headers, self._lines = headers, lines_of(headers)
        return self._lines


class HitProtocol(BoundedProtocol):
    """Answers GET and HEAD from fresh entries; see the module."""

    hits: Hits
    lines: ServerLines
    max_piece_bytes: int
    """Bytes of a piece in which there can't be more headers than are allowed."""

    _piece_bytes = 0
    """Bytes of the piece that is being read."""
    _negotiating: list[tuple[bytes, bytes]] | None = None
    _needs_asgi = False
    _has_credentials = False
    _has_host: bool | None = None
    """Whether there is exactly one Host header, and it is valid; None while there is none."""
    _origin: bytes | None = None
    """The first Origin header."""
    _messages = 0
    """How many messages began in the piece that is being read."""
    _only_messages = True
    """Whether the parser is at the start of a message whenever no message is under way."""
    _answered: HitRequest | None = None
    """The request that is being parsed, once it was answered."""

    def data_received(self, data: bytes) -> None:
        # Whether the parser is at the start of a message, and no earlier data waits to be parsed.
        from_the_start = not self._in_message and not self._held and self._only_messages
        if from_the_start:
            request = self.hits.recall(data)
            if request is not None and self._is_idle() and self._answer(request):
                return
        self._piece_bytes, self._messages, self._answered = len(data), 0, None
        super().data_received(data)
        if self._answered is not None and self._may_remember(from_the_start):
            self.hits.remember(data, self._answered)

    def _may_remember(self, from_the_start: bool) -> bool:
        """Whether the piece was exactly one whole request."""
        return from_the_start and self._messages == 1 and not self._in_message and not self._has_credentials

    def on_message_begin(self) -> None:
        # What uvicorn prepares here for ASGI is prepared when it is needed.
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._negotiating = self._has_host = self._origin = self._answered = None
        self._needs_asgi = self._has_credentials = False
        self._messages += 1
        self._in_message = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            self._drop(name, value)
            return
        name = name.lower()
        if name in _INSPECTED:
            self._inspect(name, value)
        self.headers.append((name, value))

    def _inspect(self, name: bytes, value: bytes) -> None:
        if name in NEGOTIATION_HEADERS:
            if self._negotiating is None:
                self._negotiating = []
            self._negotiating.append((name, value))
        elif name in _HOST:
            self._has_host = self._has_host is None and is_host(value)
        elif name == _ORIGIN:
            self._origin = value if self._origin is None else self._origin
        elif name in _CREDENTIALS:
            self._has_credentials = True
            self._needs_asgi = self._needs_asgi or DRAFT_COOKIE_BYTES in value
        else:
            self._needs_asgi = True
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True

    def on_headers_complete(self) -> None:
        request = self._request()
        if request is not None and self._is_idle() and self._answer(request):
            self._answered, self._progressed = request, True
            return
        self._only_messages = (
            self._only_messages and self.parser.should_keep_alive() and not self.parser.should_upgrade()
        )
        self._prepare_for_asgi()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._answered is None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_message = False
        if self._answered is None:
            super().on_message_complete()

    def _request(self) -> HitRequest | None:
        """The request whose head was parsed, if a hit may answer it; that depends on its bytes alone."""
        path, question, _ = self.url.partition(b"?")
        cached_path = self.hits.cached_path(path)
        if cached_path is None or self._needs_asgi or not self._has_host:
            return None
        if cached_path.selection is not None:
            cached_path = self.hits.variant(path, cached_path.selection, self.headers)
            if cached_path is None:
                return None
        if (question and cached_path.queried) or not self._is_in_bounds():
            return None
        parser = self.parser
        method = parser.get_method()
        if method != b"GET" and not (method == b"HEAD" and cached_path.heads):
            return None
        if parser.get_http_version() != "1.1" or not parser.should_keep_alive():
            return None
        request = HitRequest(
            cached_path,
            NO_NEGOTIATION if self._negotiating is None else Negotiation.of(self._negotiating),
            method.decode("ascii"),
            path,
            self._origin if cached_path.added is not None and cached_path.added.cors else None,
        )
        if is_logged():
            request.asked = Asked(request.method, shown(decoded(path), LONGEST_PATH), None, *identified(self.headers))
            request.forwarded = b"" if self.proxies is None else forwarded_for(self.headers)
        return request

    def _is_in_bounds(self) -> bool:
        bounds = self.hits.bounds
        if len(self.url) > bounds.max_path_bytes:
            return False
        in_this_piece = self._messages > 0 and self._piece_bytes <= self.max_piece_bytes
        return in_this_piece or header_size(self.headers) <= bounds.max_header_bytes

    def _is_idle(self) -> bool:
        """Whether nothing on the connection, and no middleware in front of the application, comes first."""
        cycle: Any = self.cycle  # of the last request; None before the first one
        return (
            (cycle is None or cycle.response_complete)
            and self.hits.at_socket
            and self.limit_concurrency is None
            and self._status is None
            and not self._is_last
            and not self.flow.write_paused
            and not self.transport.is_closing()
        )

    def _answer(self, request: HitRequest) -> bool:
        """Answer if it is a hit; False if nothing was done."""
        asked, started = None, 0.0
        if is_logged():
            asked, started = request.asked, time.perf_counter()
            if asked is None:  # it is parsed again: it was remembered while nothing was logged
                return False
        state = self.server_state
        try:
            prepared = self.hits.prepared(request.cached_path)
            sent = request.sent
            if prepared is None:
                return False
            if (
                sent is None
                or sent.volatile is not prepared.volatile
                or sent.mark is not prepared.mark
                or sent.server is not state.default_headers
            ):
                sent = self._prepare(request, prepared)
        except WaitingMiddleware:
            return False
        except Exception:  # raised into the parser it would become a 400; through ASGI it becomes what it is
            log.exception("a hit of %r at the socket failed", request.path)
            return False
        if sent is None:
            return False
        if sent.rest:
            self.transport.writelines((sent.data, sent.rest))
        else:
            self.transport.write(sent.data)
        state.total_requests += 1
        self._answers += 1
        tally = request.cached_path.tally
        if tally is not None and tally[0] == sent.status:
            tally[1].count += 1
        else:
            self.hits.count(request.cached_path, sent.status)
        if asked is not None:
            client = self.caller.address(request.forwarded)
            seconds = time.perf_counter() - started
            request.logged = log_hit(asked, client, sent.status, sent.size, seconds, request.logged)
        return True

    def _prepare(self, request: HitRequest, prepared: PreparedEntry) -> Sent | None:
        """What to send for a request; None when the entry has gone, or is to be compressed first."""
        representation = prepared.representation(request.negotiation)
        if representation is None:
            return None
        server, volatile, added = self.server_state.default_headers, prepared.volatile, request.cached_path.added
        lines = self.lines.of(server)
        if added is None:
            head = representation.head(volatile, lines)
        else:
            head = representation.head_with(added, request.origin, volatile, lines)
        body = b"" if request.method == "HEAD" else representation.body
        if request.sent is not None:
            self.hits.count_copied(-len(request.sent.data))
        request.times = request.times + 1 if request.volatile is volatile else 1
        if request.times < _REPEATED or len(head) + len(body) > _MAX_REPEATED_BYTES:
            request.volatile, request.sent = volatile, None
            return Sent(prepared, server, representation.status, len(body), head, body)
        request.sent = sent = Sent(prepared, server, representation.status, len(body), head + body)
        self.hits.count_copied(len(sent.data))
        return sent

    def _prepare_for_asgi(self) -> None:
        """Do what `on_message_begin` left out."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        HttpToolsProtocol.on_message_begin(self)
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)  # the list that the scope has


def hit_protocol(bounds: ServerConfig, hits: Hits, proxies: Proxies | None = None) -> type[HitProtocol]:
    """The protocol class for one server; uvicorn makes an instance for each connection.

    Args:
        bounds: limits on what clients send.
        hits: of the application.
        proxies: those that are trusted to name the client, for the access log.
    """
    # A header counts 4 bytes beside its name and value; on the wire it has at least 2.
    values = {
        **bounds_of(bounds, proxies),
        "max_piece_bytes": bounds.max_header_bytes // 2,
        "hits": hits,
        "counts": hits.counts,
        "lines": ServerLines(),
        "refusal_lines": lines_of(refusal_of(hits.surrogates)),
    }
    hits.has_socket = True
    return type("HitProtocol", (HitProtocol,), values)
