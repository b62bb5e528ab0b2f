"""What fails now: failures of the journal, grouped by exception and innermost own line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from millpond.telemetry.journal import Event, Frame


@dataclass(slots=True)
class Failing:
    """One cause, and what fails because of it."""

    error: str
    place: str
    event: Event
    """The latest one, with the traceback."""
    first: float
    """Seconds since the epoch."""
    count: int = 0
    routes: dict[str, str] = field(default_factory=dict)
    """Those that haven't worked since -> a path of each."""
    older: int = 0
    """How often clients got an older answer, as far as it was noted."""
    answered_500: int = 0

    @property
    def last(self) -> float:
        """Seconds since the epoch."""
        return self.event.at


def failing_now(events: Iterable[Event], since: float = 0.0) -> list[Failing]:
    """The causes of what hasn't worked since it failed, those of most routes first.

    Args:
        events: of the journal, newest first.
        since: older failures of routes that nobody asked for since are left out.
    """
    causes: dict[tuple[str, str], Failing] = {}
    for event in reversed(list(events)):
        if event.kind == "recovery":
            for cause in causes.values():
                cause.routes.pop(event.route, None)
        elif event.kind == "deploy":
            causes.clear()
        elif event.kind == "failure" and event.at >= since:
            key = event.error, event.place
            known = causes.get(key)
            if known is None or not known.routes:
                known = causes[key] = Failing(event.error, event.place, event, event.at)
            known.event, known.count = event, known.count + event.count
            known.routes[event.route] = event.path
            if event.served == "older":
                known.older += event.count
            else:
                known.answered_500 += event.count
    found = [cause for cause in causes.values() if cause.routes]
    return sorted(found, key=lambda cause: (-len(cause.routes), -cause.last))


class ShownFrame(NamedTuple):
    """A frame of the project's own, or a number of libraries' frames that are folded into one line."""

    frame: Frame | None
    folded: int = 0
    is_here: bool = False
    """Whether it is the innermost own one."""


def folded(frames: Sequence[Frame]) -> list[ShownFrame]:
    """A traceback, outermost frame first."""
    innermost = max((number for number, frame in enumerate(frames) if frame.own), default=-1)
    shown: list[ShownFrame] = []
    for number, frame in enumerate(frames):
        if frame.own:
            shown.append(ShownFrame(frame, is_here=number == innermost))
        elif shown and shown[-1].frame is None:
            shown[-1] = ShownFrame(None, shown[-1].folded + 1)
        else:
            shown.append(ShownFrame(None, 1))
    return shown
