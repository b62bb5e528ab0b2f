"""Counts what all entries have: tags, upstreams, functions. In a thread, in steps, and not for each page anew."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from millpond.dashboard.stored.entry_view import EntryView
from millpond.dashboard.stored.store_reader import read_store
from millpond.policy.tags import is_own

if TYPE_CHECKING:
    from collections.abc import Mapping

    from millpond.dashboard.operated import Operated
    from millpond.policy.tags import TagRow
    from millpond.stores.maintenance_contract import StoreInspection

KEPT_SECONDS = 15.0
"""How long a count is shown before it is made again."""
PATIENCE = 3.0
"""Seconds that a page waits for a count to end; then it shows what was counted so far."""
MOST_TAGS, MOST_DATA = 20_000, 500
_ENTRIES_AT_ONCE, _PAUSE = 50, 0.0005


@dataclass(slots=True)
class TagCount:
    """What has one tag."""

    fresh: int = 0
    stale: int = 0
    dead: int = 0
    renders: int = 0
    """Of its entries, how many were made since it was last invalidated."""
    seconds: float = 0.0
    """What these renders took, by what renders of their routes took in the last hour."""

    @property
    def entries(self) -> int:
        return self.fresh + self.stale + self.dead


@dataclass(slots=True)
class FunctionCount:
    """The results of one cached function."""

    name: str
    results: int = 0
    hits: int = 0
    lifetimes: set[tuple[str, str]] = field(default_factory=set)
    tags: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class Census:
    """What was counted."""

    at: float
    """When it began; seconds since the epoch."""
    whole: int = 0
    """How many entries there are."""
    counted: int = 0
    is_complete: bool = False
    has_more_tags: bool = False
    tags: dict[str, TagCount] = field(default_factory=dict)
    places: dict[str, TagCount] = field(default_factory=dict)
    """Likewise, of the built-in tags of routes and paths."""
    rows: dict[str, TagRow] = field(default_factory=dict)
    """Of the tags that were invalidated."""
    fetched: dict[str, list[EntryView]] = field(default_factory=dict)
    """By upstream."""
    fetches: dict[str, int] = field(default_factory=dict)
    """How many there are, by upstream: those beyond `MOST_DATA` aren't listed."""
    functions: dict[str, FunctionCount] = field(default_factory=dict)


class Counted:
    """The latest census of one application, shared by the pages that show it."""

    def __init__(self) -> None:
        self._latest: Census | None = None
        self._task: asyncio.Task[None] | None = None

    async def census(self, operated: Operated, seconds: Mapping[str, float]) -> Census:
        """One that is a few seconds old at most, or what was counted so far of a new one.

        Args:
            operated: the application.
            seconds: what a render takes, by the origins of the routes.

        Raises:
            StoreError: the store can't be read.
        """
        latest = self._latest
        if latest is None or (self._task is None and operated.clock() - latest.at > KEPT_SECONDS):
            census = self._latest = Census(operated.clock())
            self._task = asyncio.create_task(self._count(census, operated, seconds))
            latest = census
        if self._task is not None:
            done, _ = await asyncio.wait({self._task}, timeout=PATIENCE)
            for task in done:
                self._task = None
                if task.exception() is not None:
                    self._latest = None
                    await task
        return latest

    async def _count(self, census: Census, operated: Operated, seconds: Mapping[str, float]) -> None:
        await read_store(operated, lambda store: _count_all(store, census, operated, seconds))


def _count_all(store: StoreInspection, census: Census, operated: Operated, seconds: Mapping[str, float]) -> None:
    census.whole = store.stats().entries
    census.rows.update(store.rows())
    for listed in store.listed():
        view = EntryView.of(listed, operated, census.at)
        _count_tags(view, census, seconds)
        if view.kind == "fetch":
            _count_fetched(view, census)
        elif view.kind == "function":
            _count_function(view, census)
        census.counted += 1
        if census.counted % _ENTRIES_AT_ONCE == 0:
            time.sleep(_PAUSE)  # so that requests are answered meanwhile
    census.is_complete = True


def _count_tags(view: EntryView, census: Census, seconds: Mapping[str, float]) -> None:
    entry = view.entry
    if entry is None:
        return
    state, took = view.state, seconds.get(view.origin or "", 0.0)
    for tag in entry.tags:
        group = census.places if is_own(tag) else census.tags
        count = group.get(tag)
        if count is None:
            if len(group) >= MOST_TAGS:
                census.has_more_tags = True
                continue
            count = group[tag] = TagCount()
        setattr(count, state, getattr(count, state) + 1)
        row = census.rows.get(tag)
        if row is not None and entry.generation >= row.generation:
            count.renders, count.seconds = count.renders + 1, count.seconds + took


def upstream_of(label: str) -> str:
    """The host of the URL in a label, as the counters name it; "" where it has none."""
    try:
        return urlsplit(label.partition(" ")[2]).hostname or ""
    except ValueError:  # no URL
        return ""


def _count_fetched(view: EntryView, census: Census) -> None:
    upstream = upstream_of(view.name)
    listed = census.fetched.setdefault(upstream, [])
    census.fetches[upstream] = census.fetches.get(upstream, 0) + 1
    if len(listed) < MOST_DATA:
        listed.append(view)


def _count_function(view: EntryView, census: Census) -> None:
    name = view.name.partition("(")[0]
    count = census.functions.get(name)
    if count is None:
        if len(census.functions) >= MOST_DATA:
            return
        count = census.functions[name] = FunctionCount(name)
    count.results, count.hits = count.results + 1, count.hits + view.listed.hits
    if len(count.lifetimes) < 3:
        count.lifetimes.add(view.lifetime)
    if len(count.tags) < 10:
        count.tags.update(dict.fromkeys(view.tags))
