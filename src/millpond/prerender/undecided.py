"""Plans without a build: for development, and for an application that was never built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.prerender.plan import Plan
from millpond.prerender.prerenderer import list_params
from millpond.render.candidacy import candidacy
from millpond.routes.path import canonical
from millpond.routes.table import build_segments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millpond.policy.compat import Compat
    from millpond.routes.route import Route


async def development_plans(routes: Sequence[Route], compat: Compat, *, cache_components: bool = False) -> list[Plan]:
    """Nothing is cached (R3.23), but closed routes are closed (R13.21)."""
    plans = []
    for route in routes:
        chosen = candidacy(route, compat, cache_components=cache_components)
        closed = chosen.static and route.config.closed and bool(route.params)
        listed = await _listed(route) if closed else frozenset[str]()
        plans.append(Plan(route, chosen.why, closed=closed, listed=listed))
    return plans


async def unbuilt_plans(routes: Sequence[Route], compat: Compat, *, cache_components: bool = False) -> list[Plan]:
    """Every candidate is rendered at its first request, as if the build had listed no paths."""
    plans = []
    for route in routes:
        chosen = candidacy(route, compat, cache_components=cache_components)
        closed = chosen.static and route.config.closed and bool(route.params)
        on_demand = chosen.static and bool(route.params) and not closed
        listed = frozenset[str]() if on_demand or not chosen.static else await _listed(route)
        plans.append(Plan(route, chosen.why, chosen.static, on_demand, closed, listed))
    return plans


async def _listed(route: Route) -> frozenset[str]:
    combinations = await list_params(route) if route.params else [{}]
    return frozenset(canonical(build_segments(route.file.segments, params)) for params in combinations)
