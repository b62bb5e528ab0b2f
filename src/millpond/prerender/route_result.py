"""What a build finds out about a route: its pages, its failures, and the decision that they lead to (A.1, A.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from millpond.config import CacheConfig
from millpond.prerender.plan import Plan, is_closed
from millpond.render.candidacy import ModeReason
from millpond.routes.exports import STATIC_PARAMS

if TYPE_CHECKING:
    from millpond.cache.answer import LostBody
    from millpond.policy.entry import Entry
    from millpond.prerender.failure import Failure
    from millpond.render.candidacy import Candidacy
    from millpond.render.scopes.dynamic_use import DynamicUse
    from millpond.render.scopes.inputs import Inputs
    from millpond.render.target import Target
    from millpond.routes.route_contract import Route


@dataclass(frozen=True, slots=True)
class Page:
    """One path of a route that was tried: an entry, or the reason why it is live."""

    target: Target
    entry: Entry | None
    use: DynamicUse | None
    seconds: float
    inputs: Inputs | None = None
    """What was used for the entry."""
    lost: LostBody | None = None
    """A body that is left out."""


@dataclass(slots=True)
class RouteResult:
    """What the build found out about one route."""

    route: Route
    candidacy: Candidacy
    max_vary_variants: int = CacheConfig().max_vary_variants
    """The most combinations of values of `cache_vary` that are rendered for one path and host."""
    verified: bool = False
    """Whether the build looks at what a GET does, as with Cache Components."""
    pages: list[Page] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    shadow: str | None = None
    """Why no request gets to the route; None: some do."""
    shadowed: list[tuple[str, str]] = field(default_factory=list)
    """Paths that other routes answer: not rendered. With the reason."""
    listed: frozenset[str] = frozenset()
    """Canonical paths that the route lists, as far as that matters."""
    on_demand_paths: set[str] = field(default_factory=set)
    """Those of them with variants that weren't rendered: for a host that isn't listed, say."""

    @property
    def rendered(self) -> list[Page]:
        """The pages of paths that are static in all of their variants."""
        live = self._live
        return [page for page in self.pages if page.entry is not None and page.target.path not in live]

    @property
    def _live(self) -> set[str]:
        return {page.target.path for page in self.pages if page.entry is None}

    @property
    def demanded(self) -> set[str]:
        """Listed paths that have variants which are rendered at their first request."""
        return self.on_demand_paths - self._live

    @property
    def plan(self) -> Plan:
        """The decision (A.1): one live path ends on-demand rendering for all others (R3.17)."""
        if self.shadow is not None:
            return Plan(self.route, ModeReason(f"never reached: {self.shadow}"))
        live = [page for page in self.pages if page.entry is None]
        why = ModeReason(live[0].use.api, live[0].use.place) if live and live[0].use is not None else self.candidacy.why
        static = self.candidacy.static and bool(self.rendered or not live)
        closed = is_closed(self.route)
        open_ended = static and bool(self.route.params) and not live and not closed
        if self._unseen and open_ended:
            why = ModeReason("not verified, as it lists no path", self.route.place(STATIC_PARAMS))
        rendered = frozenset({*(page.target.path for page in self.rendered), *self.demanded})
        return Plan(
            route=self.route,
            why=why,
            static=static,
            on_demand=open_ended,
            closed=closed,
            listed=rendered,
            live_paths=self.listed - rendered if closed else frozenset(),
        )

    @property
    def warnings(self) -> list[str]:
        """What the build can't vouch for, and what it didn't build."""
        get = self.route.operations.get("GET")
        never = self.shadowed if self.shadow is None else [(self.route.pattern, self.shadow)]
        by_folder = self.route.segments is not None
        remedy = "leave it out of the list" if by_folder else "declare it before that, or remove one of them"
        shadowed = [
            f"{'' if get is None else f'{get.place}: '}GET {path} is never reached, and isn't built: {shadow}; "
            f"{remedy}."
            for path, shadow in never
        ]
        others = [self._unverified, self._closed_to_all, self._too_many_values]
        return [*shadowed, *(warning for warning in others if warning is not None)]

    @property
    def _closed_to_all(self) -> str | None:
        route = self.route
        if not is_closed(route) or self.listed or self.failures or self.shadow is not None:
            return None
        what = f"{route.lister} lists no path" if route.lister is not None else "nothing lists paths"
        place = route.place("dynamic_params")
        return f"{place}: dynamic_params = False, and {what}: every request of {route.pattern} is 404."

    @property
    def _unverified(self) -> str | None:
        """While serving nobody sees what a GET reads besides the request."""
        plan = self.plan
        if self._unseen and self.demanded:
            return (
                f"{self.route.place('cache_host')}: no host is listed, so no GET of {self.route.pattern} was verified: "
                "a clock, a random number or a database that it reads outside of @cached would be stored for "
                "everybody; list at least one in hosts."
            )
        if not (self._unseen and plan.on_demand):
            return None
        return (
            f"{plan.why.place}: {STATIC_PARAMS} lists no path, so no GET of {self.route.pattern} was verified: a "
            "clock, a random number or a database that it reads outside of @cached would be stored for everybody; "
            "list at least one path."
        )

    @property
    def _too_many_values(self) -> str | None:
        variation = self.route.variation
        if variation is None or not self.plan.static or variation.combinations <= self.max_vary_variants:
            return None
        return (
            f"{self.route.place('cache_vary')}: cache_vary has {variation.combinations} combinations of values, over "
            f"the {self.max_vary_variants} of [cache] max_vary_variants: only the first is rendered at build, and at "
            f"most {self.max_vary_variants} of a path are kept."
        )

    @property
    def _unseen(self) -> bool:
        return self.verified and not self.pages

    @property
    def glyph(self) -> str:
        """`○` static, `●` static with parameters, `λ` live; a route with live and static paths is live (R8.2, R8.5)."""
        plan = self.plan
        if not plan.static or any(page.entry is None for page in self.pages):
            return "λ"
        if not self.route.params:
            return "○"
        on_demand_only = not self.pages and (self.route.config.forces_static or self.route.config.forbids_dynamic)
        return "○" if on_demand_only else "●"
