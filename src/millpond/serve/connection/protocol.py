"""Hits at the socket: uvicorn's HTTP protocol, which answers what is at hand as soon as a head has been parsed.

llhttp has parsed the request by then, so there is no second opinion about where it ends: nothing is matched by hand.
Whatever isn't a plain hit (a body, a range, an editor's cookie, a connection that is about to close, a client that
doesn't read) goes on to uvicorn as if this class weren't there.

What the parser said of a piece of data is remembered when the piece was one whole request and nothing else. The same
bytes mean the same again, wherever the parser stands between two messages, so it isn't asked a second time. Between
messages it stands only if everything before was complete and left it there: not after an upgrade or a last request, and
not while something that came before is held. That holds for what is recalled, and for what is remembered.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from millpond.internals.uvicorn_http import HttpToolsProtocol
from millpond.policy.http.reply import ANYHOW, TELLING, Asked
from millpond.render.request.request_api import DRAFT_COOKIE
from millpond.serve.connection.bounded import BoundedProtocol, bounds_of
from millpond.serve.connection.framing import is_host
from millpond.serve.hits import Request, Sent, access, decoded, log_access, size_of
from millpond.serve.prepared import HIT, lines_of

if TYPE_CHECKING:
    from millpond.config import ServerConfig
    from millpond.serve.hits import Hits
    from millpond.serve.prepared import PreparedEntry

log = logging.getLogger("millpond.serve")

_OTHERWISE = frozenset({b"content-length", b"transfer-encoding", b"range", b"expect", b"upgrade"})
"""With one of these a request is none that a hit answers."""
_SECRETS = frozenset({b"authorization", b"cookie", b"proxy-authorization"})
"""A request with one of these isn't remembered."""
_HOST = frozenset({b"host"})
_NOTED = TELLING | _OTHERWISE | _SECRETS | _HOST
_DRAFT = DRAFT_COOKIE.encode("ascii")
_REPEATED = 4 * 1024
"""Bytes of an answer up to which it is kept as it went out, for the same request to come."""


