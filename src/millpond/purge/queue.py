"""The purges that one cache has to acknowledge: bounded, each tag once, retried with back-off. No clock, no I/O."""

from __future__ import annotations

from collections import deque
from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

from millpond.policy.retry import retry_pause
from millpond.policy.tags import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Iterable

FIRST_PAUSE, MAX_PAUSE = 0.5, 60.0
"""Seconds between two tries; each failure in a row doubles the pause."""

MAX_TAGS = 10_000
"""Tags that wait for one cache. When there are more, everything is purged in their place."""


class PendingPurge(NamedTuple):
    """The purge of one tag; it covers every invalidation of the tag that came while it waited."""

    hard: bool
    first: int
    """The number of the earliest invalidation that it covers."""
    unpurged: int | None
    """The earliest one that had no purge before this one; None: it is the second purge for all of them."""
    last: int
    since: float
    """When the latest was; seconds since the epoch."""

    def merged(self, other: PendingPurge) -> PendingPurge:
        """One purge that covers both."""
        unpurged = [number for number in (self.unpurged, other.unpurged) if number is not None]
        return PendingPurge(
            self.hard or other.hard,
            min(self.first, other.first),
            min(unpurged, default=None),
            max(self.last, other.last),
            max(self.since, other.since),
        )

    def second(self) -> PendingPurge | None:
        """The second purge, once this one was acknowledged: for answers that were on their way to the cache."""
        return None if self.unpurged is None else self._replace(first=self.unpurged, unpurged=None)


class PurgeBatch(NamedTuple):
    """The purges of one request."""

    items: dict[str, PendingPurge]
    hard: bool


class PurgeQueue:
    """The purges that one cache hasn't acknowledged yet."""

    def __init__(
        self, max_tags_per_request: int, *, again_after: float, give_up_after: float, max_tags: int = MAX_TAGS
    ) -> None:
        """Nothing waits.

        Args:
            max_tags_per_request: tags that one request may have.
            again_after: seconds after which an acknowledged purge is sent a second time; 0: it isn't.
            give_up_after: seconds for which a purge is tried.
            max_tags: that may wait.
        """
        self._max_tags_per_request, self._max_tags = max_tags_per_request, max_tags
        self._again_after, self._give_up_after = again_after, give_up_after
        self._due: dict[str, PendingPurge] = {}
        self._later: deque[tuple[float, str, PendingPurge]] = deque()
        self._under_way: PurgeBatch | None = None
        self._failures = 0
        self._pause_ends = 0.0

    def add(self, tags: Iterable[str], *, hard: bool, number: int, now: float) -> None:
        """Purges for an invalidation; `number` counts these."""
        for tag in tags:
            self._put(tag, PendingPurge(hard, number, number, number, now))
        self._bound()

    def take(self, now: float) -> PurgeBatch | None:
        """The purges of the next request; None while none is due. Call `done`, `failed` or `refused` after it."""
        while self._later and self._later[0][0] <= now:
            _, tag, item = self._later.popleft()
            self._put(tag, item)
        if not self._due or now < self._pause_ends:
            return None
        hard = next(iter(self._due.values())).hard
        tags = [tag for tag, item in self._due.items() if item.hard is hard][: self._max_tags_per_request]
        self._under_way = PurgeBatch({tag: self._due.pop(tag) for tag in tags}, hard)
        return self._under_way

    def next_due(self) -> float | None:
        """When `take` has something, if nothing is added; None: never."""
        if self._due:
            return self._pause_ends
        return max(self._later[0][0], self._pause_ends) if self._later else None

    def done(self, batch: PurgeBatch, now: float) -> None:
        """The request was acknowledged."""
        self._under_way = None
        self._failures, self._pause_ends = 0, 0.0
        if self._again_after > 0:
            seconds = ((tag, item.second()) for tag, item in batch.items.items())
            self._later += [(now + self._again_after, tag, item) for tag, item in seconds if item is not None]
            self._bound()

    def failed(self, batch: PurgeBatch, now: float, after: float | None) -> dict[str, PendingPurge]:
        """The request failed, and is retried in `after` seconds, or with back-off. Returns what is given up."""
        self._under_way = None
        self._failures += 1
        usual = retry_pause(self._failures, FIRST_PAUSE, MAX_PAUSE)
        self._pause_ends = now + (usual if after is None else max(after, FIRST_PAUSE))
        for tag, item in batch.items.items():
            self._put(tag, item)
        old = [tag for tag, item in self._due.items() if now - item.since >= self._give_up_after]
        return {tag: self._due.pop(tag) for tag in old}

    def refused(self, batch: PurgeBatch) -> dict[str, PendingPurge]:
        """The request can't work. Returns its purges, which are lost."""
        self._under_way = None
        return batch.items

    def abandon(self) -> dict[str, PendingPurge]:
        """Give up everything, and return it."""
        if self._under_way is not None:
            for tag, item in self._under_way.items.items():
                self._put(tag, item)
            self._under_way = None
        return self._all_that_wait()

    def oldest(self) -> int | None:
        """The number of the earliest invalidation that isn't acknowledged; None when all are."""
        items = [*self._due.values(), *(item for _, _, item in self._later)]
        if self._under_way is not None:
            items += self._under_way.items.values()
        return min((item.first for item in items), default=None)

    def __len__(self) -> int:
        return len(self._due) + len(self._later)

    @property
    def pause_ends(self) -> float:
        """Until when no request is sent, after a failure; seconds since the epoch."""
        return self._pause_ends

    def _put(self, tag: str, item: PendingPurge) -> None:
        waiting = self._due.get(tag)
        self._due[tag] = item if waiting is None else waiting.merged(item)

    def _all_that_wait(self) -> dict[str, PendingPurge]:
        for _, tag, item in self._later:
            self._put(tag, item)
        self._later.clear()
        items, self._due = self._due, {}
        return items

    def _bound(self) -> None:
        """When there are too many tags, purge the tag that everything has in their place."""
        if len(self) > self._max_tags:
            whole = reduce(PendingPurge.merged, self._all_that_wait().values())
            # This comes too early for those that waited for their second purge: they get another one.
            self._due = {EVERYTHING: whole._replace(unpurged=whole.first)}
