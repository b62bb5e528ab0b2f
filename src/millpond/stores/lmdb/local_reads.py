"""The hit path of the embedded store: cached reads, valid until any process commits a transaction."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

import lmdb

from millpond.policy.tags import TagRow
from millpond.stores.frame import decode_frame
from millpond.stores.lmdb import tag_rows as lmdb_tags
from millpond.stores.lmdb.file_replacement import superseding
from millpond.stores.lmdb.layout import State, digest, packed_version, version_of
from millpond.stores.lmdb.open_transaction import Reading
from millpond.stores.local_entries import Doorkeeper, LocalEntries, ReadCounts

if TYPE_CHECKING:
    from millpond.policy.entry import Entry
    from millpond.stores.lmdb.environment import Environment
    from millpond.stores.lmdb.transactions import Transactions

_UNKNOWN = TagRow(2**63, expired=2**63)
"""The row of a tag that can't be read: an entry that may have been invalidated is not served."""
_UNREAD = TagRow(-1)
_MAX_ROWS = 50_000
_MAX_WRITTEN = 1000
"""If more rows than that were written since a view, all are read again."""
_OBJECTS = 800
"""Bytes that the objects of a cached entry take in memory, besides what its size counts."""


class SeenEntry:
    """An entry as a transaction wrote it, and the latest transaction after which its key still had it."""

    __slots__ = ("entry", "seen", "size", "version")

    def __init__(self, entry: Entry, version: bytes, seen: int) -> None:
        self.entry, self.version, self.seen = entry, version, seen
        self.size = entry.size + _OBJECTS


class SeenTags:
    """The counters, and the rows that were read, as of transaction `seen`: rows change only with the generation.

    A successor takes over the rows that were not written since. So both have one dict, of which each removal and each
    addition is made under a lock, and only while its view is the current one.
    """

    __slots__ = ("ages", "generation", "lost", "names", "rows", "seen")

    def __init__(self, seen: int, state: State) -> None:
        self.seen, self.generation, self.lost, self.ages = seen, state.generation, state.lost, state.ages
        self.rows: dict[str, TagRow | None] = {}
        self.names: dict[bytes, str] = {}
        """digest -> tag, for each of `rows`."""

    def remember(self, tag: str, row: TagRow | None) -> None:
        if len(self.rows) >= _MAX_ROWS:
            self.rows.clear()
            self.names.clear()
        self.rows[tag] = row
        self.names[digest(tag)] = tag

    def take_over(self, former: SeenTags, written: list[bytes]) -> None:
        """Keep the rows that a former view had read, except for those with these digests."""
        self.rows, self.names = former.rows, former.names
        for key in written:
            if (tag := self.names.pop(key, None)) is not None:
                self.rows.pop(tag, None)


class Transacted(NamedTuple):
    """What a write transaction of this process has seen."""

    number: int
    generation: int
    rows: dict[str, TagRow | None]
    """Of some tags."""


class LocalReads:
    """Cached entries, counter and rows of one file; each is read again after another transaction was committed.

    Threads need no lock: each cached value has the number of its transaction, so a race can only leave an older value,
    which is recognized as such.
    """

    def __init__(self, transactions: Transactions, environment: Environment, local_bytes: int, since: int) -> None:
        self._transactions, self.environment, self._since = transactions, environment, since
        self._local: LocalEntries[SeenEntry] = LocalEntries(local_bytes)
        self._doorkeeper = Doorkeeper()
        self.reads = ReadCounts()
        self.captured = 0
        """The highest generation that was returned to a caller."""
        self._view = SeenTags(-1, State(generation=-1))
        self._changing_rows = threading.Lock()
        self._missing = ("", -1)
        """The key that was looked for last and isn't there, and the transaction after which it wasn't."""

    def peek(self, key: str) -> Entry | None:
        now = self.environment.last_transaction()
        if (key, now) == self._missing:  # a miss asks several times before it renders
            return None
        known = self._local.get(key)
        entry = known.entry if known is not None and known.seen == now else self._entry(key, known)
        if entry is not None:
            self.reads.note(key)
        return entry

    def generation(self) -> int:
        view = self._view
        if view.seen == self.environment.last_transaction():
            return view.generation
        found = self._look(view)
        # If it can't be read, an older one only makes a render look older than it is.
        return max(0, (view if found is None else found).generation)

    def row(self, tag: str) -> TagRow | None:
        view = self._view
        if view.seen != self.environment.last_transaction():
            found = self._look(view)
            if found is None:
                return _UNKNOWN
            view = found
        row = view.rows.get(tag, _UNREAD)
        return self._row(view, tag) if row is _UNREAD else row

    def stored(self, entry: Entry, transacted: Transacted) -> None:
        """Take note of what this process wrote itself: the entry, if its key is in use, and the rows of its tags."""
        seen = self.environment.base + transacted.number
        if self._local.get(entry.key) is not None or self._doorkeeper.has_seen(entry.key):
            self._local.keep(entry.key, SeenEntry(entry, packed_version(transacted.number), seen))
        with self._changing_rows:
            view = self._view
            if view.generation == transacted.generation:
                view.seen = seen
                for tag, row in transacted.rows.items():
                    view.remember(tag, superseding(row, self._since))

    def _look(self, view: SeenTags) -> SeenTags | None:
        """The current view, which may be `view` itself; None if the file can't be read."""
        environment = self.environment
        try:
            with environment.begin() as txn:
                reading = Reading(txn, environment.tables)
                seen, state = environment.base + txn.id(), reading.state()
                if state.generation == view.generation:
                    view.seen = seen
                    return view
                current = SeenTags(seen, state)
                written = lmdb_tags.written_since(reading, view.ages, _MAX_WRITTEN)
        except lmdb.Error as error:
            self._transactions.failed(error)
            return None
        with self._changing_rows:
            if self._view is view and written is not None and state.lost == view.lost:
                current.take_over(view, written)
            self._view = current
            self.captured = max(self.captured, state.generation)
        return current

    def _row(self, view: SeenTags, tag: str) -> TagRow | None:
        environment = self.environment
        try:
            with environment.begin() as txn:
                found = lmdb_tags.row_of(Reading(txn, environment.tables), tag, view.lost)
        except lmdb.Error as error:
            self._transactions.failed(error)
            return _UNKNOWN
        row = superseding(found, self._since)
        with self._changing_rows:
            if self._view is view:  # otherwise it may have been read before what the current view knows
                view.remember(tag, row)
        return row

    def _entry(self, key: str, known: SeenEntry | None) -> Entry | None:
        """The current entry; `known` is the cached one, which is reused while its version is the same."""
        environment, at = self.environment, digest(key)
        try:
            with environment.begin() as txn:
                seen = environment.base + txn.id()
                record = txn.get(at, b"", db=environment.tables.kept)
                if known is not None and known.version == version_of(record):
                    known.seen = seen
                    return known.entry
                frame = txn.get(at, b"", db=environment.tables.entries)
        except lmdb.Error as error:
            self._transactions.failed(error)
            return None
        entry = decode_frame(frame)
        if entry is None or entry.key != key:  # missing, damaged, or in another frame layout
            self._local.forget(key)
            self._missing = (key, seen)
            return None
        if known is not None or self._doorkeeper.has_seen(key):  # of what is read once, nothing is kept
            self._local.keep(entry.key, SeenEntry(entry, version_of(record), seen))
        return entry
