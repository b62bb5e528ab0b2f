"""What one cache has still to be told: bounded, each tag once, tried again with growing pauses. No clock, no I/O."""

from __future__ import annotations

from collections import deque
from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

from millpond.policy.retry import retry_pause
from millpond.policy.tags import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Iterable

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
"""Seconds between two tries; each failure in a row doubles them."""

MOST_TAGS = 10_000
"""Tags that wait for one cache. When there are more, everything is purged in their place."""


class Item(NamedTuple):
    """One tag's purge; it stands for every invalidation of the tag that came while it waited."""

    hard: bool
    first: int
    """The number of the earliest invalidation that it stands for."""
    untold: int | None
    """The earliest of them that has had no purge before this one; None: it is the second for all of them."""
    last: int
    since: float
    """When the latest was; seconds since the epoch."""

    def merged(self, other: Item) -> Item:
        """One purge in place of two."""
        untold = [number for number in (self.untold, other.untold) if number is not None]
        return Item(
            self.hard or other.hard,
            min(self.first, other.first),
            min(untold, default=None),
            max(self.last, other.last),
            max(self.since, other.since),
        )

    def second(self) -> Item | None:
        """The purge that follows when this one was acknowledged; for what was on its way then."""
        return None if self.untold is None else self._replace(first=self.untold, untold=None)


class Batch(NamedTuple):
    """What one call purges."""

    items: dict[str, Item]
    hard: bool


class Waiting:
    """The purges that one cache hasn't acknowledged."""

    def __init__(self, most_in_call: int, *, again_after: float, give_up_after: float, most: int = MOST_TAGS) -> None:
        """Nothing waits.

        Args:
            most_in_call: tags that one call takes.
            again_after: seconds after which an acknowledged purge is sent a second time; 0: it isn't.
            give_up_after: seconds for which a purge is tried.
            most: tags that wait.
        """
        self._most_in_call, self._most = most_in_call, most
        self._again_after, self._give_up_after = again_after, give_up_after
        self._due: dict[str, Item] = {}
        self._later: deque[tuple[float, str, Item]] = deque()
        self._under_way: Batch | None = None
        self._failures = 0
        self._pause_ends = 0.0

    def add(self, tags: Iterable[str], *, hard: bool, number: int, now: float) -> None:
        """Purges for an invalidation; `number` counts these."""
        for tag in tags:
            self._put(tag, Item(hard, number, number, number, now))
        self._bound()

    def take(self, now: float) -> Batch | None:
        """What the next call purges; None while nothing is due. `done`, `failed` or `refused` follows."""
        while self._later and self._later[0][0] <= now:
            _, tag, item = self._later.popleft()
            self._put(tag, item)
        if not self._due or now < self._pause_ends:
            return None
        hard = next(iter(self._due.values())).hard
        tags = [tag for tag, item in self._due.items() if item.hard is hard][: self._most_in_call]
        self._under_way = Batch({tag: self._due.pop(tag) for tag in tags}, hard)
        return self._under_way

    def next_due(self) -> float | None:
        """When `take` has something, if nothing is added; None: never."""
        if self._due:
            return self._pause_ends
        return max(self._later[0][0], self._pause_ends) if self._later else None

    def done(self, batch: Batch, now: float) -> None:
        """The call was acknowledged."""
        self._under_way = None
        self._failures, self._pause_ends = 0, 0.0
        if self._again_after > 0:
            seconds = ((tag, item.second()) for tag, item in batch.items.items())
            self._later += [(now + self._again_after, tag, item) for tag, item in seconds if item is not None]
            self._bound()

    def failed(self, batch: Batch, now: float, after: float | None) -> dict[str, Item]:
        """The call may work later: in `after` seconds, or by the usual pauses. Returns what is given up."""
        self._under_way = None
        self._failures += 1
        usual = retry_pause(self._failures, FIRST_PAUSE, LONGEST_PAUSE)
        self._pause_ends = now + (usual if after is None else max(after, FIRST_PAUSE))
        for tag, item in batch.items.items():
            self._put(tag, item)
        old = [tag for tag, item in self._due.items() if now - item.since >= self._give_up_after]
        return {tag: self._due.pop(tag) for tag in old}

    def refused(self, batch: Batch) -> dict[str, Item]:
        """The call will not work. Returns what it was for, which is lost."""
        self._under_way = None
        return batch.items

    def abandon(self) -> dict[str, Item]:
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
        """Until when no call is made, after a failure; seconds since the epoch."""
        return self._pause_ends

    def _put(self, tag: str, item: Item) -> None:
        waiting = self._due.get(tag)
        self._due[tag] = item if waiting is None else waiting.merged(item)

    def _all_that_wait(self) -> dict[str, Item]:
        for _, tag, item in self._later:
            self._put(tag, item)
        self._later.clear()
        items, self._due = self._due, {}
        return items

    def _bound(self) -> None:
        """Everything has a tag of its own: so nothing is forgotten where there is no room for each."""
        if len(self) > self._most:
            whole = reduce(Item.merged, self._all_that_wait().values())
            # Those that waited for their second purge are told before it is time: they get another one.
            self._due = {EVERYTHING: whole._replace(untold=whole.first)}
