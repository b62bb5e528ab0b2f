"""Drops entries from the embedded store, and invalidates in it, from outside of a server, in use or not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from millpond.stores.frame import decode_frame
from millpond.stores.lmdb import entries as lmdb_entries
from millpond.stores.lmdb import tag_rows as lmdb_tags
from millpond.stores.lmdb.open_transaction import Reading
from millpond.stores.lmdb.transactions import Transactions
from millpond.stores.maintenance_contract import StoreInvalidation, StoreMaintenance

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from millpond.stores.lmdb.open_transaction import Writing
    from millpond.stores.maintenance_contract import Unwanted

_BATCH_SIZE = 100
"""Entries checked in one write transaction: few enough not to block other writers for long."""


class LmdbMaintenance(StoreMaintenance):
    """An existing store, open for dropping entries; a context manager.

    Args:
        folder: the folder of the store.
        max_bytes: the limit for the sum of its entries' sizes.

    Raises:
        StoreError: the folder or its file can't be used.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._transactions = Transactions(folder, time.monotonic)
        self._transactions.open(max_bytes, time.time())

    def close(self) -> None:
        self._transactions.close()

    def builds(self) -> set[str]:
        """Empty: each start drops the answers of all builds but its own."""
        return set()

    def drop(self, unwanted: Unwanted) -> int:
        """Drop the unwanted entries, and return their number.

        Each is checked again in the transaction that drops it: one that was rendered again in between stays.

        Raises:
            StoreError: the disk is full, or the file damaged.
        """
        with self._transactions.reading() as (txn, tables), txn.cursor(db=tables.kept) as cursor:
            keys = list(cursor.iternext(keys=True, values=False))
        dropped = 0
        for start in range(0, len(keys), _BATCH_SIZE):
            with self._transactions.reading() as reading:
                going = [key for key in keys[start : start + _BATCH_SIZE] if _is(unwanted, reading, key)]
            if going:
                dropped += self._drop(unwanted, going)
        return dropped

    def _drop(self, unwanted: Unwanted, keys: list[bytes]) -> int:
        def work(writing: Writing) -> int:
            going = [key for key in keys if _is(unwanted, writing, key)]
            for key in going:
                lmdb_entries.drop(writing, key)
            return len(going)

        return self._transactions.write_surely(work, "remove entries")


class LmdbInvalidation(StoreInvalidation):
    """A store that is open for invalidating; a context manager.

    Args:
        folder: the folder of the store.
        max_bytes: the limit for the sum of its entries' sizes.
        patience: seconds to wait for another process that is opening it.
        creates: make the file, where there is none, or none that can be used; as a server does at its start.

    Raises:
        StoreError: there is none, or its folder or file can't be used; `reason` says why.
    """

    def __init__(self, folder: Path, max_bytes: int, patience: float, *, creates: bool) -> None:
        self._transactions = Transactions(folder, time.monotonic)
        self._transactions.open(max_bytes, time.time(), patience=patience, creates=creates)

    def close(self) -> None:
        self._transactions.close()

    def generation(self) -> int:
        with self._transactions.reading() as reading:
            return reading.state().generation

    def invalidate(self, tags: Iterable[str], *, expire_after: float | None = 0) -> int:
        return self._transactions.invalidate(tags, time.time(), expire_after)


def _is(unwanted: Unwanted, at: Reading | Writing, key: bytes) -> bool:
    """Whether the entry with that digest exists and is unwanted."""
    if lmdb_entries.kept(at, key) is None:
        return False
    lost = Reading(at.txn, at.tables).state().lost
    entry = decode_frame(at.txn.get(key, b"", db=at.tables.entries))
    return unwanted(key.hex(), entry, lambda tag: lmdb_tags.row_of(at, tag, lost))
