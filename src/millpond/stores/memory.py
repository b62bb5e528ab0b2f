"""Entries in the memory of one process: the store of tests, of development, and of servers with one worker."""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from millpond.policy.precedence import is_superseded, outlives_seed
from millpond.policy.tags import Cleanliness, TagRow, generation_at, invalidated, judge_row, judge_tags
from millpond.stores.contract import Commit, Lease
from millpond.stores.eviction_queues import EvictionQueues
from millpond.stores.store_figures import Eviction, StoreFigures, untold
from millpond.stores.waiters import Waiters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from millpond.policy.entry import Entry
    from millpond.stores.store_figures import Evicted

_READS_REMEMBERED = 4096
_READS_UNTIL_REPLAY = 1024
_LEASES_UNTIL_SWEEP = 1024
_INVALIDATIONS_REMEMBERED = 10_000
_LOOK_AGAIN_SECONDS = 0.025


class _Held(NamedTuple):
    token: str
    deadline: float


class MemoryStore:
    """The `Store` of one process, for any number of threads and event loops.

    Readers take no lock: they read one dict item or one number, which is atomic with and without the GIL. Writers
    hold one lock for short sections that never wait. What is read is noted in a bounded journal, which writers
    replay, so that eviction takes what nobody reads.

    Args:
        max_bytes: the sum of `Entry.size` that is never exceeded.
        clock: seconds since the epoch.
        max_tags: tag rows kept. When there are more, the oldest go, and the entries that they have ended.
        monotonic: seconds since any fixed moment, for leases.
    """

    def __init__(
        self,
        *,
        max_bytes: int,
        clock: Callable[[], float],
        max_tags: int = 100_000,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_bytes, self._clock, self._max_tags, self._monotonic = max_bytes, clock, max_tags, monotonic
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self._queues = EvictionQueues(max_bytes)
        self._reads: deque[str] = deque(maxlen=_READS_REMEMBERED)
        self._version = 0
        self._generation = 0
        self._invalidated_at: deque[float] = deque(maxlen=_INVALIDATIONS_REMEMBERED)
        self._rows: dict[str, TagRow] = {}
        self._rows_by_age: OrderedDict[str, None] = OrderedDict()  # least recently invalidated first
        self._condemned: list[str] = []
        self._prune_at = max_tags  # more than that, while rows can't go that entries need
        self._floor = 0  # the highest generation of a row that is gone
        self._leases: dict[str, _Held] = {}
        self._sweep_at = _LEASES_UNTIL_SWEEP
        self._waiters = Waiters()
        self.evicted: Evicted = untold
        """See `Store.evicted`."""

    def is_synced(self) -> bool:
        """Always true: this process is the only one."""
        return True

    def lost_seconds(self) -> float:
        """0: `is_synced` always holds."""
        return 0.0

    async def is_reachable(self) -> bool:
        """Always true."""
        return True

    def peek(self, key: str) -> Entry | None:
        """The entry of `key`; it is not judged."""
        entry = self._entries.get(key)
        if entry is not None:
            self._reads.append(key)
            if len(self._reads) >= _READS_UNTIL_REPLAY and self._lock.acquire(blocking=False):
                try:
                    self._replay_reads()
                finally:
                    self._lock.release()
        return entry

    def version(self) -> int:
        """How often anything has been written."""
        return self._version

    def generation(self) -> int:
        """How many invalidations there have been."""
        return self._generation

    def row(self, tag: str) -> TagRow | None:
        """The row of `tag`; None when it was never invalidated, or only before any entry that is still there."""
        return self._rows.get(tag)

    async def open(self) -> None:
        """Does nothing."""

    async def close(self) -> None:
        """Does nothing; the store is garbage-collected."""

    async def get(self, key: str) -> Entry | None:
        """The entry of `key`; it is not judged."""
        return self.peek(key)

    async def commit(self, entry: Entry, lease: Lease | None = None, *, ends: bool = False) -> Commit:
        """Store `entry` in place of the key's former one, unless one of the reasons in `Commit` forbids it."""
        del ends
        with self._lock:
            if lease is not None and not self._holds(lease):
                return Commit.LEASE_LOST
            if entry.size > self._max_bytes:
                return Commit.TOO_LARGE
            if entry.generation < self._floor or self._is_expired(entry):
                return Commit.INVALIDATED
            if is_superseded(self._entries.get(entry.key), entry, self._clock()):
                return Commit.SUPERSEDED
            self._put(self._entries, entry)
            self._evict(spared=entry.key)
            self._keep_rows_older_than(entry)
            self._version += 1
            return Commit.STORED

    async def seed(self, entries: Iterable[Entry]) -> None:
        """Store the build's entries in one step, ages preserved; a later render that is there already stays.

        Their generation is the one that the counter had at their `rendered_at`; see `Store.seed`.
        """
        offered = list(entries)
        with self._lock:
            times = list(self._invalidated_at)
            # Readers take no lock: a second dict, put in place at once, shows them all of the build or nothing.
            filled = dict(self._entries)
            for built in offered:
                entry = replace(built, generation=generation_at(built.rendered_at, self._generation, times))
                if outlives_seed(filled.get(entry.key), entry):
                    continue
                if entry.generation >= self._floor and entry.size <= self._max_bytes:
                    self._put(filled, entry)
                    self._keep_rows_older_than(entry)
            self._entries = filled
            self._evict()
            self._version += 1

    def keep_shared(self, build: str, fingerprints: frozenset[str]) -> None:
        """Does nothing: a process serves one build, and what it has of others is evicted in time."""

    async def remove(self, key: str) -> None:
        """Forget the entry of `key`, if there is one."""
        with self._lock:
            self._drop(key)
            self._version += 1

    def invalidate(self, tags: Iterable[str], *, expire_after: float | None = 0) -> int:
        """Count one invalidation of all `tags` and return its generation; from any thread. See `Store.invalidate`."""
        named = dict.fromkeys(tags)
        with self._lock:
            generation, now = self._generation + 1, self._clock()
            for tag in named:
                self._rows[tag] = invalidated(self._rows.get(tag), generation, now, expire_after)
                self._rows_by_age[tag] = None
                self._rows_by_age.move_to_end(tag)
            # With a clock that was set back the moment is too late, never too early: more seeds are invalidated.
            self._invalidated_at.append(max(now, self._invalidated_at[-1] if self._invalidated_at else now))
            # Last, so that whoever sees the new generation also sees the rows that it stands for.
            self._generation = generation
            if len(self._rows_by_age) > self._prune_at:
                self._prune_rows()
            self._version += 1
        return generation

    async def acquire(self, key: str, seconds: float) -> Lease | None:
        """The lease of `key` for `seconds`, or None while another holder's has not run out."""
        with self._lock:
            now = self._monotonic()
            held = self._leases.get(key)
            if held is not None and held.deadline > now:
                return None
            lease = Lease(key, secrets.token_hex(8))
            self._leases[key] = _Held(lease.token, now + seconds)
            if len(self._leases) >= self._sweep_at:
                self._sweep_leases(now)
            return lease

    async def renew(self, lease: Lease, seconds: float) -> bool:
        """Extend a lease that is still held to `seconds` from now; False when it is no longer."""
        with self._lock:
            if not self._holds(lease):
                return False
            self._leases[lease.key] = _Held(lease.token, self._monotonic() + seconds)
            return True

    async def release(self, lease: Lease) -> None:
        """Give a lease back; does nothing when it is no longer held."""
        with self._lock:
            held = self._leases.get(lease.key)
            if held is None or held.token != lease.token:
                return
            del self._leases[lease.key]
        self._waiters.wake(lease.key)

    async def wait(self, key: str, seconds: float) -> None:
        """Return when nobody holds the lease of `key` any longer, or after `seconds`.

        A release wakes at once. A lease that runs out is noticed within 25 ms, as it may be renewed meanwhile.
        """
        await self._waiters.until_free(
            key, seconds, lambda: self._is_free(key), look_again=_LOOK_AGAIN_SECONDS, monotonic=self._monotonic
        )

    def _is_free(self, key: str) -> bool:
        held = self._leases.get(key)
        return held is None or held.deadline <= self._monotonic()

    def entries(self) -> Iterator[Entry]:
        """Every entry at this moment, in no particular order."""
        with self._lock:
            return iter(list(self._entries.values()))

    def figures(self) -> StoreFigures:
        """How full it is."""
        return StoreFigures(self._queues.bytes, self._max_bytes, len(self._entries))

    @property
    def bytes(self) -> int:
        """What all entries count."""
        return self._queues.bytes

    def rows(self) -> list[tuple[str, TagRow]]:
        """Every invalidated tag with its row, except for rows that were pruned."""
        with self._lock:
            return list(self._rows.items())

    def reads(self) -> dict[str, int]:
        """How often each entry was read since it joined its queue; about, and up to the number that eviction counts."""
        with self._lock:
            self._replay_reads()
            return self._queues.reads()

    # Everything below is called by a holder of the lock.

    def _replay_reads(self) -> None:
        for _ in range(len(self._reads)):
            self._queues.note_read(self._reads.popleft())

    def _put(self, entries: dict[str, Entry], entry: Entry) -> None:
        self._replay_reads()
        self._queues.put(entry.key, entry.size)
        entries[entry.key] = entry

    def _evict(self, spared: str | None = None) -> None:
        evictions: list[Eviction] = []
        for key, was_read in self._queues.evict(spared):
            entry = self._entries.pop(key, None)
            if entry is not None:
                evictions.append(Eviction(entry.rendered_at, was_read))
        if evictions:
            self.evicted(evictions)

    def _drop(self, key: str) -> None:
        self._queues.remove(key)
        self._entries.pop(key, None)

    def _is_expired(self, entry: Entry) -> bool:
        verdict = judge_tags(entry.tags, entry.generation, self._rows.get, self._clock())
        return verdict.cleanliness is Cleanliness.EXPIRED

    def _prune_rows(self) -> None:
        """Prune the oldest eighth of the rows, but keep those that make an entry stale, which may still be served.

        Entries that such a row has ended for good are dropped. The rows themselves go at the next pruning: a reader who
        took no lock may have such an entry in hand, and is about to ask for them. From then on, renders that began
        before their invalidations aren't stored.
        """
        for tag in self._condemned:
            if tag not in self._rows_by_age:
                self._floor = max(self._floor, self._rows.pop(tag).generation)
        excess = len(self._rows_by_age) - self._max_tags + self._max_tags // 8
        oldest = set(itertools.islice(self._rows_by_age, excess))
        now = self._clock()
        for key, entry in list(self._entries.items()):
            states = {tag: judge_row(self._rows[tag], entry.generation, now) for tag in oldest.intersection(entry.tags)}
            if Cleanliness.EXPIRED in states.values():
                self._drop(key)
                continue
            for tag, state in states.items():
                if state is Cleanliness.STALE:
                    self._rows_by_age.move_to_end(tag)
                    oldest.discard(tag)
        self._condemned = list(oldest)
        for tag in oldest:
            del self._rows_by_age[tag]
        self._prune_at = max(self._max_tags, len(self._rows_by_age) + self._max_tags // 8)

    def _keep_rows_older_than(self, entry: Entry) -> None:
        """Keep the rows that make an entry stale that is stored now, also those that are about to go."""
        for tag in entry.tags:
            row = self._rows.get(tag)
            if row is not None and row.generation > entry.generation:
                self._rows_by_age[tag] = None
                self._rows_by_age.move_to_end(tag)

    def _holds(self, lease: Lease) -> bool:
        held = self._leases.get(lease.key)
        return held is not None and held.token == lease.token and held.deadline > self._monotonic()

    def _sweep_leases(self, now: float) -> None:
        """Forget leases that ran out without being released; doubling keeps this O(1) per `acquire`."""
        self._leases = {key: held for key, held in self._leases.items() if held.deadline > now}
        self._sweep_at = max(_LEASES_UNTIL_SWEEP, 2 * len(self._leases))