class ServerLines:
    """Date, and what else uvicorn puts into each answer, as lines."""

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
    """Answers GET and HEAD of fresh answers that are known; see the module."""

    hits: Hits
    lines: ServerLines
    most_seen: int
    """Bytes in which no more headers can be than are allowed."""

    _seen = 0
    """Bytes of the piece that is being read."""
    _noted: list[tuple[bytes, bytes]] | None = None
    _otherwise = False
    _secret = False
    _hosted: bool | None = None
    """Whether there is one Host header, and a good one; None where there is none yet."""
    _begun = 0
    """Messages that began in the piece that is being read."""
    _only_messages = True
    """Whether all that came so far leaves the parser at the start of a message when no message is under way."""
    _answered: Request | None = None
    """The request that is being parsed, once it has its answer."""

    def data_received(self, data: bytes) -> None:
        # What comes next is the start of a message, for the parser, and nothing that came before waits to be parsed.
        from_the_start = not self._in_message and not self._held and self._only_messages
        if from_the_start:
            request = self.hits.recall(data)
            if request is not None and self._is_idle() and self._answer(request):
                return
        self._seen, self._begun, self._answered = len(data), 0, None
        super().data_received(data)
        if self._answered is not None and self._may_remember(from_the_start):
            self.hits.remember(data, self._answered)

    def _may_remember(self, from_the_start: bool) -> bool:
        """Whether the piece was one whole request, and nothing besides; also not the end of a head read twice."""
        return from_the_start and self._begun == 1 and not self._in_message and not self._secret

    def on_message_begin(self) -> None:
        # What uvicorn prepares for ASGI is prepared when it turns out to be needed.
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._noted, self._hosted, self._otherwise, self._secret, self._answered = None, None, False, False, None
        self._begun += 1
        self._in_message = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            self._drop(name, value)
            return
        name = name.lower()
        if name in _NOTED:
            self._note(name, value)
        self.headers.append((name, value))

    def _note(self, name: bytes, value: bytes) -> None:
        if name in TELLING:
            if self._noted is None:
                self._noted = []
            self._noted.append((name, value))
        elif name in _HOST:
            self._hosted = self._hosted is None and is_host(value)
        elif name in _SECRETS:
            self._secret = True
            self._otherwise = self._otherwise or _DRAFT in value
        else:
            self._otherwise = True
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

    def _request(self) -> Request | None:
        """The request whose head was parsed, if a hit may answer it: this is told by its bytes, and by nothing else."""
        path, question, _ = self.url.partition(b"?")
        cached_path = self.hits.cached_path(path)
        if cached_path is None or self._otherwise or not self._hosted:
            return None
        if (question and cached_path.queried) or not self._is_in_bounds():
            return None
        parser = self.parser
        method = parser.get_method()
        if method != b"GET" and not (method == b"HEAD" and cached_path.heads):
            return None
        if parser.get_http_version() != "1.1" or not parser.should_keep_alive():
            return None
        return Request(
            cached_path, ANYHOW if self._noted is None else Asked.of(self._noted), method.decode("ascii"), path
        )

    def _is_in_bounds(self) -> bool:
        bounds = self.hits.bounds
        if len(self.url) > bounds.max_path_bytes:
            return False
        in_this_piece = self._begun > 0 and self._seen <= self.most_seen
        return in_this_piece or size_of(self.headers) <= bounds.max_header_bytes

    def _is_idle(self) -> bool:
        """Whether nothing is under way on the connection, or in front of the application, that comes first."""
        cycle: Any = self.cycle  # of the request that came last; None before the first one
        return (
            (cycle is None or cycle.response_complete)
            and self.hits.at_socket
            and self.limit_concurrency is None
            and self._status is None
            and not self._leaving
            and not self.flow.write_paused
            and not self.transport.is_closing()
        )

    def _answer(self, request: Request) -> bool:
        """Answer, if it is a hit; False when nothing was done."""
        logs = access.isEnabledFor(logging.INFO)
        started = time.perf_counter() if logs else 0.0
        state = self.server_state
        try:
            ready = self.hits.ready(request.cached_path)
            sent = request.sent
            if ready is None:
                return False
            if (
                sent is None
                or sent.volatile is not ready.volatile
                or sent.mark is not ready.mark
                or sent.server is not state.default_headers
            ):
                sent = self._made(request, ready)
        except Exception:  # the parser would make a 400 of it: on the long way it is told as what it is
            log.exception("the short way to %r failed", request.path)
            return False
        if sent is None:
            return False
        if sent.rest:
            self.transport.writelines((sent.data, sent.rest))
        else:
            self.transport.write(sent.data)
        state.total_requests += 1
        self._answers += 1
        if logs:
            log_access(request.method, decoded(request.path), sent.status, HIT, time.perf_counter() - started)
        return True

    def _made(self, request: Request, ready: PreparedEntry) -> Sent | None:
        """What goes out for a request; None when there is nothing after all."""
        form = ready.representation(request.asked, self.hits.clock)
        if form is None:
            return None
        server, volatile = self.server_state.default_headers, ready.volatile
        head, body = form.head(volatile, self.lines.of(server)), b"" if request.method == "HEAD" else form.body
        if request.sent is not None:
            self.hits.copied(-len(request.sent.data))
        if request.volatile is not volatile or len(head) + len(body) > _REPEATED:
            request.volatile, request.sent = volatile, None
            return Sent(ready.mark, volatile, server, form.status, head, body)
        request.sent = sent = Sent(ready.mark, volatile, server, form.status, head + body)
        self.hits.copied(len(sent.data))
        return sent

    def _prepare_for_asgi(self) -> None:
        """Do what was left out in `on_message_begin`."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        HttpToolsProtocol.on_message_begin(self)
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)  # the list that the scope has


def hit_protocol(bounds: ServerConfig, hits: Hits) -> type[HitProtocol]:
    """The protocol for one server; uvicorn makes one of it for each connection."""
    # A header counts 4 bytes beside its name and value; on the wire it has at least 2.
    values = {**bounds_of(bounds), "most_seen": bounds.max_header_bytes // 2, "hits": hits, "lines": ServerLines()}
    return type("HitProtocol", (HitProtocol,), values)
