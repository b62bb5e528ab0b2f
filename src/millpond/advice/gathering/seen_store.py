"""The answers that are stored: one pass over all of them, whatever their number, with bounded memory."""

from __future__ import annotations

import zlib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl

from millpond.advice.observation import QueryValues, SeenAnswers
from millpond.policy.freshness import age_of
from millpond.policy.http.coding import compressible, pays
from millpond.policy.key import is_shared, origin_in, path_in, query_in, variant_in
from millpond.policy.tags import is_own, judge_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from millpond.policy.entry import Entry
    from millpond.policy.tags import TagRow
    from millpond.stores.maintenance_contract import ListedEntry

UNREAD_SECONDS = 3600.0
"""The age from which an answer might have been read by somebody else than whoever caused its render."""
_MOST_TAGS, _MOST_VALUES, _MOST_PATHS = 50_000, 1000, 100_000
_TRIED_OF_ROUTE, _TRIED_BYTES = 20, 256 * 1024
_MISSING = (404, 410)


@dataclass(slots=True)
class _RouteEntries:
    """What is known of the answers of one route while they are looked at."""

    answers: SeenAnswers = field(default_factory=SeenAnswers)
    paths: set[int] = field(default_factory=set)
    variants: set[int] = field(default_factory=set)
    values: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


class KeptTag(NamedTuple):
    """A tag of stored answers or data."""

    answers: int
    origins: frozenset[str]
    is_stale: int


class Kept(NamedTuple):
    """All that is stored."""

    routes: dict[str, SeenAnswers]
    """By the origins of routes."""
    tags: dict[str, KeptTag]
    all_tags: bool
    """Whether there are no others."""
    answers: int
    crons: dict[str, Entry]
    """The records of crons, by their keys."""


class StoredPass:
    """Looks at entries, one after the other.

    Args:
        build: the id of the build that is served; None: any.
        built_at: when it was made; seconds since the epoch.
        now: seconds since the epoch.
        row_of: the rows of tags.
        codes: whether clients get codings.
    """

    def __init__(
        self,
        build: str | None,
        built_at: float,
        now: float,
        row_of: Callable[[str], TagRow | None],
        *,
        codes: bool,
    ) -> None:
        self._build, self._built_at, self._now, self._row_of = build, built_at, now, row_of
        self._codes = codes
        self._routes: defaultdict[str, _RouteEntries] = defaultdict(_RouteEntries)
        self._tags: dict[str, tuple[int, set[str], int]] = {}
        self._rows: dict[str, TagRow | None] = {}
        self._has_all_tags = True
        self._answers = 0
        self._crons: dict[str, Entry] = {}

    def over(self, entries: Iterable[ListedEntry], most: int | None = None) -> Kept:
        """All that they tell, or the first ones."""
        for number, found in enumerate(entries):
            if number == most:
                self._has_all_tags = False
                break
            if found.entry is not None:
                self._look(found.entry, found.size, found.hits)
        return Kept(
            {origin: _summary(kept) for origin, kept in self._routes.items()},
            {tag: KeptTag(number, frozenset(origins), stale) for tag, (number, origins, stale) in self._tags.items()},
            self._has_all_tags,
            self._answers,
            self._crons,
        )

    def _look(self, entry: Entry, size: int, hits: int) -> None:
        if entry.kind == "cron":
            self._crons[entry.key] = entry
            return
        origin = origin_in(entry.key)
        if origin is None:
            self._tag(entry, None)
            return
        if self._build is not None and entry.build != self._build and not is_shared(entry.key):
            return  # another build's
        self._answers += 1
        self._tag(entry, origin)
        kept = self._routes[origin]
        answers = kept.answers
        answers.entries += 1
        answers.bytes += size
        if entry.revalidate:
            answers.revalidate = min(entry.revalidate, answers.revalidate or entry.revalidate)
        if entry.rendered_at <= self._built_at:
            answers.of_build += 1
        self._add_key(entry, kept)
        if not hits and age_of(entry, self._now) >= UNREAD_SECONDS:
            _add_unread(answers, entry, size)
        if self._codes and answers.tried_codings < _TRIED_OF_ROUTE:
            _try_coding(answers, entry)

    def _add_key(self, entry: Entry, kept: _RouteEntries) -> None:
        query, variant = query_in(entry.key), variant_in(entry.key)
        if len(kept.paths) < _MOST_PATHS:
            kept.paths.add(hash(path_in(entry.key)))
        if not query and variant is None:
            return
        kept.answers.keyed += 1
        if variant is not None and len(kept.variants) < _MOST_PATHS:
            kept.variants.add(hash(variant))
        for name, value in parse_qsl(query, keep_blank_values=True):
            if len(kept.values[name]) < _MOST_VALUES:
                kept.values[name].add(value)

    def _tag(self, entry: Entry, origin: str | None) -> None:
        for tag in entry.tags:
            if is_own(tag):
                continue
            known = self._tags.get(tag)
            if known is None:
                if len(self._tags) >= _MOST_TAGS:
                    self._has_all_tags = False
                    continue
                known, self._rows[tag] = (0, set(), 0), self._row_of(tag)
            number, origins, stale = known
            if origin is not None:
                origins.add(origin)
                number += 1
                row = self._rows[tag]
                if row is not None and judge_row(row, entry.generation, self._now).value == "stale":
                    stale += 1
            self._tags[tag] = number, origins, stale


def _add_unread(answers: SeenAnswers, entry: Entry, size: int) -> None:
    answers.unread += 1
    answers.unread_bytes += size
    if entry.status in _MISSING:
        answers.unread_missing += 1
        answers.unread_missing_bytes += size
    elif query_in(entry.key) or variant_in(entry.key) is not None:
        answers.unread_keyed += 1


def _try_coding(answers: SeenAnswers, entry: Entry) -> None:
    if not compressible(entry.status, entry.headers, len(entry.body)):
        return
    body = entry.body[:_TRIED_BYTES]
    answers.tried_codings += 1
    if not pays(len(body), len(zlib.compress(body, 6))):
        answers.useless_codings += 1
        answers.coded_bytes += len(entry.body)


def _summary(kept: _RouteEntries) -> SeenAnswers:
    answers = kept.answers
    answers.paths, answers.variants = len(kept.paths), len(kept.variants)
    answers.queries = [QueryValues(name, len(values)) for name, values in kept.values.items()]
    return answers
