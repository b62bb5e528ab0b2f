"""What repeats is one line: failures of one cause and path, however often they were noted."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from millpond.telemetry.journal import Event


class TimelineLine(NamedTuple):
    """One line of the timeline."""

    event: Event
    """The latest, of several."""
    times: int
    first: float
    """When the first one was noted; seconds since the epoch."""


def told(events: Iterable[Event], most: int) -> tuple[list[TimelineLine], float | None]:
    """Lines for events, and the time before which the next page begins.

    A failure that goes on is told where it was last, until something ends it: between a failure and an earlier one of
    the same cause there may be other events, but no recovery of the route and no deploy.

    Args:
        events: newest first.
        most: lines at most. Events of one moment are on one page.
    """
    lines: list[TimelineLine] = []
    going_on: dict[tuple[str, ...], int] = {}
    for event in events:
        key = (event.error, event.place, event.route, event.path, event.served)
        at = going_on.get(key) if event.kind == "failure" else None
        if at is not None:
            line = lines[at]
            lines[at] = TimelineLine(line.event, line.times + event.count, event.at)
            continue
        if len(lines) >= most and event.at < lines[-1].event.at:
            return lines, lines[-1].event.at
        if event.kind == "failure":
            going_on[key] = len(lines)
        elif event.kind in ("deploy", "start"):
            going_on.clear()
        elif event.kind == "recovery":
            going_on = {key: at for key, at in going_on.items() if key[2] != event.route}
        lines.append(TimelineLine(event, event.count, event.at))
    return lines, None
