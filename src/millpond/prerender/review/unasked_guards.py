"""Dependencies of folders and operations that no hit asks: they read nothing of the request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.render.candidacy import query_candidacy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from millpond.errors import Place
    from millpond.prerender.plan import Plan
    from millpond.routes.options.guards import Guard

_MOST = 3
"""How many routes a message names."""


def unasked_guards(plans: Iterable[Plan]) -> Iterator[str]:
    """A warning for each list of dependencies before answers that are cached: for hits they don't run."""
    found: dict[Place, tuple[dict[str, None], list[str]]] = {}
    for plan in plans:
        for guard in _guards_of_cached(plan):
            names, patterns = found.setdefault(guard.place, ({}, []))
            names[guard.name] = None
            if plan.route.pattern not in patterns:
                patterns.append(plan.route.pattern)
    for place, (names, patterns) in found.items():
        more = f" and {len(patterns) - _MOST} more" if len(patterns) > _MOST else ""
        shown = ", ".join(patterns[:_MOST]) + more
        runs, reads = ("runs", "it reads") if len(names) == 1 else ("run", "they read")
        yield (
            f"{place}: {' and '.join(names)} {runs} in renders of {shown}, and not for hits, as {reads} nothing of the "
            'request; for a guard, make the routes live (dynamic = "force-dynamic"), or use app.add_middleware.'
        )


def _guards_of_cached(plan: Plan) -> Iterator[Guard]:
    """The guards of the route's operations whose answers are stored."""
    operations = plan.route.operations
    if plan.static:
        yield from operations["GET"].guards
    if "QUERY" in operations and query_candidacy(plan.route).static:
        yield from operations["QUERY"].guards
