"""Tags: what has them, when and by whom they were invalidated, and what that has cost."""

from __future__ import annotations

import asyncio
import difflib
from typing import TYPE_CHECKING, Any, NamedTuple

from millpond.dashboard.figures.route_hours import route_hours, shares
from millpond.dashboard.figures.sorting import Sorting
from millpond.dashboard.figures.window import LENGTH, Window
from millpond.dashboard.pages.dashboard_page import DashboardPage
from millpond.dashboard.stored.census import TagCount
from millpond.dashboard.stored.entry_view import given_tag, shown_tag
from millpond.dashboard.stored.invalidation_times import invalidation_times
from millpond.errors import StoreError
from millpond.policy.tags import is_own
from millpond.telemetry.minutes import MINUTE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from millpond.dashboard.operated import Operated
    from millpond.dashboard.pages.dashboard_page import Viewer
    from millpond.dashboard.stored.census import Census, Counted
    from millpond.dashboard.stored.invalidation_times import TagInvalidated
    from millpond.policy.tags import TagRow

ROWS = 100
_DAY = 86_400.0
_ALERTS, _NEAREST = 5, 2


class TagRowShown(NamedTuple):
    """One tag."""

    tag: str
    """As it is stored."""
    shown: str
    counts: TagCount
    row: TagRow | None
    invalidated: TagInvalidated | None

    @property
    def shares(self) -> list[tuple[str, float, float]]:
        """Fresh, stale and dead, as a bar."""
        return shares((("hit", self.counts.fresh), ("stale", self.counts.stale), ("miss", self.counts.dead)))

    @property
    def is_hard(self) -> bool:
        """Whether the last invalidation forbids to serve what is older."""
        if self.invalidated is not None:
            return self.invalidated.hard
        return self.row is not None and self.row.expired == self.row.generation


class UselessInvalidation(NamedTuple):
    """A tag that was invalidated, and that nothing has."""

    tag: str
    invalidated: TagInvalidated
    nearest: list[str]


SORTS: Mapping[str, Callable[[TagRowShown], Any]] = {
    "name": lambda row: row.shown,
    "entries": lambda row: row.counts.entries,
    "stale": lambda row: row.counts.stale + row.counts.dead,
    "when": lambda row: 0.0 if row.invalidated is None else row.invalidated.at,
    "by": lambda row: "" if row.invalidated is None else row.invalidated.by,
    "generation": lambda row: 0 if row.row is None else row.row.generation,
    "count": lambda row: 0 if row.invalidated is None else row.invalidated.in_the_hour,
    "cost": lambda row: row.counts.renders,
}


class TagsPage(DashboardPage):
    """`tags`; `?q=` looks for a part of a name, `?place=1` lists the built-in tags of routes and paths."""

    template = "tags.html"

    def __init__(self, counted: Counted) -> None:
        self._counted = counted

    async def context(self, viewer: Viewer, rest: str, query: Mapping[str, str]) -> dict[str, Any] | None:
        if rest:
            return None
        operated = viewer.operated
        now = operated.clock()
        sorting = Sorting.of(query, tuple(SORTS), "-entries", ("q", "place"))
        q, place = query.get("q", "").strip()[:500], bool(query.get("place"))
        place = place or is_own(given_tag(q))
        context = {"q": q, "place": place, "sorting": sorting, "problem": None}
        try:
            census = await self._counted.census(operated, await asyncio.to_thread(render_seconds, operated))
        except StoreError as error:
            empty = {"rows": [], "number": 0, "next": "", "useless": [], "census": None, "generation": None}
            return {**context, **empty, "problem": str(error)}
        events = await asyncio.to_thread(operated.counting.journal.latest, now=now)
        times = invalidation_times(events, now)
        rows = await asyncio.to_thread(_rows, census, times, q, sorting, place=place)
        begins = int(query["from"]) if query.get("from", "").isdecimal() and len(query["from"]) < 9 else 0
        ends = begins + ROWS
        return {
            **context,
            "rows": rows[begins:ends],
            "number": len(rows),
            "begins": begins,
            "next": sorting.with_query(**{"from": str(ends)}) if ends < len(rows) else "",
            "useless": list(_useless(census, times, now))[:_ALERTS] if census.is_complete else [],
            "census": census,
            "generation": operated.store.generation(),
        }


def render_seconds(operated: Operated) -> dict[str, float]:
    """What a render took in the last hour, on average, by the origins of the routes."""
    now = operated.clock()
    hours = route_hours(Window(operated.counting.minutes(now - (LENGTH + 1) * MINUTE), now))
    found: dict[str, float] = {}
    for plan in operated.plans():
        hour = hours.get(plan.route.pattern)
        spread = None if hour is None else hour.rendered.spread
        if spread is not None and spread.number:
            found[plan.route.origin] = spread.total / spread.number
    return found


def _rows(
    census: Census, times: Mapping[str, TagInvalidated], q: str, sorting: Sorting, *, place: bool
) -> list[TagRowShown]:
    counts = dict(census.places if place else census.tags)
    for tag in census.rows:
        if is_own(tag) is place:
            counts.setdefault(tag, TagCount())
    if not place:
        for tag in times:
            if f"\0{tag}" not in census.places and not is_own(given_tag(tag)):
                counts.setdefault(tag, TagCount())
    wanted = q.casefold()
    rows = [
        TagRowShown(tag, shown_tag(tag), count, census.rows.get(tag), times.get(shown_tag(tag)))
        for tag, count in counts.items()
        if not wanted or wanted in shown_tag(tag).casefold()
    ]
    rows.sort(key=SORTS["name"])
    return sorted(rows, key=SORTS[sorting.key], reverse=sorting.descends)


def _useless(census: Census, times: Mapping[str, TagInvalidated], now: float) -> list[UselessInvalidation]:
    """Tags that were invalidated in the last day, and that nothing has."""
    names: Sequence[str] = list(census.tags)[:5000]
    return [
        UselessInvalidation(tag, invalidated, difflib.get_close_matches(tag, names, n=_NEAREST))
        for tag, invalidated in list(times.items())[:200]
        if invalidated.at > now - _DAY and tag not in census.tags and f"\0{tag}" not in census.places
    ][:_ALERTS]
