"""The mirror of a shared store in one process: hits are answered from it without a round trip."""

from __future__ import annotations

import heapq
import itertools
import time
from typing import TYPE_CHECKING, NamedTuple

from millpond.policy.tags import TagRow
from millpond.stores.bounded_dict import BoundedDict
from millpond.stores.local_entries import LocalEntries, ReadCounts
from millpond.stores.valkey.layout import as_text, bucket_of, unpack_row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from millpond.policy.entry import Entry
    from millpond.stores.valkey.layout import JournalRecord

_CHANGES_REMEMBERED = 10_000


def awake_and_asleep() -> float:
    """Seconds by a monotonic clock that also counts while the machine is suspended."""
    return time.clock_gettime(_CLOCK) if _CLOCK is not None else time.monotonic()


_CLOCK: int | None = getattr(time, "CLOCK_BOOTTIME", None)


class MirroredEntry:
    """An entry, and the number that the server gave it when it took it in."""

    __slots__ = ("entry", "size", "version")

    def __init__(self, entry: Entry, size: int, version: int) -> None:
        self.entry, self.size, self.version = entry, size, version


class MirroredTags:
    """The counter and the rows. Readers of other threads take no lock: what is known first is written first."""

    __slots__ = ("buckets", "created", "floor", "generation", "lost", "rows")

    def __init__(self, generation: int, floor: int, created: int, *, lost: bool) -> None:
        self.generation, self.floor, self.created = generation, floor, created
        self.rows: dict[str, TagRow] = {}
        self.buckets: dict[str, TagRow] = {}
        self.lost = TagRow(floor, expired=floor) if lost else None
        """The row of every tag that has none: invalidations before `floor` are unknown."""

    def covers(self, local: MirroredEntry) -> bool:
        """Whether every invalidation that may concern an entry is known; if not, the entry can't be used.

        The server began anew after it had taken the entry in, or lost something after it was rendered.
        """
        return local.version > self.created and local.entry.generation >= self.floor

    def row(self, tag: str) -> TagRow | None:
        row = self.rows.get(tag)
        if row is None and self.buckets:
            row = self.buckets.get(bucket_of(tag))
        return self.lost if row is None else row


class MirrorPosition(NamedTuple):
    """A point in the life of a mirror, before a question was asked."""

    era: int
    applied: int


