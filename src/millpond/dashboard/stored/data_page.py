"""Data: what was fetched, upstream by upstream, and the results of cached functions."""

from __future__ import annotations

import asyncio
from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple

from millpond.dashboard.figures.built_routes import BuiltRoutes
from millpond.dashboard.figures.sorting import Sorting
from millpond.dashboard.figures.window import LENGTH, quantile
from millpond.dashboard.pages.dashboard_page import DashboardPage
from millpond.dashboard.stored.tags_page import render_seconds
from millpond.errors import Place, StoreError
from millpond.telemetry.counters import Spread
from millpond.telemetry.instruments import FUNCTION_FILLS, UPSTREAM_CALLS
from millpond.telemetry.minutes import MINUTE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from millpond.dashboard.pages.dashboard_page import Viewer
    from millpond.dashboard.stored.census import Census, Counted, FunctionCount
    from millpond.dashboard.stored.entry_view import EntryView
    from millpond.prerender.build_manifest import BuildManifest
    from millpond.telemetry.instruments import Instrument
    from millpond.telemetry.minutes import Minute

ROWS = 100
_STATUSES = 5


class Upstream(NamedTuple):
    """One upstream."""

    name: str
    entries: list[EntryView]
    number: int
    """How many entries there are, of which the list may have fewer."""
    calls: int
    """In the last hour, as far as this host has counted."""
    failed: int
    statuses: list[tuple[str, int]]
    """What was answered, or the name of the error, and how often."""
    p95: float | None


class ShownFunction(NamedTuple):
    """One cached function."""

    counts: FunctionCount
    place: str
    frozen: list[str]
    filled: int
    failed: int
    p95: float | None

    @property
    def lifetimes(self) -> list[tuple[str, str]]:
        """How long its results are fresh, and how long they are served."""
        return sorted(self.counts.lifetimes)


FETCH_SORTS: Mapping[str, Callable[[EntryView], Any]] = {
    "url": lambda view: view.name,
    "state": lambda view: view.rank,
    "age": lambda view: view.age,
    "used": lambda view: view.listed.hits,
    "size": lambda view: view.listed.size,
}
FUNCTION_SORTS: Mapping[str, Callable[[ShownFunction], Any]] = {
    "name": lambda shown: shown.counts.name,
    "results": lambda shown: shown.counts.results,
    "used": lambda shown: shown.counts.hits,
    "filled": lambda shown: shown.filled,
    "p95": lambda shown: shown.p95 or 0,
}


class DataPage(DashboardPage):
    """`data`."""

    template = "data.html"

    def __init__(self, counted: Counted) -> None:
        self._counted, self._built = counted, BuiltRoutes()

    async def context(self, viewer: Viewer, rest: str, query: Mapping[str, str]) -> dict[str, Any] | None:
        if rest:
            return None
        operated = viewer.operated
        now = operated.clock()
        sorting = Sorting.of(query, tuple({**FETCH_SORTS, **FUNCTION_SORTS}), "-used")
        context = {"sorting": sorting, "problem": None, "rows": ROWS}
        try:
            census = await self._counted.census(operated, await asyncio.to_thread(render_seconds, operated))
        except StoreError as error:
            return {**context, "census": None, "upstreams": [], "functions": [], "problem": str(error)}
        minutes = await asyncio.to_thread(operated.counting.minutes, now - LENGTH * MINUTE)
        manifest = await asyncio.to_thread(self._built.manifest, operated)
        functions = list(_functions(census, minutes, manifest))
        by_function = FUNCTION_SORTS.get(sorting.key, FUNCTION_SORTS["used"])
        return {
            **context,
            "census": census,
            "upstreams": sorted(_upstreams(census, minutes, sorting), key=_most_calls),
            "functions": sorted(functions, key=by_function, reverse=sorting.descends),
        }


def _upstreams(census: Census, minutes: Iterable[Minute], sorting: Sorting) -> list[Upstream]:
    calls: dict[str, dict[str, Spread]] = {}
    for (host, _, status), spread in _spreads(minutes, UPSTREAM_CALLS).items():
        by_status = calls.setdefault(host, {})
        by_status[status] = by_status[status].plus(spread) if status in by_status else spread
    key, found = FETCH_SORTS.get(sorting.key, FETCH_SORTS["used"]), list[Upstream]()
    for name in {**census.fetched, **calls}:
        spreads = calls.get(name, {})
        whole = reduce(Spread.plus, spreads.values()) if spreads else None
        listed = sorted(census.fetched.get(name, []), key=key, reverse=sorting.descends)
        statuses = sorted(((status, each.number) for status, each in spreads.items()), key=lambda each: -each[1])
        found.append(
            Upstream(
                name,
                listed,
                census.fetches.get(name, 0),
                0 if whole is None else whole.number,
                sum(number for status, number in statuses if not status.startswith(("2", "3"))),
                statuses[:_STATUSES],
                None if whole is None else quantile(whole, 0.95),
            )
        )
    return found


def _functions(census: Census, minutes: Iterable[Minute], manifest: BuildManifest | None) -> Iterable[ShownFunction]:
    fills: dict[str, dict[str, Spread]] = {}
    for (name, outcome), spread in _spreads(minutes, FUNCTION_FILLS).items():
        by_outcome = fills.setdefault(_function_name(name).rpartition(".")[2], {})
        by_outcome[outcome] = by_outcome[outcome].plus(spread) if outcome in by_outcome else spread
    built = {} if manifest is None else {_function_name(each.name): each for each in manifest.functions}
    for name, count in list(census.functions.items()):
        spreads, record = fills.get(name.rpartition(".")[2], {}), built.get(name)
        whole = reduce(Spread.plus, spreads.values()) if spreads else None
        frozen = [] if record is None else [f"{each.subject} · {Place(*each.place)}" for each in record.inputs]
        yield ShownFunction(
            count,
            "" if record is None else str(Place(*record.place)),
            frozen[:3],
            0 if whole is None else whole.number,
            sum(each.number for outcome, each in spreads.items() if outcome in ("failed", "timeout", "error")),
            None if whole is None else quantile(whole, 0.95),
        )


def _spreads(minutes: Iterable[Minute], instrument: Instrument) -> dict[tuple[str, ...], Spread]:
    found: dict[tuple[str, ...], Spread] = {}
    for minute in minutes:
        for key, (total, buckets) in minute.spreads.get(instrument.name, {}).items():
            values, spread = tuple(key.split("\n")), Spread(sum(buckets), total, tuple(buckets))
            if len(values) == len(instrument.attributes):
                found[values] = found[values].plus(spread) if values in found else spread
    return found


def _function_name(name: str) -> str:
    """As labels of results begin: without what counters and reports put around it."""
    return name.removeprefix("@cached ").removesuffix("()")


def _most_calls(upstream: Upstream) -> tuple[int, str]:
    return -upstream.calls, upstream.name
