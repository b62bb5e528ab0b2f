"""Entries in an LMDB file: one cache for all processes of a machine, consistent at each request, kept over restarts."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import lmdb
from msgspec.structs import replace

from millpond.policy.precedence import is_superseded
from millpond.policy.tags import Cleanliness, generation_at, judge_tags
from millpond.stores.contract import Commit
from millpond.stores.frame import encode_frame
from millpond.stores.lmdb import entries as lmdb_entries
from millpond.stores.lmdb import leases as lmdb_leases
from millpond.stores.lmdb import tag_rows as lmdb_tags
from millpond.stores.lmdb.file_replacement import LOOK_SECONDS
from millpond.stores.lmdb.layout import digest
from millpond.stores.lmdb.local_reads import LocalReads, Transacted
from millpond.stores.lmdb.opening import max_bytes_in
from millpond.stores.lmdb.transactions import MAX_TAGS, Transactions
from millpond.stores.lmdb.upkeep.housekeeping import Housekeeping
from millpond.stores.lmdb.upkeep.steps import Steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from millpond.policy.entry import Entry
    from millpond.policy.tags import TagRow
    from millpond.stores.contract import Lease
    from millpond.stores.lmdb.open_transaction import Writing
    from millpond.stores.store_figures import Evicted, StoreFigures

_LOOK_AGAIN_SECONDS = 0.01
_READS_PER_COMMIT, _READS_PER_SECOND = 64, 256
"""The number of keys whose reads are written at once: few enough to take less than a millisecond."""
_TURNS, _SECONDS_BETWEEN_EVICTIONS = 32, 0.002
"""How many entries have their turn to be evicted in one transaction; and the time left to others after it."""


class LmdbStore:
    """The `Store` of all processes of one machine that use the same folder.

    The methods of the hit path read one number in shared memory, and use this process's cached reads while it is
    unchanged. So an invalidation in one process takes effect at the very next call in every other. Reads are recorded
    in batches, so that eviction drops the entries that nobody reads in any process.

    A process that is killed loses no committed data, and leaves no lock behind; its leases expire. After a power
    failure the file isn't trusted, and an empty one replaces it (see `StoreFolder.distrust`). On a full disk new
    entries aren't stored, but reads and commits don't raise. In an open store only `invalidate` and `remove` raise
    then: their callers must know that they failed.

    If files are removed or replaced, each process notices, and switches to the new ones. No call waits forever for a
    process that is in a write transaction; the hit path never waits.

    Args:
        folder: on a local disk; created if missing, for this user only.
        max_bytes: the limit for the sum of the entries' sizes.
        clock: seconds since the epoch.
        max_tags: the number of tag rows kept. Beyond it the oldest are pruned, with the entries that they have ended.
        monotonic: seconds, for leases, by a clock that all processes of the machine share.
        local_bytes: bytes of entries that this process keeps in its own memory.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int,
        clock: Callable[[], float],
        max_tags: int = MAX_TAGS,
        monotonic: Callable[[], float] = time.monotonic,
        local_bytes: int = 32 * 1024 * 1024,
    ) -> None:
        self._max_bytes, self._max_tags, self._local_bytes = max_bytes, max_tags, local_bytes
        self._clock, self._monotonic = clock, monotonic
        self._transactions = Transactions(folder, monotonic)
        self._hits: LocalReads | None = None
        self._look_at = 0.0
        self._housekeeping = Housekeeping(self._transactions, max_tags, clock, monotonic, self._look_after)
        self._room, self._sweep_at = max_bytes, 0

    def is_synced(self) -> bool:
        """Always true: every read sees what any process has committed."""
        return True

    def lost_seconds(self) -> float:
        """0: `is_synced` always holds."""
        return 0.0

    async def is_reachable(self) -> bool:
        """Whether a small transaction, such as that of an invalidation, can be committed now."""
        return await self._transactions.are_possible()

    def peek(self, key: str) -> Entry | None:
        """The entry of `key`; it is not judged."""
        if self._monotonic() >= self._look_at:
            self._follow()
        return (self._hits or self._known()).peek(key)

    def version(self) -> int:
        """The number of the last transaction that any process committed; never the same for two files."""
        return (self._hits or self._known()).environment.last_transaction()

    def generation(self) -> int:
        """How many invalidations there have been."""
        return (self._hits or self._known()).generation()

    def row(self, tag: str) -> TagRow | None:
        """The row of `tag`; None when it was never invalidated, or only before any entry that is still there."""
        return (self._hits or self._known()).row(tag)

    def _known(self) -> LocalReads:
        if self._hits is None:
            raise self._transactions.not_open()
        return self._hits

    async def open(self) -> None:
        """Open the folder's file; once per process and store, after any fork.

        Raises:
            StoreError: the folder or its file can't be used.
        """
        self._transactions.open(self._max_bytes, self._clock(), self._max_tags)
        self._begin()
        self._housekeeping.begin()

    def _begin(self) -> None:
        """Start without cached reads of the file that is open."""
        environment = self._transactions.environment
        # While other processes use a smaller limit, theirs applies: the map can't grow while they have it open.
        self._room = min(self._max_bytes, max_bytes_in(environment.map_bytes, self._max_tags))
        self._hits = LocalReads(self._transactions, environment, self._local_bytes, self._transactions.since)
        self._look_at = self._monotonic() + LOOK_SECONDS

    def _follow(self) -> None:
        """Check whether the data file was removed or replaced."""
        self._look_at = self._monotonic() + LOOK_SECONDS
        if self._transactions.follow(self._clock(), self._known().captured):
            self._begin()

    async def close(self) -> None:
        """Close the file; the last process syncs it. Does nothing if it isn't open."""
        if await self._housekeeping.end():
            self._note_reads()
        self._hits = None
        self._transactions.close()

    async def tidy(self) -> None:
        """Do now what the store does in the background: prune tag rows, and drop the answers of other builds."""
        await self._housekeeping.tidy()

    def _look_after(self) -> None:
        self._follow()
        self._note_reads()

    def _note_reads(self) -> None:
        """Record reads; those that can't be written now are written next time."""
        reads = self._known().reads

        def note(writing: Writing) -> None:
            lmdb_entries.note_reads(writing, reads.take(_READS_PER_SECOND))

        try:
            if reads:
                self._transactions.write_at_once(note)
        except lmdb.Error as error:
            self._transactions.failed(error)

    async def get(self, key: str) -> Entry | None:
        """The entry of `key`; it is not judged."""
        return self.peek(key)

    async def commit(self, entry: Entry, lease: Lease | None = None, *, ends: bool = False) -> Commit:
        """Store `entry` in place of the key's former one, except for one of the reasons in `Commit`.

        `ends`: give the lease back in the same transaction.
        """
        frame, hits, rows = encode_frame(entry), self._known(), dict[str, "TagRow | None"]()
        reads = hits.reads.take(_READS_PER_COMMIT)

        def work(writing: Writing) -> tuple[Commit | None, Transacted]:
            lmdb_entries.note_reads(writing, reads)
            outcome = self._commit(writing, entry, frame, lease, rows)
            if ends and lease is not None and outcome is Commit.STORED:
                lmdb_leases.give_back(writing, lease)
            return outcome, Transacted(writing.txn.id(), writing.state.generation, rows)

        try:
            outcome, transacted = await self._transactions.write_soon(work)
            while outcome is None:
                reads.clear()  # they are noted
                await asyncio.sleep(_SECONDS_BETWEEN_EVICTIONS)
                outcome, transacted = await self._transactions.write_soon(work)
        except lmdb.Error as error:
            self._transactions.failed(error)
            return Commit.FAILED
        if outcome is Commit.STORED:
            hits.stored(entry, transacted)
        return outcome

    def _commit(
        self, writing: Writing, entry: Entry, frame: bytes, lease: Lease | None, rows: dict[str, TagRow | None]
    ) -> Commit | None:
        """Store an entry, if nothing forbids it; `rows` gets those of its tags. None: there isn't room yet."""
        refused = self._refusal(writing, entry, frame, lease, rows)
        return refused or (Commit.STORED if self._put(writing, entry, frame, rows) else None)

    def _put(self, writing: Writing, entry: Entry, frame: bytes, rows: Mapping[str, TagRow | None]) -> bool:
        """Store an entry; False if there isn't room yet, after a bounded number of others were evicted."""
        key, size = digest(entry.key), lmdb_entries.size_of(entry, frame)
        former = lmdb_entries.kept(writing, key)
        room = self._room_now(writing, size) - size + (0 if former is None else former.size)
        if not lmdb_entries.evict(writing, self._room, room, _TURNS, spared=key):
            return False
        lmdb_entries.put(writing, entry, frame)
        for tag, row in rows.items():
            if row is not None and row.generation > entry.generation:
                lmdb_tags.renew(writing, digest(tag))
        return True

    def _room_now(self, writing: Writing, size: int) -> int:
        """The byte limit for all entries, including a new one of `size`.

        On an almost full disk the file doesn't grow: an entry uses free pages in it, or replaces others. The remaining
        disk space is for invalidations.
        """
        environment = self._transactions.environment
        if not environment.is_tight():
            return self._room
        return min(self._room, max(size, writing.state.size + environment.spare_bytes(writing)))

    def _refusal(
        self, writing: Writing, entry: Entry, frame: bytes, lease: Lease | None, rows: dict[str, TagRow | None]
    ) -> Commit | None:
        if lease is not None and not lmdb_leases.holds(writing, lease, self._monotonic()):
            return Commit.LEASE_LOST
        if lmdb_entries.size_of(entry, frame) > self._room:
            return Commit.TOO_LARGE
        now = self._clock()
        rows.update(self._rows(writing, entry))
        verdict = judge_tags(entry.tags, entry.generation, rows.get, now)
        held = lmdb_entries.kept(writing, digest(entry.key))
        if entry.generation < writing.state.floor or verdict.cleanliness is Cleanliness.EXPIRED:
            return Commit.INVALIDATED
        # It was rendered before the file was replaced: it is only valid if the new file has the same render.
        if entry.generation < self._transactions.since and not lmdb_entries.is_kept(held, entry):
            return Commit.INVALIDATED
        if is_superseded(held, entry, now):
            return Commit.SUPERSEDED
        return None

    def _rows(self, writing: Writing, entry: Entry) -> dict[str, TagRow | None]:
        lost = writing.state.lost
        return {tag: lmdb_tags.row_of(writing, tag, lost) for tag in entry.tags}

    async def seed(self, entries: Iterable[Entry]) -> None:
        """Store the build's entries in steps, preserving their ages; a later render stays.

        Their generation is the one that the counter had at their `rendered_at`; see `Store.seed`. Answers of other
        builds are dropped soon: they are never served again.
        """
        offered = list(entries)
        self._housekeeping.serve_only(entry.build for entry in offered if entry.kind == "response")
        try:
            with self._transactions.reading() as reading:
                generation, times = reading.state().generation, lmdb_tags.moments(reading)
            seeds = [
                replace(built, generation=generation_at(built.rendered_at, generation, times)) for built in offered
            ]
            steps = Steps(self._transactions, pauses=False)
            held = await steps.read_each(seeds, lmdb_entries.outlives)
            await steps.write_each(
                [seed for seed, outlived in zip(seeds, held, strict=True) if not outlived], self._seed
            )
        except lmdb.Error as error:
            self._transactions.failed(error)

    def _seed(self, writing: Writing, seed: Entry) -> bool:
        """Store a seed, if it may be; False if there isn't room yet."""
        frame = encode_frame(seed)
        refused = (
            seed.generation < writing.state.floor
            or lmdb_entries.size_of(seed, frame) > self._room
            or lmdb_entries.outlives(writing, seed)
        )
        return refused or self._put(writing, seed, frame, self._rows(writing, seed))

    def keep_shared(self, build: str, fingerprints: frozenset[str]) -> None:
        """Drop the answers of other builds soon, but for what they share with this one."""
        self._housekeeping.serve_only([build])
        self._housekeeping.spare(fingerprints)

    async def remove(self, key: str) -> None:
        """Drop the entry of `key`, if there is one.

        Raises:
            StoreError: the disk is full, the file is damaged, or another process holds the write lock too long.
        """
        try:
            await self._transactions.write_soon(lambda writing: lmdb_entries.drop(writing, digest(key)))
        except lmdb.Error as error:
            raise self._transactions.refusal("remove an entry", error) from error

    def entries(self) -> Iterator[Entry]:
        """Every current entry, in no particular order; those dropped during the iteration are left out."""
        return lmdb_entries.walk(self._transactions.reading)

    def figures(self) -> StoreFigures | None:
        """How full it is; None: it isn't open, or can't be read."""
        return None if self._hits is None else lmdb_entries.figures_of(self._transactions.reading, self._room)

    @property
    def evicted(self) -> Evicted:
        """See `Store.evicted`."""
        return self._transactions.evicted

    @evicted.setter
    def evicted(self, told: Evicted) -> None:
        self._transactions.evicted = told

    def invalidate(self, tags: Iterable[str], *, expire_after: float | None = 0) -> int:
        """Count one invalidation of all `tags` and return its generation; from any thread. See `Store.invalidate`.

        Raises:
            StoreError: the disk is full, the file is damaged, or another process holds the write lock too long; nothing
                was invalidated.
        """
        self._follow()
        return self._transactions.invalidate(tags, self._clock(), expire_after)

    async def acquire(self, key: str, seconds: float) -> Lease | None:
        """A lease of `key` for `seconds`, or None while another holder's has not expired.

        None, too, if it can't be written: rendering without a lease is better than an error.
        """
        try:
            return await self._transactions.write_soon(lambda writing: self._acquire(writing, key, seconds))
        except lmdb.Error as error:
            self._transactions.failed(error)
            return None

    def _acquire(self, writing: Writing, key: str, seconds: float) -> Lease | None:
        now = self._monotonic()
        lease = lmdb_leases.grant(writing, key, now, seconds)
        self._sweep_at = lmdb_leases.sweep(writing, now, self._sweep_at)
        return lease

    async def renew(self, lease: Lease, seconds: float) -> bool:
        """Extend a held lease to `seconds` from now; False if it is no longer held."""

        def renewed(writing: Writing) -> bool:
            now = self._monotonic()
            held = lmdb_leases.holds(writing, lease, now)
            if held:
                lmdb_leases.extend(writing, lease, now, seconds)
            return held

        try:
            return await self._transactions.write_soon(renewed)
        except lmdb.Error as error:
            self._transactions.failed(error)
            return False

    async def release(self, lease: Lease) -> None:
        """Release a lease; does nothing if it is no longer held."""
        try:
            with self._transactions.reading() as reading:  # which takes a fraction of what a write does
                held = lmdb_leases.is_current(reading, lease)
            if not held:
                self._transactions.environment.waiters.wake(lease.key)  # it was given back with its entry
                return
            given = await self._transactions.write_soon(lambda writing: lmdb_leases.give_back(writing, lease))
        except lmdb.Error as error:  # the lease then expires
            self._transactions.failed(error)
            return
        if given:
            self._transactions.environment.waiters.wake(lease.key)

    async def wait(self, key: str, seconds: float) -> None:
        """Return when the lease of `key` is no longer held, or after `seconds`.

        A release in this process wakes at once; one in another process, and an expiry, are noticed within 10 ms.
        """
        await self._transactions.environment.waiters.until_free(
            key, seconds, lambda: self._is_free(key), look_again=_LOOK_AGAIN_SECONDS, monotonic=self._monotonic
        )

    def _is_free(self, key: str) -> bool:
        try:
            with self._transactions.reading() as reading:
                return lmdb_leases.is_free(reading, key, self._monotonic())
        except lmdb.Error as error:
            self._transactions.failed(error)
            return True