class Mirror:
    """Entries, tag rows and the counter, kept up to date from the journal; valid until the term ends.

    A mirror answers while it has a *term*. Nobody's invalidation returns before every mirror with a term has applied
    it, or the term has run out: `Follower` gets the terms, and `Acks` waits. So what a mirror with a term says includes
    every invalidation that has returned, on whatever host.

    Readers may be in any thread. All else happens in the thread of the store's loop.

    Args:
        local_bytes: what the entries may count together.
        clock: seconds, for terms.
    """

    def __init__(self, local_bytes: int, clock: Callable[[], float] = awake_and_asleep) -> None:
        self.clock = clock
        self.view = MirroredTags(0, 0, 0, lost=False)
        self.applied = 0
        """The last record of the journal that is part of `view`."""
        self.nonce = b""
        """What that record has, and no other."""
        self.reads = ReadCounts()
        self._until = 0.0
        self._era = 0
        self._version, self._out_of_touch = 0, itertools.count(-1, -1)
        self._entries: LocalEntries[MirroredEntry] = LocalEntries(local_bytes)
        self._changes: BoundedDict[str, int] = BoundedDict(_CHANGES_REMEMBERED)
        self._forgotten = 0  # the last record whose change may have been dropped from `_changes`

    # What readers ask

    def is_synced(self) -> bool:
        """Whether the term lasts."""
        return self.clock() < self._until

    def version(self) -> int:
        """How often anything has changed; without a term, a number that was never given and never will be again."""
        return self._version if self.clock() < self._until else next(self._out_of_touch)

    def peek(self, name: str) -> Entry | None:
        """An entry that is at hand; None without a term, as there may be a later one."""
        return self.known(name) if self.clock() < self._until else None

    def known(self, name: str) -> Entry | None:
        """An entry that is at hand, with a term or without."""
        known = self._entries.get(name)
        return None if known is None else known.entry

    def lost_touch(self) -> float:
        """Seconds since the last term ran out; 0 while one lasts."""
        return max(0.0, self.clock() - self._until)

    # What the follower does

    def extend(self, until: float) -> None:
        """Begin a term, or extend it."""
        self._until = max(self._until, until)

    def end_term(self) -> None:
        """End the term: the mirror may be out of date from now on."""
        self._until = min(self._until, self.clock())

    def lose_place(self) -> None:
        """Note that the journal doesn't continue from the last known record."""
        self.end_term()
        self.applied, self.nonce = 0, b""

    def replace(self, view: MirroredTags, applied: int, nonce: bytes) -> None:
        """Replace all that is known, as the journal can't be continued."""
        self.end_term()
        self._drop_entries()
        self.view, self.applied, self.nonce = view, applied, nonce
        self._version += 1

    def apply(self, record: JournalRecord) -> None:
        """Take in the next record of the journal; of a kind that isn't known it is one of a later Millpond's."""
        match record.kind:
            case b"t":
                self._read_rows(record.fields)
            case b"i":
                self._read_rows(record.fields[2:])
                # Last, so that whoever sees the new generation also sees the rows that it stands for.
                self.view.generation = int(record.fields[1])
            case b"p":
                self._pruned(record)
            case b"c":
                self._changed(record)
            case b"f":
                self._distrust(record)
        self.applied, self.nonce = record.seq, record.nonce
        self._version += 1

    def _read_rows(self, fields: Sequence[bytes]) -> None:
        for tag, row in zip(fields[::2], fields[1::2], strict=True):
            self.view.rows[as_text(tag)] = unpack_row(row)

    def _pruned(self, record: JournalRecord) -> None:
        given_up = []
        for field, value in record.pairs():
            if field == b"b":
                name, _, row = value.partition(b" ")
                self.view.buckets[name.decode()] = unpack_row(row)
            else:
                given_up.append(as_text(value))
        for tag in given_up:  # after the buckets: a reader finds the one or the other
            self.view.rows.pop(tag, None)

    def _changed(self, record: JournalRecord) -> None:
        name, version = record.value(b"e").decode(), int(record.value(b"v"))
        known = self._entries.get(name)
        if known is not None and known.version < version:
            self._entries.forget(name)
        if self._changes.keep(name, version):
            self._forgotten = record.seq

    def _distrust(self, record: JournalRecord) -> None:
        floor = int(record.value(b"g"))
        self._drop_entries()
        self.view = MirroredTags(floor, floor, self.view.created, lost=True)

    # Entries

    def now(self) -> MirrorPosition:
        """The position now; taken before an entry is requested that is to be cached with `keep`."""
        return MirrorPosition(self._era, self.applied)

    def local(self, name: str) -> MirroredEntry | None:
        return self._entries.get(name)

    def keep(self, name: str, local: MirroredEntry, since: MirrorPosition) -> None:
        """Cache an entry, unless the journal has reported a later one since it was requested."""
        if since.era != self._era or since.applied < self._forgotten or self._changes.get(name, 0) > local.version:
            return
        if self.view.covers(local):
            self._entries.keep(name, local)
            self._version += 1

    def forget(self, name: str) -> None:
        """Drop an entry that the server hasn't any more."""
        self._entries.forget(name)
        self._version += 1

    def oldest_tags(self, number: int) -> list[tuple[str, TagRow]]:
        """The tags whose last invalidation is longest ago."""
        return heapq.nsmallest(number, self.view.rows.items(), key=lambda item: item[1].generation)

    def _drop_entries(self) -> None:
        self._era += 1
        self._entries.clear()
        self._changes.clear()
        self._forgotten = 0
