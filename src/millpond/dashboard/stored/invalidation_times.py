"""When tags were invalidated, and by whom: what the journal says."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from millpond.telemetry.journal import Event

_HOUR = 3600.0
_ORIGINS = {
    "handler": "a handler",
    "endpoint": "the endpoint",
    "client": "millpond.client",
    "cli": "CLI",
    "cron": "a cron",
    "admin": "admin",
}


class TagInvalidated(NamedTuple):
    """The last invalidation of a tag, as far as the journal goes back."""

    at: float
    """Seconds since the epoch."""
    by: str
    hard: bool
    place: str
    in_the_hour: int
    """How often it was invalidated in the last hour."""
    event: Event


def invalidation_times(events: Iterable[Event], now: float) -> dict[str, TagInvalidated]:
    """By tag, without the NUL of built-in ones.

    Args:
        events: of the journal, newest first.
        now: seconds since the epoch.
    """
    found: dict[str, TagInvalidated] = {}
    for event in events:
        if event.kind != "invalidation":
            continue
        for tag in event.tags:
            tag, lately = tag.lstrip("\0"), event.count if event.at > now - _HOUR else 0
            known = found.get(tag)
            if known is None:
                found[tag] = TagInvalidated(event.at, by_whom(event), event.hard, event.place, lately, event)
            elif lately:
                found[tag] = known._replace(in_the_hour=known.in_the_hour + lately)
    return found


def by_whom(event: Event) -> str:
    """Who did it: a handler by its route, others by what they are."""
    who = event.route if event.origin == "handler" and event.route else _ORIGINS.get(event.origin, "not known")
    return f"{who}, {event.name}" if event.name else who
