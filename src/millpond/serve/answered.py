"""What was answered to a request: who answered, why, with which status, and how much; told once, outermost."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Message, Send

    from millpond.cache.told import OwnAnswer
    from millpond.policy.decision import Decision
    from millpond.telemetry.request_counts import RequestCounts

ANSWERED = "millpond.answered"
"""The key of an ASGI scope under which whoever answers says so; middleware may copy the scope, but not this object."""

REFUSED = "millpond.refused"
"""The key of a scope with the status with which the server has refused the request while it was being answered."""
GONE = "millpond.gone"
"""The key of a scope that says that its client went away before the answer was complete."""
CUT_OFF = "millpond.cut_off"
"""The key of a scope that says that the server has cancelled the request, as it shuts down: its client gets 503."""
DRAINING = "millpond.draining"
"""The key of a scope that says that the server is about to stop accepting connections."""
WARMING = "millpond.warming"
"""The key of a scope that says that the server asks for paths, and isn't ready for visitors yet."""

HAS_END = "millpond.has_end"
"""The key of a scope that says that the application had declared the length of an answer that is sent without one."""

CLIENT_CLOSED = 499
"""nginx's status, for the access log: the client has gone before it got an answer."""


class Answered:
    """One request's answer; it is also the `send` that sees the messages of the answer pass."""

    __slots__ = (
        *("_headers", "counts", "decision", "is_clients", "is_complete", "own_answer", "route", "send", "sent"),
        "status",
    )

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
        self.route = ""
        """The pattern of the route that answered; "" where none did, or one that is declared in code."""
        self.counts: RequestCounts | None = None
        """Where the request counts: those of the application that it came to; None where it came to none."""
        self.sent = 0
        """Bytes of the body."""
        self.is_complete = False
        """Whether the end of the answer was sent."""
        self._headers: Iterable[tuple[bytes, bytes]] = ()

    @classmethod
    def whole(cls, send: Send, status: int, decision: Decision, size: int) -> Answered:
        """An answer that was sent past this; `size`: bytes of its body."""
        answered = cls(send)
        answered.status, answered.decision, answered.sent, answered.is_complete = status, decision, size, True
        return answered

    def told_by(self, inner: Answered) -> None:
        """Take over what an application further in has noted about its answer."""
        self.decision, self.route, self.counts = inner.decision, inner.route, inner.counts

    async def __call__(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            self.status, self._headers = message["status"], message.get("headers", ())
        await self.send(message)
        if kind == "http.response.body":
            self.sent += len(message.get("body", b""))
            self.is_complete = not message.get("more_body", False)
        elif kind == "http.response.pathsend":  # the server reads the file
            self.sent = next((int(value) for name, value in self._headers if name == b"content-length"), 0)
            self.is_complete = True
