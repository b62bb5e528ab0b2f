"""The way out: answers as ASGI messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.policy.conditional import headers_of_304, not_modified
from millpond.policy.decision import Action
from millpond.policy.headers import UNCACHED, decision_headers, entry_headers

if TYPE_CHECKING:
    from starlette.types import Message, Scope, Send

    from millpond.cache.responses import Cached
    from millpond.policy.decision import Decision

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


async def send_cached(scope: Scope, send: Send, cached: Cached, now: float) -> int:
    """An answer from an entry: whole, without its body for HEAD, or 304. Returns the status that was sent."""
    entry = cached.entry
    headers = entry_headers(entry, cached.decision, now)
    if not_modified(scope["headers"], entry.status, tuple(headers)):
        await send_plain(send, 304, headers_of_304(headers))
        return 304
    if entry.status not in _BODILESS:
        headers.append((b"content-length", b"%d" % len(entry.body)))
    body = b"" if scope["method"] == "HEAD" else entry.body
    await send({"type": "http.response.start", "status": entry.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
    return entry.status


class LiveSend:
    """The `send` of a live run: tells how the answer came about, and keeps the body of a HEAD back (R1.42)."""

    def __init__(self, send: Send, method: str, decision: Decision) -> None:
        self._send = send
        self._head = method == "HEAD"
        self._decision = decision
        self.status: int | None = None
        """None until the answer has begun."""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": self._headers(message)}
        elif message["type"] == "http.response.body" and self._head:
            message = {**message, "body": b""}
        await self._send(message)

    def _headers(self, message: Message) -> list[tuple[bytes, bytes]]:
        headers = list(message.get("headers", ()))
        if self._decision.action is Action.BYPASS:  # what an editor sees is nobody else's (DESIGN D14)
            headers = [(name, value) for name, value in headers if name.lower() != b"cache-control"]
            headers.append((b"cache-control", UNCACHED))
        return headers + decision_headers(self._decision)
