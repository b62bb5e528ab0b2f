"""What every store promises. The conformance suite in tests/stores holds each of these sentences."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from millpond.policy.entry import Entry
    from millpond.policy.tags import TagRow
    from millpond.stores.store_figures import Evicted, StoreFigures


class Lease(NamedTuple):
    """The right to regenerate one key, held by one flight for a bounded time."""

    key: str
    token: str
    """Tells this holder from any other, before or after it."""


class Commit(Enum):
    """What became of an entry that was handed over."""

    STORED = "stored"
    LEASE_LOST = "lease lost"
    """The lease ran out and another holder may have begun: a late result is not stored."""
    SUPERSEDED = "superseded"
    """A later render is there already."""
    INVALIDATED = "invalidated"
    """A tag expired after the entry captured its generation: nobody may be served with it."""
    TOO_LARGE = "too large"
    """The entry alone is over the store's byte limit."""
    FAILED = "failed"
    """The disk is full, or the store is damaged. The store has said so; the entry is good, and isn't kept."""


class Store(Protocol):
    """Entries by key, tags by generation, and leases.

    The first five methods are the hit path: they never wait, and answer from what this process knows. While `is_synced`
    holds, what they know includes every invalidation whose `invalidate` has returned, in whatever process.
    `invalidate` may be called from any thread, in a handler or outside of one, so it isn't a coroutine: it blocks for
    one short transaction. All others may wait.
    """

    evicted: Evicted
    """Is told what this process has evicted, from any thread; it may neither wait nor raise."""

    def is_synced(self) -> bool:
        """Whether this process knows of every invalidation that has returned.

        Always so where the store is on this machine. Otherwise what `get` gives is not fresh, however young it is.
        """
        ...

    def peek(self, key: str) -> Entry | None:
        """The entry of `key`, if it can be had without waiting, and while `is_synced` holds. It is not judged."""
        ...

    def version(self) -> int:
        """A number that stays the same only while `peek`, `generation` and `row` give the same for all arguments.

        So what was found out by them still holds while it is what it was before they were asked.
        """
        ...

    def generation(self) -> int:
        """The counter: how many invalidations there have been. A render captures it before it begins."""
        ...

    def row(self, tag: str) -> TagRow | None:
        """The row of `tag`; None when it was never invalidated, or only before any entry that is still there."""
        ...

    def lost_seconds(self) -> float:
        """How long `is_synced` hasn't held; 0 while it does."""
        ...

    async def open(self) -> None:
        """Make ready for use; called once per process, after any fork."""
        ...

    async def close(self) -> None:
        """Let go of what `open` took."""
        ...

    async def is_reachable(self) -> bool:
        """Whether entries and invalidations can be stored now. It may cost a write: don't ask for each request."""
        ...

    async def get(self, key: str) -> Entry | None:
        """The entry of `key`, wherever it is; where that can't be reached, as it was known last. It is not judged."""
        ...

    async def commit(self, entry: Entry, lease: Lease | None = None, *, ends: bool = False) -> Commit:
        """Store `entry` in place of the key's former one, in one step with the checks that `Commit` names.

        `ends`: its holder needs the lease no longer. A store for which that is cheaper gives it back with the entry;
        `release` is called all the same.

        An entry that captured a generation behind a *soft* invalidation of one of its tags is stored: it is
        stale from the start. An entry never replaces one that captured a later generation.
        """
        ...

    async def seed(self, entries: Iterable[Entry]) -> None:
        """Store the build's entries, ages preserved; a later render that is there already stays.

        Nothing is stored when `entries` raises. Readers may see a part of them while this goes on.

        They were rendered elsewhere and captured no generation of this store: they get the one that the counter
        had at their `rendered_at`, so that only later invalidations concern them.

        Under a `shared_key` the later render may be another build's: its route is the same, and its data is newer.
        """
        ...

    def keep_shared(self, build: str, fingerprints: frozenset[str]) -> None:
        """Tell the fingerprints of this build's routes, before it is seeded, so that what former builds share stays.

        A store that drops the answers of other builds spares those under a `shared_key` with one of them.

        Args:
            build: the id of the build that is served.
            fingerprints: of its routes whose answers builds share.
        """
        ...

    async def remove(self, key: str) -> None:
        """Forget the entry of `key`, if there is one."""
        ...

    def invalidate(self, tags: Iterable[str], *, expire_after: float | None = 0) -> int:
        """Count one invalidation of all `tags` and return its generation.

        Once it has returned, every later `row`, in every process that shares the store, knows of it.

        Args:
            tags: any strings.
            expire_after: seconds for which older entries may still be served as stale; 0: not at all; None:
                without limit by these tags.
        """
        ...

    async def acquire(self, key: str, seconds: float) -> Lease | None:
        """The lease of `key` for `seconds`, or None while another holder's has not run out."""
        ...

    async def renew(self, lease: Lease, seconds: float) -> bool:
        """Extend a lease that is still held; False when it is no longer."""
        ...

    async def release(self, lease: Lease) -> None:
        """Give a lease back; does nothing when it is no longer held."""
        ...

    async def wait(self, key: str, seconds: float) -> None:
        """Return when nobody holds the lease of `key` any longer, or after `seconds`."""
        ...

    def entries(self) -> Iterator[Entry]:
        """Every entry, in no particular order."""
        ...

    def figures(self) -> StoreFigures | None:
        """How full it is, as far as this process knows without waiting; None: it doesn't know."""
        ...
