"""Prunes the rows of tags when there are too many. What is still valid isn't lost by that."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from millpond.policy.tags import Cleanliness, judge_row
from millpond.stores.lmdb import entries as lmdb_entries
from millpond.stores.lmdb import tag_rows as lmdb_tags
from millpond.stores.lmdb.layout import MARK_BYTES, EntryRow, generation_of, marks_in, number, unpack_row
from millpond.stores.lmdb.upkeep.steps import Steps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from millpond.policy.tags import TagRow
    from millpond.stores.lmdb.open_transaction import Reading, Writing
    from millpond.stores.lmdb.transactions import Transactions


def rows_in(at: Reading) -> int:
    """How many rows there are; condemned ones don't count."""
    rows: int = at.txn.stat(at.tables.by_age)["entries"]
    return rows


async def prune(transactions: Transactions, max_tags: int, clock: Callable[[], float]) -> None:
    """Prune the oldest rows, if there are more than `max_tags`, in steps.

    A row concerns the entries that captured a smaller generation than its own. First all entries are looked at: those
    that one of the oldest rows has ended for good are dropped; a row that makes an entry stale, which may still be
    served, is renewed. So is one that an entry needs which is stored meanwhile (`LmdbStore._put`). The other rows
    concern no entry: they are condemned. A reader may hold an entry that was dropped, and read its rows next, so they
    are deleted by the next pruning. From then on, renders that began before the latest of their invalidations aren't
    stored (`State.floor`).

    Args:
        transactions: of the store.
        max_tags: the number of rows kept.
        clock: seconds since the epoch.

    Raises:
        lmdb.Error: a transaction failed, or the file was replaced.
    """
    with transactions.reading() as reading:
        excess = rows_in(reading) - max_tags
    if excess <= 0:
        return
    steps = Steps(transactions)
    await _delete_condemned(steps)
    rows, ages = await _oldest(steps, excess + max_tags // 8)
    await _settle_entries(steps, rows, clock)
    await steps.write_each(ages, _condemn)


async def _delete_condemned(steps: Steps) -> None:
    async for keys in steps.walk(lambda tables: tables.condemned, lambda _key, _record: True):
        await steps.write_each(keys, _delete)


def _delete(writing: Writing, key: bytes) -> bool:
    txn, tables, state, _ = writing
    row = _row(writing, key)
    if row is not None and txn.delete(key, db=tables.condemned):  # otherwise it was renewed since
        txn.delete(key, db=tables.tags)
        state.floor = max(state.floor, row.generation)
    return True


async def _oldest(steps: Steps, count: int) -> tuple[dict[bytes, tuple[bytes, ...]], list[bytes]]:
    """The oldest rows: mark -> digests of the tags; and their keys in `Tables.by_age`."""
    rows: dict[bytes, tuple[bytes, ...]] = {}  # of tuples, not of lists: the garbage collector skips those of bytes
    oldest: list[bytes] = []
    async for ages in steps.walk(lambda tables: tables.by_age, lambda _key, _record: True):
        for age in ages[: count - len(oldest)]:
            key = age[8:]
            rows[key[:MARK_BYTES]] = (*rows.get(key[:MARK_BYTES], ()), key)
            oldest.append(age)
        if len(oldest) == count:
            break
    return rows, oldest


async def _settle_entries(steps: Steps, rows: Mapping[bytes, tuple[bytes, ...]], clock: Callable[[], float]) -> None:
    """Drop the entries that one of these rows has ended; renew the rows that make others stale."""
    generations = await steps.read_each(list(itertools.chain.from_iterable(rows.values())), _generation)
    latest = number(max(generations, default=0))

    def is_concerned(_: bytes, record: bytes) -> bool:
        return generation_of(record) < latest and any(mark in rows for mark in marks_in(record))

    def settle(writing: Writing, key: bytes) -> bool:
        record = writing.txn.get(key, db=writing.tables.kept)
        if record is None:
            return True
        entry, now = EntryRow.unpack(record), clock()
        found = {key for mark in marks_in(record) for key in rows.get(mark, ())}
        states = {key: judge_row(row, entry.generation, now) for key in found if (row := _row(writing, key))}
        if Cleanliness.EXPIRED in states.values():
            lmdb_entries.drop(writing, key)
            return True
        for row_key, state in states.items():
            if state is Cleanliness.STALE:
                lmdb_tags.renew(writing, row_key)
        return True

    async for keys in steps.walk(lambda tables: tables.kept, is_concerned):
        await steps.write_each(keys, settle)


def _condemn(writing: Writing, age: bytes) -> bool:
    if writing.txn.delete(age, db=writing.tables.by_age):  # otherwise it was renewed or invalidated since
        writing.txn.put(age[8:], b"", db=writing.tables.condemned)
    return True


def _generation(at: Reading, key: bytes) -> int:
    row = _row(at, key)
    return 0 if row is None else row.generation


def _row(at: Reading | Writing, key: bytes) -> TagRow | None:
    """The row of the tag with that digest."""
    record = at.txn.get(key, db=at.tables.tags)
    return None if record is None else unpack_row(record)
