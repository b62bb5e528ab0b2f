"""A refresh as the timeline tells of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.messages import counted
from millpond.policy.tags import Named, named
from millpond.telemetry.journal import Event
from millpond.warm.outcome import Outcome

if TYPE_CHECKING:
    from millpond.cache.invalidation_order import InvalidationOrder
    from millpond.telemetry.journal import Origin
    from millpond.warm.refreshing.refresh_round import Refreshed

_MOST_SHOWN = 3


def refresh_event(
    order: InvalidationOrder, done: Refreshed, *, at: float, origin: Origin, name: str = "", note: str = ""
) -> Event:
    """An event for the journal.

    Args:
        order: what was to be refreshed.
        done: what was done.
        at: seconds since the epoch.
        origin: who did it.
        name: of whom, where they have names.
        note: why.
    """
    tally, left = done.tally, done.reached.unasked
    rendered = tally.counts[Outcome.RENDERED] + tally.counts[Outcome.HIT]
    details = [f"{counted(rendered, 'answer')} rendered"]
    if tally.failed:
        details.append(f"{counted(len(tally.failed), 'path')} failed and kept what was stored")
    if tally.skipped:
        details.append(f"{len(tally.skipped)} not rendered: {tally.skipped[0].why}")
    if left:
        details.append(f"{counted(left, 'answer')} left to the next request")
    if note:
        details.append(f"“{note}”")
    routes = list(done.reached.routes)
    path = next((each.path for each in tally.failed), next(iter(done.reached.paths), ""))
    return Event(
        at=at,
        kind="action",
        text=f"Refreshed {subject_in_words(order)}",
        detail=" · ".join(details),
        route=routes[0] if len(routes) == 1 else "",
        path=path if len(done.reached.paths) <= 1 else "",
        tags=tuple(order.tags),
        generation=done.generation,
        origin=origin,
        name=name,
    )


def subject_in_words(order: InvalidationOrder) -> str:
    """What an order is about, in words."""
    paths = [_path(*named(each.tags[0])) for each in order.paths]
    subjects = [*paths, *(f"tag {tag}" for tag in order.tags)]
    shown = ", ".join(subjects[:_MOST_SHOWN])
    return shown if len(subjects) <= _MOST_SHOWN else f"{shown} and {len(subjects) - _MOST_SHOWN} more"


def _path(kind: Named, name: str) -> str:
    return f"{name} and below" if kind is Named.BELOW else name
