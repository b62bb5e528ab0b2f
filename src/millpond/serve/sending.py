"""Answers as ASGI messages: cached ones, live ones, and the checks of what applications send."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from millpond.errors import UnsendableError
from millpond.policy.http.coding import with_vary
from millpond.policy.http.headers import lasting_headers, live_headers, volatile_headers
from millpond.policy.http.reply import Negotiation
from millpond.policy.http.sendable import BODILESS, fault, length_headers, unframed
from millpond.policy.request.media_types import with_accept_query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from millpond.cache.coding.coded_bodies import CodedBodies
    from millpond.cache.responses import Cached
    from millpond.policy.decision import Decision
    from millpond.policy.entry import Entry, Headers
    from millpond.policy.freshness import Clock
    from millpond.policy.http.reply import Reply
    from millpond.policy.http.surrogate import Surrogates
    from millpond.serve.answered import Answered

log = logging.getLogger("millpond.serve")

_WEBSOCKET = "websocket."
_REFUSAL = f"{_WEBSOCKET}http.response."
"""Prefixes of message types: of WebSockets, and of the answer that refuses one (ASGI's WebSocket Denial Response)."""

_LENGTH = re.compile(rb"[0-9]{1,18}")


async def send_plain(
    send: Send, status: int, headers: list[tuple[bytes, bytes]] | None = None, body: bytes = b""
) -> None:
    """Send a whole answer."""
    headers = [*(headers or ()), *length_headers(status, body)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_cached(
    scope: Scope,
    send: Send,
    cached: Cached,
    coded: CodedBodies,
    clock: Clock,
    surrogates: Surrogates | None,
    claims: Headers = (),
) -> int:
    """Send an entry: whole, without its body for HEAD, or as 304. Returns the status that was sent."""
    entry = cached.entry
    chosen = await coded.reply(entry, Negotiation.of(scope["headers"]))
    now = clock()
    headers = headers_of(chosen, entry, cached.decision, now, surrogates, claims)
    body = b"" if scope["method"] == "HEAD" else chosen.body
    await send({"type": "http.response.start", "status": chosen.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
    return chosen.status


def headers_of(
    chosen: Reply, entry: Entry, decision: Decision, now: float, surrogates: Surrogates | None, claims: Headers = ()
) -> list[tuple[bytes, bytes]]:
    """All headers of a reply, in the order in which they are sent."""
    lasting = lasting_headers(chosen.headers, entry, decision, surrogates, claims)
    return lasting + volatile_headers(entry, decision, now, surrogates) + length_headers(chosen.status, chosen.body)


class FramedSend:
    """The `send` of an application: it sends one whole answer, or raises, which ends the connection.

    `content-length` becomes the length of the body, whatever the handler declared. The body of a stream must have the
    declared length (RFC 9110 §8.6): a client would wait for missing bytes, and take superfluous ones for the next
    answer. The body of a HEAD isn't sent (R1.42), nor is one that the status forbids.
    """

    def __init__(self, send: Send, method: str, name: str) -> None:
        """`name`: what messages call the answer's origin."""
        self._send = send
        self._head = method == "HEAD"
        self._bodiless = False
        """Whether the status allows no body."""
        self._name = name
        self.status: int | None = None
        """None until the answer has begun."""
        self.sent = 0
        """Bytes of the body that were sent."""
        self.is_complete = False
        """Whether the end of the answer was sent."""
        self.lost = 0
        """Bytes of a body that weren't sent, as the status forbids one."""
        self._start: Message | None = None
        """Held back until the first part of the body tells whether it is whole; not for a stream without a length."""
        self._place = 0
        """Where among the headers the length was declared: it stays there."""
        self._declared: list[bytes] = []
        """The lengths that the handler declared; one as a rule."""
        self._missing: int | None = None
        """Bytes of the declared length of a stream that are still to come."""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif message["type"] == "http.response.body":
            await self._continue(message)
        else:
            await self._release()
            await self._send(message)

    async def _begin(self, message: Message) -> None:
        """Raises UnsendableError before anything was sent: the answer can't be."""
        status, headers = message["status"], list(message.get("headers", ()))
        wrong = fault(status, headers)
        if wrong is not None:
            raise UnsendableError(wrong)
        headers, self._declared, self._place = unframed(self._headers(headers))
        self._bodiless = status in BODILESS
        if self._bodiless:
            headers[self._place : self._place] = length_headers(status, b"")
            self._declared = []
        self._start = {**message, "headers": headers}
        if not self._declared:
            await self._release()

    async def _continue(self, message: Message) -> None:
        """Raises UnsendableError: a stream isn't as long as it declared."""
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._bodiless:
            self.lost += 0 if self._head else len(body)
            body = b""
        if self._start is not None:
            self._start["headers"][self._place : self._place] = self._length(len(body), more=more)
            await self._release()
        if self._head or self._bodiless:
            message, body = {**message, "body": b""}, b""
        elif self._missing is not None:
            self._missing -= len(body)
            if self._missing < 0 or (self._missing and not more):
                shorter_or_longer = "longer" if self._missing < 0 else "shorter"
                raise UnsendableError(
                    f"its streamed body is {shorter_or_longer} than the content-length that it declares; "
                    "leave that header out."
                )
        await self._send(message)
        self.sent += len(body)
        self.is_complete = not more

    def tell(self, answered: Answered) -> None:
        """Tell what was sent, where the messages have gone past what tells it otherwise."""
        answered.sent, answered.is_complete = self.sent, self.is_complete
        if answered.status is None:
            answered.status = self.status

    def _length(self, size: int, *, more: bool) -> list[tuple[bytes, bytes]]:
        """The true length, where one was declared; `size`: the bytes of the first part of the body."""
        if not more and not (self._head and not size):
            return [(b"content-length", b"%d" % size)]
        [length, *others] = {value.strip() for value in self._declared}
        if others or not _LENGTH.fullmatch(length):
            shown = sorted({length, *others})
            log.warning("%s: the answer declares the content-length %s, which isn't sent", self._name, shown)
            return []
        if not self._head:
            self._missing = int(length)
        return [(b"content-length", length)]

    async def _release(self) -> None:
        if self._start is not None:
            start, self._start = self._start, None
            self.status = start["status"]
            await self._send(start)

    def _headers(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """In lower case."""
        return [(name.lower(), value) for name, value in headers]


class LiveSend(FramedSend):
    """The `send` of a live run, which adds the headers that tell why the answer is live."""

    def __init__(
        self,
        send: Send,
        method: str,
        decision: Decision,
        *,
        fronted: bool,
        name: str,
        accepted: Sequence[str] = (),
        vary: Sequence[bytes] = (),
    ) -> None:
        """Send as the answer of one route.

        Args:
            send: sends to the client.
            method: of the request.
            decision: why it is live.
            fronted: there are caches in front, which must be told not to store it.
            name: the route's file.
            accepted: the media types with which it can be asked by QUERY.
            vary: the headers that select an answer of the route, whatever its handler says.
        """
        super().__init__(send, method, name)
        self._decision, self._vary = decision, vary
        self._fronted, self._accepted = fronted, accepted

    def _headers(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        told = live_headers(headers, self._decision, fronted=self._fronted)
        if self._accepted:
            told = [*with_accept_query(tuple(told), self._accepted)]
        return list(with_vary(tuple(told), self._vary)) if self._vary else told


class WebSocketSend:
    """The `send` of a WebSocket's endpoint; an answer that refuses the handshake is checked like others."""

    def __init__(self, send: Send, name: str) -> None:
        """`name`: what messages call the answer's origin."""
        self._send = send
        self._refusal = FramedSend(self._refuse, "GET", name)
        self.accepted = False

    async def __call__(self, message: Message) -> None:
        kind: str = message["type"]
        if kind.startswith(_REFUSAL):
            await self._refusal({**message, "type": kind.removeprefix(_WEBSOCKET)})
            return
        if kind == "websocket.accept":
            _check_handshake(message)
            self.accepted = True
        await self._send(message)

    async def fail(self, asgi: Scope) -> None:
        """Refuse the handshake, unless it was answered: with 500, or with 403 where the server can't send that."""
        if self.accepted or self._refusal.status is not None:
            return
        if "websocket.http.response" in asgi.get("extensions", {}):
            await send_plain(self._refusal, 500)
        else:
            await self._send({"type": "websocket.close", "code": 1011})

    async def _refuse(self, message: Message) -> None:
        await self._send({**message, "type": f"{_WEBSOCKET}{message['type']}"})


def _check_handshake(message: Message) -> None:
    """Raises UnsendableError: a header of the handshake can't be sent."""
    headers = list(message.get("headers", ()))
    if message.get("subprotocol") is not None:
        headers.append((b"sec-websocket-protocol", message["subprotocol"].encode("latin-1", "replace")))
    wrong = fault(200, headers)
    if wrong is not None:
        raise UnsendableError(wrong)


async def pass_on(app: ASGIApp, asgi: Scope, receive: Receive, send: Send) -> None:
    """Let an application answer that isn't an operation of a route file; what can't be sent becomes a 500."""
    if asgi["type"] != "http":
        upgrading = WebSocketSend(send, asgi["path"])
        try:
            await app(asgi, receive, upgrading)
        except UnsendableError as error:
            log.error("the answer of WebSocket %s can't be sent: %s", asgi["path"], error)
            await upgrading.fail(asgi)
        return
    sending = FramedSend(send, asgi["method"], asgi["path"])
    try:
        await app(asgi, receive, sending)
    except UnsendableError as error:
        log.error("the answer of %s %s can't be sent: %s", asgi["method"], asgi["path"], error)
        if sending.status is None:
            await send_plain(sending, 500)
