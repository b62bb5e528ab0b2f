"""The overview: what the last hour was like, and what is wrong now."""

from __future__ import annotations

import asyncio
from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple

from millpond.dashboard.figures import charts
from millpond.dashboard.figures.tens import tens
from millpond.dashboard.figures.window import LENGTH, NO_RENDERS, Renders, States, Window
from millpond.dashboard.pages.dashboard_page import DashboardPage
from millpond.telemetry.counters import Series
from millpond.telemetry.instruments import REFRESHES_RUNNING, REFRESHES_WAITING, STORE_BYTES, STORE_ENTRIES, STORE_LIMIT
from millpond.telemetry.minutes import MINUTE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from millpond.dashboard.pages.dashboard_page import Viewer
    from millpond.telemetry.counters import Value

_COSTS, _LATEST = 7, 6


class Cost(NamedTuple):
    """What the renders of a route took in the last hour."""

    route: str
    renders: Renders

    @property
    def seconds(self) -> float:
        return self.renders.spread.total


class Overview(DashboardPage):
    """The first page."""

    template = "overview.html"

    async def context(self, viewer: Viewer, rest: str, query: Mapping[str, str]) -> dict[str, Any] | None:
        del query
        if rest:
            return None
        totals = viewer.operated.counting.totals()
        return await asyncio.to_thread(_shown, viewer, totals)  # it reads an hour of minutes, and the journal


def _shown(viewer: Viewer, totals: Mapping[Series, Value]) -> dict[str, Any]:
    operated = viewer.operated
    now = operated.clock()
    window = Window(operated.counting.minutes(now - (LENGTH + 1) * MINUTE), now)
    minutes, renders = window.states(), window.renders()
    states, taken = _all_states(minutes), _all_renders(renders)
    gauge = {name: _number(totals.get(Series(name, ()), 0)) for name in _GAUGES}
    costs = sorted((Cost(route, _all_renders(window.renders(route))) for route in window.routes()), key=_seconds)
    return {
        "failing": viewer.failing(),
        "minutes": minutes,
        "seconds": LENGTH * MINUTE,
        "states": states,
        "worst": _worst(window),
        "renders": taken,
        "p50": taken.quantile(0.5),
        "p95": taken.quantile(0.95),
        "sparks": {
            "requests": [each.total for each in minutes],
            "fresh": [each.hit / each.storable if each.storable else 0 for each in minutes],
            "stale": [each.stale for each in minutes],
            "renders": [each.spread.number for each in renders],
            "p95": [each.quantile(0.95) or 0 for each in renders],
            "bytes": window.bytes(),
            "queue": window.queue(),
        },
        "bytes": gauge[STORE_BYTES.name],
        "max_bytes": gauge[STORE_LIMIT.name],
        "entries": gauge[STORE_ENTRIES.name],
        "running": gauge[REFRESHES_RUNNING.name],
        "waiting": gauge[REFRESHES_WAITING.name],
        "requests_chart": charts.stacked(minutes, window.times()),
        "renders_chart": charts.band(renders, window.times()),
        "tens": tens(minutes, window.times()),
        "costs": [cost for cost in costs if cost.renders.spread.number][:_COSTS],
        "latest": operated.counting.journal.latest(_LATEST, now=now),
    }


_GAUGES = tuple(each.name for each in (STORE_BYTES, STORE_LIMIT, STORE_ENTRIES, REFRESHES_RUNNING, REFRESHES_WAITING))


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _seconds(cost: Cost) -> float:
    return -cost.seconds


def _all_states(minutes: Sequence[States]) -> States:
    return reduce(States.plus, minutes, States())


def _all_renders(minutes: Sequence[Renders]) -> Renders:
    return reduce(Renders.plus, minutes, NO_RENDERS)


def _worst(window: Window) -> tuple[str, float] | None:
    """The route whose requests got the most stale answers, and how many."""
    stale = ((route, _all_states(window.states(route)).stale) for route in window.routes())
    found = max(stale, key=lambda each: each[1], default=None)
    return found if found is not None and found[1] else None
