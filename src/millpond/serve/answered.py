"""What was answered to a request: who answered, why, and with which status; told once, at the outermost place."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Message, Send

    from millpond.cache.told import OwnAnswer
    from millpond.policy.decision import Decision

ANSWERED = "millpond.answered"
"""The key of an ASGI scope under which whoever answers says so; middleware may copy the scope, but not this object."""


class Answered:
    """One request's answer; it is also the `send` that sees the status pass."""

    __slots__ = ("decision", "is_clients", "own_answer", "send", "status")

    def __init__(self, send: Send, *, is_clients: bool = True, own_answer: OwnAnswer | None = None) -> None:
        self.send = send
        self.own_answer = own_answer
        """Hears of the answer, where a `fetch` of this application asked for it."""
        self.is_clients = is_clients
        """Whether a client has sent the request; otherwise the current span is that of whoever asks from inside."""
        self.status: int | None = None
        """The status that the client got; None until the answer has begun."""
        self.decision: Decision | None = None
        """None where no file route answered."""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self.send(message)
