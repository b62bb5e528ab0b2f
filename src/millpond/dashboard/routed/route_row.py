"""A route as the pages show it: what was decided about it, and what the last hour was like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from millpond.dashboard.figures.route_hours import no_hour, shares
from millpond.prerender.build_table import duration_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from millpond.dashboard.figures.failing import Failing
    from millpond.dashboard.figures.route_hours import RouteHour
    from millpond.dashboard.figures.window import Renders, States, Window
    from millpond.prerender.build_manifest import RouteRecord
    from millpond.prerender.plan import Plan

MODES = ("static", "fresh", "live")


@dataclass(frozen=True, slots=True)
class RouteRow:
    """One route.

    Args:
        pattern: of its paths.
        hour: its last one.
        plan: what was decided; None: it is declared in code, and Millpond decides nothing about it.
        record: what the build has written down; None: it wasn't built.
        failing: why it fails now; None: it doesn't.
    """

    pattern: str
    hour: RouteHour
    plan: Plan | None
    record: RouteRecord | None
    failing: Failing | None

    @property
    def is_static(self) -> bool:
        """Whether answers are stored."""
        return self.plan is not None and self.plan.static

    @property
    def revalidate(self) -> float | None:
        """Seconds after which an answer is stale; None: never."""
        if self.record is not None and self.record.paths:
            return self.record.revalidate
        given = None if self.plan is None else self.plan.route.config.revalidate
        return None if given is None or isinstance(given, bool) else float(given)

    @property
    def expire(self) -> float | None:
        """Seconds after which an answer isn't served any more; None: never, or not known."""
        return None if self.record is None else self.record.expire

    @property
    def mode(self) -> str:
        if not self.is_static:
            return "live"
        return "fresh" if self.revalidate else "static"

    @property
    def glyph(self) -> str:
        """As the build's table has it."""
        if self.record is not None:
            return self.record.glyph
        if not self.is_static or self.plan is None:
            return "λ"
        return "●" if self.plan.route.params else "○"

    @property
    def why(self) -> str:
        """The reason for the mode."""
        return "declared in code" if self.plan is None else self.plan.why.text

    @property
    def place(self) -> str:
        """File and line of the reason; "" where it has none."""
        return "" if self.plan is None or self.plan.why.place is None else str(self.plan.why.place)

    @property
    def lifetime(self) -> str:
        """`1m / 1y`; "" for answers that never go stale."""
        if not self.is_static or not self.revalidate:
            return ""
        revalidate = duration_cell(self.revalidate)
        return revalidate if self.record is None else f"{revalidate} / {duration_cell(self.expire) or 'never'}"

    @property
    def states(self) -> States:
        return self.hour.total

    @property
    def renders(self) -> Renders:
        return self.hour.rendered

    @property
    def shares(self) -> list[tuple[str, float, float]]:
        """What requests got, as a bar."""
        states = self.states
        named = (("hit", states.hit), ("stale", states.stale), ("miss", states.miss), ("live", states.live))
        return shares([*named, ("error", states.error)])

    @property
    def requests_by_minute(self) -> list[float]:
        return [each.total for each in self.hour.states]

    @property
    def stale_by_minute(self) -> list[float]:
        return [each.stale for each in self.hour.states]


def route_rows(
    plans: Iterable[Plan],
    records: Mapping[str, RouteRecord],
    hours: Mapping[str, RouteHour],
    failing: Iterable[Failing],
    window: Window,
) -> list[RouteRow]:
    """All routes: those of the plans, and those that are declared in code and were asked for in the last hour.

    Args:
        plans: of the application.
        records: the build's, by the origins of the routes.
        hours: by the patterns of the routes.
        failing: what fails now.
        window: of the hours.
    """
    causes = {route: each for each in failing for route in each.routes}
    rows = {
        plan.route.pattern: RouteRow(
            plan.route.pattern,
            hours.get(plan.route.pattern) or no_hour(window),
            plan,
            records.get(plan.route.origin),
            causes.get(plan.route.pattern),
        )
        for plan in plans
    }
    for pattern in hours.keys() - rows.keys():
        rows[pattern] = RouteRow(pattern, hours[pattern], None, None, causes.get(pattern))
    return sorted(rows.values(), key=_by_pattern)


def _by_pattern(row: RouteRow) -> str:
    return row.pattern
