"""All routes: what was decided about each, why, and what the last hour was like."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from millpond.dashboard.figures.built_routes import BuiltRoutes
from millpond.dashboard.figures.route_hours import route_hours
from millpond.dashboard.figures.sorting import Sorting
from millpond.dashboard.figures.window import LENGTH, Window
from millpond.dashboard.pages.dashboard_page import DashboardPage
from millpond.dashboard.routed.route_page import route_context
from millpond.dashboard.routed.route_row import MODES, route_rows
from millpond.render.candidacy import candidacy
from millpond.telemetry.minutes import MINUTE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from millpond.dashboard.operated import Operated
    from millpond.dashboard.pages.dashboard_page import Viewer
    from millpond.dashboard.routed.route_row import RouteRow
    from millpond.prerender.plan import Plan

SORTS: Mapping[str, Callable[[RouteRow], Any]] = {
    "path": lambda row: row.pattern,
    "mode": lambda row: (row.mode, row.revalidate or 0),
    "requests": lambda row: row.states.total,
    "fresh": lambda row: row.states.hit / row.states.storable if row.states.storable else -1,
    "stale": lambda row: row.states.stale,
    "renders": lambda row: row.renders.spread.number,
    "unchanged": lambda row: row.renders.unchanged / row.renders.spread.number if row.renders.spread.number else -1,
    "p95": lambda row: row.renders.quantile(0.95) or 0,
    "time": lambda row: row.renders.spread.total,
    "error": lambda row: 0 if row.failing is None else row.failing.last,
}


class RoutesPage(DashboardPage):
    """`routes`, and below it each route: `routes/-/products/[slug]`."""

    template = "routes.html"

    def __init__(self) -> None:
        self._built = BuiltRoutes()

    def template_for(self, rest: str) -> str:
        return "route.html" if rest else self.template

    async def context(self, viewer: Viewer, rest: str, query: Mapping[str, str]) -> dict[str, Any] | None:
        if rest and not rest.startswith("-"):
            return None
        rows, window = await asyncio.to_thread(self._rows, viewer)
        if rest:
            row = next((row for row in rows if row.pattern == (rest[1:] or "/")), None)
            manifest = self._built.manifest(viewer.operated)
            return None if row is None else await route_context(viewer, row, window, manifest)
        return _listed(rows, query)

    def _rows(self, viewer: Viewer) -> tuple[list[RouteRow], Window]:
        operated = viewer.operated
        now = operated.clock()
        window = Window(operated.counting.minutes(now - (LENGTH + 1) * MINUTE), now)
        records = self._built.records(operated)
        return route_rows(_plans(operated), records, route_hours(window), viewer.failing(), window), window


def _plans(operated: Operated) -> Sequence[Plan]:
    """The routes as they are decided; in development, where all run live, as a build would attempt them."""
    plans, config = operated.plans(), operated.config
    if not operated.development:
        return plans
    chosen = (candidacy(plan.route, config.compat, cache_components=config.cache_components) for plan in plans)
    return [replace(plan, static=choice.static) for plan, choice in zip(plans, chosen, strict=True)]


def _listed(rows: Sequence[RouteRow], query: Mapping[str, str]) -> dict[str, Any]:
    sorting = Sorting.of(query, tuple(SORTS), "-requests", ("mode", "failing"))
    mode, failing = query.get("mode", ""), bool(query.get("failing"))
    shown = [row for row in rows if mode in ("", row.mode) and (row.failing is not None or not failing)]
    return {
        "rows": sorted(shown, key=SORTS[sorting.key], reverse=sorting.descends),
        "all": len(rows),
        "modes": [(each, sum(row.mode == each for row in rows)) for each in MODES],
        "failing": sum(row.failing is not None for row in rows),
        "mode_shown": mode,
        "failing_shown": failing,
        "sorting": sorting,
    }
