"""What is told of one request when it was answered: the one type that the access log is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from millpond.serve.access.asked import quoted

if TYPE_CHECKING:
    from millpond.policy.decision import Decision
    from millpond.serve.access.asked import Asked

Origin = Literal["fetch", "cron", "warm"]


class ServedRequest(NamedTuple):
    """One request and its answer."""

    asked: Asked | None
    """None where a connection was refused before there was a request."""
    status: int
    """What the client got; 499 if it was gone before there was an answer, as nginx has it."""
    decision: Decision | None = None
    """None where no file route answered."""
    seconds: float | None = None
    """From the request to the end of its answer; None where a message was refused before it was a request."""
    sent: int = 0
    """Bytes of the body that was sent, in the coding in which it was."""
    is_complete: bool = True
    """Whether the answer has an end: it has none if the client went away, or the handler failed, in the middle."""
    origin: Origin | None = None
    """Who has asked from inside; None for a client."""

    @property
    def message(self) -> str:
        """Method, path and status."""
        if self.asked is None:
            return f"- - {self.status}"
        return f"{self.asked.method or '-'} {self.asked.path or '-'} {self.status}"

    @property
    def fields(self) -> dict[str, Any]:
        """By their names in JSON, which don't change."""
        asked, decision = self.asked, self.decision
        fields = {
            "method": (asked and asked.method) or None,
            "path": (asked and asked.path) or None,
            "status": self.status,
            "milliseconds": None if self.seconds is None else round(self.seconds * 1000, 2),
            "cache": decision.action.value if decision else None,
            "reason": decision.reason.value if decision else None,
            "client": asked and asked.client,
            "bytes": self.sent,
            "user_agent": asked and asked.agent,
            "request_id": asked and asked.request_id,
        }
        if self.origin is not None:
            fields["origin"] = self.origin
        if not self.is_complete:
            fields["incomplete"] = True
        return fields

    @property
    def text(self) -> str:
        """One line for people: in columns what has a width, then the request, then who sent it."""
        asked, decision = self.asked, self.decision
        who = self.origin or (asked and asked.client) or "-"
        took = "-" if self.seconds is None else f"{self.seconds * 1000:.2f}"
        cache, reason = ("-", "") if decision is None else (decision.action.value, f"  reason={decision.reason.value}")
        line = f"{who:<15}  {self.status}  {took:>8} ms  {self.sent:>9} B  {cache:<6}"
        if asked is not None:
            path = asked.path
            if " " in path or '"' in path:  # nothing in it may look like its end
                path = path.replace(" ", "%20").replace('"', "%22")
            agent = "" if asked.agent is None else f"  {quoted(asked.agent)}"
            request_id = "" if asked.request_id is None else f"  id={asked.request_id}"
            line = f"{line}  {asked.method or '-'} {path or '-'}{agent}{request_id}"
        return line + reason if self.is_complete else f"{line}{reason}  incomplete"


FIELDS = frozenset({*ServedRequest(None, 0).fields, "origin", "incomplete"})
"""The names of all fields."""
