"""Reads the embedded store for the command line, whether it is in use or not; writes nothing."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

from millpond.policy.key import is_shared
from millpond.stores.frame import decode_frame
from millpond.stores.lmdb.layout import IDENTITY_KEY, EntryRow, digest, marks_in, tag_in, tag_marks, unpack_row
from millpond.stores.lmdb.open_transaction import Reading
from millpond.stores.lmdb.opening import open_to_read, release
from millpond.stores.lmdb.tag_rows import row_of
from millpond.stores.maintenance_contract import ListedEntry, StoreInspection

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from millpond.policy.tags import TagRow

_AT_ONCE = 500
"""Keys that are looked at in one transaction."""


class LmdbStats(NamedTuple):
    """The store in numbers."""

    identity: str
    """A random id, generated when the file was created."""
    generation: int
    lost_below: int
    """The generation below which invalidations are unknown, since the file that held them was damaged; 0: none."""
    entries: int
    bytes: int
    """The sum of the entries' sizes."""
    tags: int
    leases: int
    file_bytes: int
    """The part of the file in use or free for use; it never shrinks."""
    map_bytes: int
    """The maximum size of the file."""
    readers: int
    """Reader slots in use, including those of dead processes."""


class LmdbInspection(StoreInspection):
    """An existing store, open for reading; a context manager.

    Args:
        folder: the folder of the store.

    Raises:
        StoreError: there is no store, or a start of the application has to repair it first.
    """

    def __init__(self, folder: Path) -> None:
        self._environment = open_to_read(folder)

    def close(self) -> None:
        release(self._environment)

    def row(self, tag: str) -> TagRow | None:
        """The row of a tag, for judging an entry; if invalidations were lost, the assumed row (see `row_of`)."""
        with self._environment.begin() as txn:
            at = Reading(txn, self._environment.tables)
            return row_of(at, tag, at.state().lost)

    def rows(self) -> list[tuple[str, TagRow]]:
        """Every invalidated tag with its row, except for rows that were pruned."""
        tables = self._environment.tables
        with self._environment.begin() as txn:
            with txn.cursor(db=tables.condemned) as cursor:
                condemned = set(cursor.iternext(keys=True, values=False))
            with txn.cursor(db=tables.tags) as cursor:
                return [(tag_in(record), unpack_row(record)) for key, record in cursor if key not in condemned]

    def show(self, key: str) -> ListedEntry | None:
        """The entry of `key`, if there is one."""
        return self._find(digest(key))

    def entries(self) -> Iterator[ListedEntry]:
        """Every current entry, including unreadable ones; each is read in a separate transaction."""
        with self._environment.begin() as txn, txn.cursor(db=self._environment.tables.kept) as cursor:
            keys = list(cursor.iternext(keys=True, values=False))
        return self._found(keys)

    def found(self, digests: Sequence[str]) -> Iterator[ListedEntry]:
        """The entries with these digests, in this order; those that aren't there any more are left out."""
        return self._found(map(bytes.fromhex, digests))

    def _found(self, keys: Iterable[bytes]) -> Iterator[ListedEntry]:
        return (found for key in keys if (found := self._find(key)) is not None)

    def listed(self, after: str = "", tag: str = "") -> Iterator[ListedEntry]:
        """The entries by their digests; see `StoreInspection`. Only those with the mark of the tag are read."""
        mark = tag_marks((tag,)) if tag else b""
        start = bytes.fromhex(after[: len(after) // 2 * 2])
        while True:
            keys, start = self._keys_behind(start, mark)
            yield from self._found(keys)
            if not start:
                return

    def _keys_behind(self, start: bytes, mark: bytes) -> tuple[list[bytes], bytes]:
        """Some keys, and behind which the others are; b"": there are no others."""
        with self._environment.begin() as txn, txn.cursor(db=self._environment.tables.kept) as cursor:
            if not cursor.set_range(start):
                return [], b""
            looked = list(itertools.islice(cursor.iternext(keys=True, values=True), _AT_ONCE + 1))
        keys = [key for key, record in looked if key > start and (not mark or mark in marks_in(record))]
        return keys, looked[-1][0] if len(looked) > _AT_ONCE else b""

    def named(self, key: str, build: str) -> ListedEntry | None:
        """The entry of a key, of this build; or of whichever has left it, if builds share it."""
        found = self.show(key)
        is_seen = found is None or found.entry is None or found.entry.build in ("", build) or is_shared(key)
        return found if is_seen else None

    def stats(self) -> LmdbStats:
        """The store in numbers, at one moment."""
        environment = self._environment
        facts = environment.facts()
        with environment.begin() as txn:
            tables, state = environment.tables, Reading(txn, environment.tables).state()
            return LmdbStats(
                identity=txn.get(IDENTITY_KEY, b"", db=tables.meta).decode(),
                generation=state.generation,
                lost_below=state.lost,
                entries=txn.stat(tables.kept)["entries"],
                bytes=state.size,
                tags=txn.stat(tables.by_age)["entries"],
                leases=txn.stat(tables.leases)["entries"],
                file_bytes=facts["file_bytes"],
                map_bytes=facts["map_bytes"],
                readers=facts["readers"],
            )

    def _find(self, key: bytes) -> ListedEntry | None:
        tables = self._environment.tables
        with self._environment.begin() as txn:
            record, frame = txn.get(key, db=tables.kept), txn.get(key, b"", db=tables.entries)
        if record is None:
            return None
        known, entry = EntryRow.unpack(record), decode_frame(frame)
        if entry is not None and digest(entry.key) != key:
            entry = None
        return ListedEntry(entry, key.hex(), known.size, known.generation, known.hits, known.use)
