"""The paths that were read most, as a store has counted: what visitors of the former build wanted."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from millpond.policy.key import is_shortened, method_in, path_in, query_in
from millpond.warm.asked_path import NotAsked, asked_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from millpond.stores.maintenance_contract import StoreInspection

_SPARE = 4
"""How many times more entries are ranked than paths are wanted: a path may have entries of several builds."""


def most_read(
    inspection: StoreInspection, base_path: str, limit: int, goes_on: Callable[[], bool] = lambda: True
) -> list[str]:
    """The paths of stored answers: those that were read most, and of equal ones those that were used last.

    Args:
        inspection: the store, open for reading. Answers of every build count: a path is a path.
        base_path: of the configuration; entries have paths without it.
        limit: how many paths at most.
        goes_on: asked between entries; once it says no, those that were seen by then are ranked.
    """
    best = heapq.nlargest(limit * _SPARE, _counted(inspection, goes_on))
    totals: dict[str, tuple[int, int]] = {}
    for hits, use, path in best:
        total, latest = totals.get(path, (0, 0))
        totals[path] = total + hits, max(latest, use)
    ranked = sorted(totals.items(), key=lambda each: each[1], reverse=True)
    found = []
    for path, _ in ranked[:limit]:
        try:
            found.append(asked_path(base_path + path))
        except NotAsked:  # what somebody else has written into the store
            continue
    return found


def _counted(inspection: StoreInspection, goes_on: Callable[[], bool]) -> Iterator[tuple[int, int, str]]:
    for listed in inspection.entries():
        if not goes_on():
            return
        entry = listed.entry
        if entry is None or method_in(entry.key) != "GET" or not 200 <= entry.status < 300:
            continue
        path, query = path_in(entry.key), query_in(entry.key)
        if path is not None and not is_shortened(path + query):
            yield listed.hits, listed.use, f"{path}?{query}" if query else path
