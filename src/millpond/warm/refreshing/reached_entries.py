"""What an invalidation reaches: the stored entries that have its tags, and the paths that make them anew."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from millpond.policy.key import is_shortened, method_in, path_in, query_in, variant_in
from millpond.policy.tags import Named, kept_tag, named
from millpond.warm.asked_path import NotAsked, asked_path

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from millpond.policy.entry import Entry

ANSWER, FETCH, FUNCTION = "response", "fetch", "function"


@dataclass(slots=True)
class ReachedEntries:
    """Stored entries that have one of some tags."""

    kinds: Counter[str] = field(default_factory=Counter)
    """How many there are of each kind."""
    paths: dict[str, int] = field(default_factory=dict)
    """What makes the answers anew: encoded, with the query, without the base path; and the status of each."""
    answered: set[str] = field(default_factory=set)
    """The paths that have answers, without queries."""
    keys: list[str] = field(default_factory=list)
    routes: dict[str, None] = field(default_factory=dict)
    """The patterns of the answers' routes."""
    unasked: int = 0
    """Answers that no path alone makes: of one host or one value of a header or a cookie, of QUERY, of a path that is
    too long to be kept. Their next request does."""

    @property
    def answers(self) -> int:
        return self.kinds[ANSWER]

    @property
    def fetches(self) -> int:
        return self.kinds[FETCH]

    @property
    def functions(self) -> int:
        return self.kinds[FUNCTION]

    def add(self, entry: Entry) -> None:
        """Count one."""
        self.kinds[entry.kind] += 1
        self.keys.append(entry.key)
        if entry.kind != ANSWER:
            return
        self.routes.update((name, None) for kind, name in map(named, entry.tags) if kind is Named.ROUTE)
        self.answered.add(path_in(entry.key) or "")
        path = asked_for(entry)
        if path is None:
            self.unasked += 1
        else:
            self.paths[path] = entry.status


def reached_by(entries: Iterable[Entry], tags: Collection[str]) -> ReachedEntries:
    """The entries that an invalidation of these tags reaches.

    Args:
        entries: of the store.
        tags: a user's, or built-in ones, as `InvalidationOrder.reached_tags` has them.
    """
    wanted, found = set(map(kept_tag, tags)), ReachedEntries()
    for entry in entries:
        if not wanted.isdisjoint(entry.tags):
            found.add(entry)
    return found


def asked_for(entry: Entry) -> str | None:
    """The path, with its query, of which a GET makes an answer anew; None: there is none."""
    path, query = path_in(entry.key), query_in(entry.key)
    if path is None or method_in(entry.key) != "GET" or variant_in(entry.key) is not None or is_shortened(path + query):
        return None
    try:
        return asked_path(f"{path}?{query}" if query else path)
    except NotAsked:  # what somebody else has written into the store
        return None
