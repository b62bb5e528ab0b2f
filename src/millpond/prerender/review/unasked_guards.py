"""Dependencies of folders and operations that no hit asks: they read nothing of the request."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from millpond.errors import Place
    from millpond.prerender.plan import Plan

_MOST = 3
"""How many routes a message names."""


def unasked_guards(plans: Iterable[Plan]) -> Iterator[str]:
    """A warning for each list of dependencies before answers that are cached: for hits they don't run."""
    found: dict[Place, tuple[dict[str, None], list[str]]] = {}
    for plan in plans:
        guards = plan.route.operations["GET"].guards if plan.static else ()
        for guard in guards:
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
