"""The decision for each route: which paths are answered from the cache, which run live, which don't exist."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from millpond.render.candidacy import candidacy
from millpond.routes.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from millpond.policy.compat import Compat
    from millpond.prerender.path_listing import PathListing
    from millpond.render.candidacy import ModeReason
    from millpond.routes.route_contract import ListedPath, Route


@dataclass(frozen=True, slots=True)
class Plan:
    """The decision for one route."""

    route: Route
    why: ModeReason
    static: bool = False
    """GET is answered from the cache, at least for the listed paths."""
    on_demand: bool = False
    """So are other paths: rendered at their first request, and stored (R3.5)."""
    closed: bool = False
    """Other paths don't exist (R2.19), whether GET is static or not (D34)."""
    listed: frozenset[str] = frozenset()
    """Canonical paths that the build rendered."""
    live_paths: frozenset[str] = frozenset()
    """Of a closed route: canonical paths that exist besides, and are live."""
    fingerprint: str = ""
    """Of the route, where builds share its answers."""

    def caches(self, path: str) -> bool:
        """Whether GET of a canonical path is answered from the cache."""
        return self.static and (self.on_demand or path in self.listed)

    def declines(self, path: str) -> bool:
        """Whether the route doesn't want the path, whatever the method (R1.10; D2)."""
        return self.closed and path not in self.listed and path not in self.live_paths


def is_closed(route: Route) -> bool:
    """Whether paths of a route that aren't listed don't exist (R2.19; D34)."""
    return route.config.closed and bool(route.params)


def plan_table(plans: Iterable[Plan]) -> Table[Plan]:
    """The plans by path, of the routes whose paths Millpond matches."""
    return Table(
        (segments, plan)
        for plan in plans
        for segments in (plan.route.segments, plan.route.everywhere)
        if segments is not None
    )


def plan_taking(plans: Iterable[Plan], path: str) -> tuple[Plan, ListedPath] | None:
    """The plan of the route to which FastAPI gives a decoded path, among the routes whose paths it matches."""
    for plan in plans:
        taken = plan.route.taken(path)
        if taken is not None:
            return plan, taken
    return None


async def development_plans(
    routes: Sequence[Route], compat: Compat, *, cache_components: bool = False, listing: PathListing | None = None
) -> list[Plan]:
    """Nothing is cached (R3.23), but closed routes are closed (R13.21)."""
    paths = {route.origin: await _listed(route, listing) for route in routes if is_closed(route)}
    return live_plans(routes, compat, paths, cache_components=cache_components)


def live_plans(
    routes: Sequence[Route], compat: Compat, paths: Mapping[str, frozenset[str]], *, cache_components: bool = False
) -> list[Plan]:
    """Plans by which every route is live; `paths`: those that each closed route lists, by its origin."""
    chosen = [candidacy(route, compat, cache_components=cache_components) for route in routes]
    return [
        Plan(route, choice.why, closed=is_closed(route), live_paths=paths.get(route.origin, frozenset()))
        for route, choice in zip(routes, chosen, strict=True)
    ]


async def unbuilt_plans(
    routes: Sequence[Route], compat: Compat, *, cache_components: bool = False, listing: PathListing | None = None
) -> list[Plan]:
    """Every candidate is rendered at its first request, as if the build had listed no paths."""
    plans = []
    for route in routes:
        chosen = candidacy(route, compat, cache_components=cache_components)
        closed = is_closed(route)
        on_demand = chosen.static and bool(route.params) and not closed
        paths = await _listed(route, listing) if closed or (chosen.static and not on_demand) else frozenset[str]()
        listed, live = (paths, frozenset[str]()) if chosen.static else (frozenset[str](), paths)
        plans.append(Plan(route, chosen.why, chosen.static, on_demand, closed, listed, live))
    return plans


async def _listed(route: Route, listing: PathListing | None) -> frozenset[str]:
    return frozenset(path.path for path in await (route.listed() if listing is None else listing.of(route)))
