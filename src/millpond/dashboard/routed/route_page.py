"""One route: why it is as it is, what it uses and has frozen, and what the last hour was like."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from millpond.dashboard.figures import charts
from millpond.dashboard.figures.failing import failing_now, folded
from millpond.dashboard.figures.route_hours import render_runs
from millpond.dashboard.figures.tens import tens
from millpond.dashboard.routed.fresh_hint import fresh_hint
from millpond.dashboard.routed.source_lines import source_around
from millpond.dashboard.stored.entry_body import shown_headers
from millpond.dashboard.stored.store_reader import read_store
from millpond.errors import Place, StoreError
from millpond.policy.freshness import age_of, judge
from millpond.policy.key import response_key, shared_key
from millpond.policy.tags import is_own

if TYPE_CHECKING:
    from collections.abc import Iterator

    from millpond.dashboard.figures.failing import Failing
    from millpond.dashboard.figures.window import Window
    from millpond.dashboard.operated import Operated
    from millpond.dashboard.pages.dashboard_page import Viewer
    from millpond.dashboard.routed.route_row import RouteRow
    from millpond.policy.entry import Entry
    from millpond.policy.freshness import Judgement
    from millpond.prerender.build_manifest import BuildManifest
    from millpond.prerender.input_records import InputRecord
    from millpond.stores.maintenance_contract import ListedEntry

_RUNS, _TAGS, _SHOWN = 12, 20, 20

MEANINGS = {
    ("static", "○"): "rendered once, one answer for everybody",
    ("static", "●"): "one answer for each path, rendered once",
    ("fresh", "○"): "one answer for everybody, rendered again in the background when older than its lifetime",
    ("fresh", "●"): "one answer for each path, rendered again in the background when older than its lifetime",
}


class ShownInput(NamedTuple):
    """Something that answers were made from."""

    subject: str
    place: str
    note: str


class AnswerNow(NamedTuple):
    """What a request of the route's one path gets."""

    state: str
    reason: str
    entry: Entry
    age: float
    judgement: Judgement


async def route_context(
    viewer: Viewer, row: RouteRow, window: Window, manifest: BuildManifest | None
) -> dict[str, Any]:
    """What the template `route.html` shows."""
    operated = viewer.operated
    now = operated.clock()
    plan, times = row.plan, window.times()
    listed = await _only_entry(row, operated)
    entry = None if listed is None else listed.entry
    get = None if plan is None else plan.route.operations.get("GET")
    place = plan.why.place if plan is not None and plan.why.place is not None else None if get is None else get.place
    source = []
    if operated.development:
        source = await asyncio.to_thread(source_around, place, operated.project)
    hint = None
    if plan is not None and operated.development:
        hint = fresh_hint(plan, cache_components=operated.config.cache_components)
    cause = await asyncio.to_thread(_own_failure, row, operated, now)
    return {
        "row": row,
        "meaning": MEANINGS.get((row.mode, row.glyph), "run for each request"),
        "file": "" if plan is None else plan.route.source,
        "methods": [] if plan is None else plan.route.methods,
        "tags": _tags(row, entry),
        "uses": _uses(row, manifest),
        "frozen": list(_frozen(row, manifest, entry)),
        "refreshed": [] if row.record is None else [_shown(each, "") for each in row.record.inputs if each.refreshed],
        "reads": _reads(row),
        "answer": None if entry is None else _answer(entry, operated, now),
        "headers": [] if entry is None else shown_headers(entry),
        "digest": None if listed is None else listed.digest,
        "has_one_path": plan is not None and not plan.route.params,
        "source": source,
        "source_place": "" if place is None else str(place),
        "hint": hint,
        "cause": cause,
        "others": [] if row.failing is None else [each for each in row.failing.routes if each != row.pattern],
        "traceback": [] if cause is None else folded(cause.event.frames),
        "states": row.states,
        "requests_chart": charts.stacked(row.hour.states, times),
        "renders_chart": charts.band(row.hour.renders, times),
        "tens": tens(row.hour.states, times),
        "runs": render_runs(window, row.pattern, _RUNS),
        "development": operated.development,
    }


async def _only_entry(row: RouteRow, operated: Operated) -> ListedEntry | None:
    """That of a route without parameters."""
    plan = row.plan
    if plan is None or plan.route.params or not plan.static:
        return None
    key = shared_key(response_key(plan.route.origin, row.pattern), plan.fingerprint)
    try:
        return await read_store(operated, lambda store: store.named(key, operated.build))
    except StoreError:  # the pages about what is stored say so
        return None


def _own_failure(row: RouteRow, operated: Operated, now: float) -> Failing | None:
    """Why the route fails, as it was seen there: of one cause each route has a traceback of its own."""
    if row.failing is None:
        return None
    events = operated.counting.journal.latest(now=now)
    own = failing_now(event for event in events if event.route == row.pattern or event.kind == "deploy")
    return next((cause for cause in own if cause.place == row.failing.place), row.failing)


def _answer(entry: Entry, operated: Operated, now: float) -> AnswerNow:
    store = operated.store
    judgement = judge(entry, now, store.row, operated.build, is_synced=store.is_synced())
    reason = judgement.reason.value
    if not judgement.servable:
        return AnswerNow("miss", reason, entry, age_of(entry, now), judgement)
    state = "hit" if judgement.fresh and reason == "fresh" else "stale"
    return AnswerNow(state, reason, entry, age_of(entry, now), judgement)


def _tags(row: RouteRow, entry: Entry | None) -> list[str]:
    found: dict[str, None] = {}
    if row.plan is not None:
        found.update(dict.fromkeys(row.plan.route.tags))
    if row.record is not None:
        found.update((tag, None) for path in row.record.paths[:_SHOWN] for tag in path.tags)
    if entry is not None:
        found.update(dict.fromkeys(entry.tags))
    return [tag for tag in found if not is_own(tag)][:_TAGS]


def _uses(row: RouteRow, manifest: BuildManifest | None) -> list[ShownInput]:
    """The cached functions that the build has filled for it."""
    if manifest is None:
        return []
    return [
        ShownInput(f"@cached {function.name}()", str(Place(*function.place)), "")
        for function in manifest.functions
        if row.pattern in function.routes
    ][:_SHOWN]


def _frozen(row: RouteRow, manifest: BuildManifest | None, entry: Entry | None) -> Iterator[ShownInput]:
    """What stays as it was when an answer was made: its own inputs, and those of the functions that it uses."""
    if row.record is None or manifest is None:
        return
    again = entry is not None and entry.rendered_at > manifest.built_at
    told = "as this server read it, at its last render" if again else "as it was at build"
    for found in row.record.inputs[:_SHOWN]:
        if not found.refreshed:
            yield _shown(found, f"{'declared' if found.declared else 'not declared'}; {told}")
    for function in manifest.functions:
        if row.pattern in function.routes:
            for found in function.inputs[:_SHOWN]:
                if not found.refreshed:
                    yield _shown(found, f"in @cached {function.name}()")


def _reads(row: RouteRow) -> list[ShownInput]:
    """What the handler declares to read of the request."""
    get = None if row.plan is None else row.plan.route.operations.get("GET")
    if get is None:
        return []
    return [
        ShownInput(each.api, str(each.place or get.place), "part of the key" if _is_key(row, each.name) else "")
        for each in get.declared[:_SHOWN]
    ]


def _is_key(row: RouteRow, name: str) -> bool:
    return row.plan is not None and row.plan.static and name in row.plan.route.cache_query


def _shown(found: InputRecord, note: str) -> ShownInput:
    return ShownInput(found.subject, str(Place(*found.place)), note)
