"""What the journal tells: invalidations by tag and place, and failures that haven't ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from millpond.advice.observation import SeenFailure, SeenInvalidation
from millpond.policy.tags import Named, is_own

if TYPE_CHECKING:
    from collections.abc import Iterable

    from millpond.telemetry.journal import Event

_OF_PATHS = tuple(f"{kind.value}:" for kind in Named if kind is not Named.TAG)
"""How events write the built-in tags, of routes and paths."""
_MOST = 1000
"""Tags and places that are told apart; those that came first are."""


def seen_invalidations(events: Iterable[Event]) -> list[SeenInvalidation]:
    """Invalidations of the users' tags; those of one tag from one place together.

    Args:
        events: newest first.
    """
    found: dict[tuple[str, str, str], SeenInvalidation] = {}
    for event in events:
        if event.kind != "invalidation":
            continue
        for tag in event.tags:
            key = tag, event.place, event.origin
            known = found.get(key)
            if known is not None:
                found[key] = known._replace(times=known.times + event.count)
            elif len(found) < _MOST and not is_own(tag) and not tag.startswith(_OF_PATHS):
                found[key] = SeenInvalidation(
                    tag, event.count, event.hard, event.origin, event.name, event.place, event.at
                )
    return list(found.values())


@dataclass(slots=True)
class _FailureCause:
    latest: Event
    since: float
    count: int = 0
    routes: dict[str, None] = field(default_factory=dict)


def seen_failures(events: Iterable[Event], since: float) -> list[SeenFailure]:
    """The causes of what hasn't worked since it failed.

    Args:
        events: newest first.
        since: seconds since the epoch; earlier failures were another build's, or nobody has asked since.
    """
    causes: dict[tuple[str, str], _FailureCause] = {}
    for event in reversed(list(events)):
        if event.at < since:
            continue
        if event.kind == "recovery":
            for cause in causes.values():
                cause.routes.pop(event.route, None)
        elif event.kind == "failure" and event.route:
            cause = causes.setdefault((event.error, event.place), _FailureCause(event, event.at))
            if not cause.routes:
                cause.since, cause.count = event.at, 0
            cause.latest, cause.count = event, cause.count + event.count
            cause.routes[event.route] = None
    return [_told(cause) for cause in causes.values() if cause.routes]


def _told(cause: _FailureCause) -> SeenFailure:
    event = cause.latest
    own = [frame.source for frame in event.frames if frame.own and frame.place == event.place]
    return SeenFailure(
        event.error, event.text, event.place, own[-1] if own else "", tuple(cause.routes), cause.count, cause.since
    )
