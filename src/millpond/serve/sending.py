"""The way out: answers as ASGI messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.policy.headers import lasting_headers, live_headers, moment_headers
from millpond.policy.reply import Asked, reply

if TYPE_CHECKING:
    from starlette.types import Message, Scope, Send

    from millpond.cache.responses import Cached
    from millpond.policy.decision import Decision
    from millpond.policy.entry import Entry
    from millpond.policy.reply import Reply
    from millpond.policy.surrogate import Surrogates

_BODILESS = (204, 205, 304)


async def send_plain(
    send: Send, status: int, headers: list[tuple[bytes, bytes]] | None = None, body: bytes = b""
) -> None:
    """A whole answer."""
    headers = list(headers or ())
    if status not in _BODILESS:
        headers.append((b"content-length", b"%d" % len(body)))
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
    return lasting + moment_headers(entry, decision, now, surrogates) + length_of(chosen)


def length_of(chosen: Reply) -> list[tuple[bytes, bytes]]:
    """Content-Length, where an answer of that status has one (RFC 9110 §8.6)."""
    return [] if chosen.status in _BODILESS else [(b"content-length", b"%d" % len(chosen.body))]


class LiveSend:
    """The `send` of a live run: tells how the answer came about, and keeps the body of a HEAD back (R1.42)."""

    def __init__(self, send: Send, method: str, decision: Decision, *, fronted: bool) -> None:
        """`fronted`: there are caches in front, which keep what doesn't say otherwise."""
        self._send = send
        self._head = method == "HEAD"
        self._decision = decision
        self._fronted = fronted
        self.status: int | None = None
        """None until the answer has begun."""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = live_headers(message.get("headers", ()), self._decision, fronted=self._fronted)
            message = {**message, "headers": headers}
        elif message["type"] == "http.response.body" and self._head:
            message = {**message, "body": b""}
        await self._send(message)
