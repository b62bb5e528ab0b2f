"""Crons whose path is no live GET: they would never run, so a build fails."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from millpond.messages import closest
from millpond.prerender.failure import Failure
from millpond.prerender.plan import plan_table, plan_taking
from millpond.routes.path import MalformedPath, canonical, split

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from millpond.config import CronConfig
    from millpond.prerender.plan import Plan
    from millpond.routes.table import Table

_SOURCE = "[[cron]]"


def refused_crons(crons: Sequence[CronConfig], plans: Sequence[Plan]) -> Iterator[Failure]:
    """One failure for each cron whose path is no live GET.

    Args:
        crons: as they are configured.
        plans: what was decided for each route.
    """
    table = plan_table(plans)
    for cron in crons:
        problem = _problem(cron.path, table, plans)
        if problem is not None:
            file, message = problem
            yield Failure(file, cron.path, {}, f"  {message}")


def _problem(path: str, table: Table[Plan], plans: Sequence[Plan]) -> tuple[str, str] | None:
    """The file that it is about, and what is wrong."""
    try:
        segments = split(path.encode("utf-8"))
    except MalformedPath as error:
        return _SOURCE, f"the path of a cron isn't one: {error}"
    plan = next((each.route for each in table.match(segments) if not each.route.declines(canonical(segments))), None)
    taking = plan_taking(plans, unquote(path)) if plan is None else None
    plan = plan if taking is None else taking[0]
    if plan is None:
        known = sorted(each.route.pattern for each in plans if "[" not in each.route.pattern)
        guess = closest(path, known)
        hint = f"did you mean {guess}?" if guess else "mend its path, or add the route."
        return _SOURCE, f"a cron is to run {path}, and no route has that path; {hint}"
    file = plan.route.source
    if "GET" not in plan.route.operations:
        has = ", ".join(sorted(plan.route.operations))
        return file, f"a cron is to run it by GET, and the file has {has} only; add a GET."
    if plan.caches(canonical(segments)):
        return file, (
            f"a cron is to run it, and its GET is static ({plan.why}): it would be answered from the cache, and never "
            f"run. {plan.route.live_remedy}, or ask for the secret with Depends(cron_only)."
        )
    return None
