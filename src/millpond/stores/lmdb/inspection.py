"""Reading the embedded store by the command line, while it is in use or not; nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from millpond.stores.frame import decode_frame
from millpond.stores.lmdb.layout import IDENTITY_KEY, EntryRow, digest, tag_in, unpack_row
from millpond.stores.lmdb.open_transaction import Reading
from millpond.stores.lmdb.opening import open_to_read, release
from millpond.stores.lmdb.tag_rows import row_of
from millpond.stores.maintenance_contract import ListedEntry, StoreInspection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from millpond.policy.tags import TagRow


class LmdbStats(NamedTuple):
    """The store in numbers."""

    identity: str
    """Given when the file was made: another one, another store."""
    generation: int
    lost_below: int
    """The generation below which invalidations are unknown, since the file that held them was damaged; 0: none."""
    entries: int
    bytes: int
    """What all entries count."""
    tags: int
    leases: int
    file_bytes: int
    """The part of the file in use or free for use; it never shrinks."""
    map_bytes: int
    """What the file may grow to."""
    readers: int
    """Slots taken by processes that read, or died doing so."""


class LmdbInspection(StoreInspection):
    """A store that is there, open for reading; a context manager.

    Args:
        folder: of the store.

    Raises:
        StoreError: there is no store, or it has to be mended by a start first.
    """

    def __init__(self, folder: Path) -> None:
        self._environment = open_to_read(folder)

    def close(self) -> None:
        release(self._environment)

    def row(self, tag: str) -> TagRow | None:
        """The row of a tag, for judging an entry; of a lost one what is supposed of it."""
        with self._environment.begin() as txn:
            at = Reading(txn, self._environment.tables)
            return row_of(at, tag, at.state().lost)

    def rows(self) -> list[tuple[str, TagRow]]:
        """Every tag that was invalidated, with its row; rows that were given up are left out."""
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
        """Every entry that is there now, those that can't be read included; each in a transaction of its own."""
        with self._environment.begin() as txn, txn.cursor(db=self._environment.tables.kept) as cursor:
            keys = list(cursor.iternext(keys=True, values=False))
        return (found for key in keys if (found := self._find(key)) is not None)

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
