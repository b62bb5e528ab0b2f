"""millpond advise"""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from millpond.advice.gathering.from_disk import left_behind
from millpond.advice.gathering.gathered import KnownSources, StoredNow, observed
from millpond.advice.ranked_advice import advise as advice_about
from millpond.cli.project import build_of, open_project, prints_on_stderr, run_project
from millpond.cli.terminal.console import errors_as_json, output, print_json, print_warning
from millpond.cli.terminal.options import HERE, AppName, Json, Which
from millpond.errors import StoreError
from millpond.messages import counted
from millpond.prerender.build_manifest import plans_of
from millpond.prerender.plan import unbuilt_plans
from millpond.stores.factory import inspection_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from millpond.advice.advised import Advised
    from millpond.app import Millpond
    from millpond.prerender.build_manifest import BuildManifest
    from millpond.prerender.plan import Plan
    from millpond.stores.maintenance_contract import StoreInspection


def advise(named: AppName = None, /, *, which: Which = HERE, json: Json = False) -> int:
    """Say what costs more than it gives, and what is at risk: with the route, the line, a figure and the change."""
    with errors_as_json(json):
        app = open_project(which.entrypoint(named))
        manifest, notes = build_of(app)
        with prints_on_stderr():
            plans = _plans(app, manifest)
        found = advice_about_project(app, manifest, plans, time.time(), notes)
    if json:
        print_json({"advice": [_facts(each) for each in found], "warnings": notes})
        return 0
    _report(found)
    for note in notes:
        print_warning(note)
    return 0


def advice_about_project(
    app: Millpond, manifest: BuildManifest | None, plans: Sequence[Plan], now: float, notes: list[str]
) -> list[Advised]:
    """The advice about a project, by what its servers on this host have left on disk.

    Args:
        app: the application.
        manifest: of its build.
        plans: of its routes.
        now: seconds since the epoch.
        notes: gets what couldn't be looked at.
    """
    config = app.config
    if not config.metrics.counters:
        notes.append("[metrics] counters = false: what requests and renders cost isn't known")
    left = left_behind(app.project / config.metrics.folder, now)
    sources = KnownSources(
        project=app.project,
        config=config,
        plans=plans,
        manifest=manifest,
        minutes=left.minutes,
        totals=left.totals,
        events=left.events,
        environ=os.environ,
        now=now,
    )
    opened = _opened(app, notes)
    with nullcontext() if opened is None else opened:
        stored = (
            None
            if opened is None
            else StoredNow(entries=opened.entries(), row_of=opened.row, bytes=opened.stats().bytes)
        )
        return advice_about(observed(sources, stored))


def _opened(app: Millpond, notes: list[str]) -> StoreInspection | None:
    """The store; None where nobody can look into it."""
    if app.config.cache.kind == "memory":
        notes.append("the cache is in the server's memory: what is stored isn't known here; the dashboard has it")
        return None
    try:
        return inspection_of(app.project, app.config.cache)
    except StoreError as error:
        notes.append(f"what is stored isn't known: {error}")
        return None


def _plans(app: Millpond, manifest: BuildManifest | None) -> Sequence[Plan]:
    if manifest is not None:
        return plans_of(manifest, app.own_routes)
    config = app.config
    return run_project(app, unbuilt_plans(app.own_routes, config.compat, cache_components=config.cache_components))


def _facts(each: Advised) -> dict[str, Any]:
    return {
        "kind": each.kind,
        "risk": each.risks,
        "title": each.title,
        "routes": each.routes,
        "tags": each.tags,
        "place": each.place,
        "text": each.text,
        "change": [change._asdict() for change in each.change],
        "figure": round(each.figure, 2),
        "unit": each.unit,
        "note": each.note,
    }


def _report(found: Sequence[Advised]) -> None:
    console = output()
    for number, each in enumerate(found, 1):
        for line in _lines(number, each):
            console.print(line, soft_wrap=True)
        console.print()
    risks = sum(each.risks for each in found)
    if found:
        what = counted(len(found), "piece of advice", "pieces of advice")
        console.print(f"{what}, {risks} about what is at risk. What is meant: advise_ok in the route's file.")
    else:
        console.print("Nothing to advise, by what was counted and stored.")


def _lines(number: int, each: Advised) -> Iterator[str]:
    figure = f"{each.figure:,.0f}" if each.figure >= 10 or each.figure == int(each.figure) else f"{each.figure:.1f}"
    yield f"{number}. {'risk' if each.risks else 'cost'}: {each.title} ({each.kind})"
    yield f"   {figure} {each.unit}, {each.note}"
    where = ", ".join(each.routes), ", ".join(each.tags), each.place
    yield f"   {' · '.join(filter(None, where))}"
    yield f"   {each.text}"
    for change in each.change:
        note = f"   # {change.note}" if change.note else ""
        yield f"     {change.sign or ' '} {change.text}{note}"
