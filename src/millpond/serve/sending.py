"""The way out: answers as ASGI messages."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from millpond.errors import UnsendableError
from millpond.policy.headers import lasting_headers, live_headers, moment_headers
from millpond.policy.reply import Asked, reply
from millpond.policy.sendable import BODILESS, fault, framed, length_headers

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from millpond.cache.responses import Cached
    from millpond.policy.decision import Decision
    from millpond.policy.entry import Entry
    from millpond.policy.reply import Reply
    from millpond.policy.surrogate import Surrogates

log = logging.getLogger("millpond.serve")


async def send_plain(
    send: Send, status: int, headers: list[tuple[bytes, bytes]] | None = None, body: bytes = b""
) -> None:
    """A whole answer."""
    headers = [*(headers or ()), *length_headers(status, body)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_cached(scope: Scope, send: Send, cached: Cached, now: float, surrogates: Surrogates | None) -> int:
    """An answer from an entry: whole, without its body for HEAD, or 304. Returns the status that was sent."""
    entry = cached.entry
    chosen = reply(entry, Asked.of(scope["headers"]))
    headers = headers_of(chosen, entry, cached.decision, now, surrogates)
    body = b"" if scope["method"] == "HEAD" else chosen.body
    await send({"type": "http.response.start", "status": chosen.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
    return chosen.status


def headers_of(
    chosen: Reply, entry: Entry, decision: Decision, now: float, surrogates: Surrogates | None
) -> list[tuple[bytes, bytes]]:
    """All headers of a reply, in the order in which they are sent."""
    lasting = lasting_headers(chosen.headers, entry, decision, now, surrogates)
    return lasting + moment_headers(entry, decision, now, surrogates) + length_headers(chosen.status, chosen.body)


class FramedSend:
    """The `send` of an application: what goes out is one answer, and no more than that."""

    def __init__(self, send: Send, method: str) -> None:
        self._send = send
        self._bodiless = self._head = method == "HEAD"
        self.status: int | None = None
        """None until the answer has begun."""
        self.lost = 0
        """Bytes of a body that the status allows none of."""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message = self._begun(message)
        elif message["type"] == "http.response.body" and self._bodiless:
            if not self._head:
                self.lost += len(message.get("body", b""))
            message = {**message, "body": b""}
        await self._send(message)

    def _begun(self, message: Message) -> Message:
        """The start of the answer as it is sent.

        Raises:
            UnsendableError: it can't be sent; nothing has been.
        """
        status, headers = message["status"], list(message.get("headers", ()))
        wrong = fault(status, headers)
        if wrong is not None:
            raise UnsendableError(wrong)
        self.status = status
        self._bodiless = self._head or status in BODILESS
        return {**message, "headers": framed(status, self._headers(headers))}

    def _headers(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """In lower case."""
        return [(name.lower(), value) for name, value in headers]


class LiveSend(FramedSend):
    """The `send` of a live run: tells how the answer came about, and keeps the body of a HEAD back (R1.42)."""

    def __init__(self, send: Send, method: str, decision: Decision, *, fronted: bool) -> None:
        """`fronted`: there are caches in front, which keep what doesn't say otherwise."""
        super().__init__(send, method)
        self._decision = decision
        self._fronted = fronted

    def _headers(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        return live_headers(headers, self._decision, fronted=self._fronted)


async def pass_on(app: ASGIApp, asgi: Scope, receive: Receive, send: Send) -> None:
    """Let an application answer that isn't a route file's operation; what can't be sent is 500."""
    sending = FramedSend(send, asgi["method"])
    try:
        await app(asgi, receive, sending)
    except UnsendableError as error:
        log.error("the answer of %s %s can't be sent: %s", asgi["method"], asgi["path"], error)
        if sending.status is None:
            await send_plain(sending, 500)
