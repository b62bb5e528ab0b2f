"""Tag rows and the journal of invalidations, in a transaction of the embedded store."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from millpond.policy.tags import TagRow, invalidated
from millpond.stores.lmdb.layout import (
    aged,
    digest,
    number,
    number_in,
    pack_moment,
    pack_row,
    unpack_moment,
    unpack_row,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from millpond.stores.lmdb.open_transaction import Reading, Writing

_INVALIDATIONS_REMEMBERED = 10_000


def row_of(at: Reading | Writing, tag: str, lost: int) -> TagRow | None:
    """The row of a tag. Invalidations that were lost with their file are assumed to apply to every tag.

    They count as soft: an entry from before the loss may be served stale once more, while it is rendered again.
    """
    record = at.txn.get(digest(tag), db=at.tables.tags)
    if record is not None:
        return unpack_row(record)
    return TagRow(lost) if lost else None


def invalidate(writing: Writing, tags: Iterable[str], now: float, expire_after: float | None) -> int:
    """Count one invalidation, and write its rows. Old rows are pruned by `upkeep/pruning.py`."""
    txn, tables, state, _ = writing
    state.generation += 1
    for tag in tags:
        key = digest(tag)
        former = txn.get(key, db=tables.tags)
        if former is not None:
            _forget_age(writing, key, former)
        row = invalidated(row_of(writing, tag, state.lost), state.generation, now, expire_after)
        txn.put(key, pack_row(tag, row, _grow_older(writing, key)), db=tables.tags)
    _record_moment(writing, now)
    return state.generation


def renew(writing: Writing, key: bytes) -> None:
    """Make the row with that digest the youngest, and no longer condemned: there is an entry that needs it."""
    txn, tables, *_ = writing
    record = txn.get(key, db=tables.tags)
    if record is not None:
        _forget_age(writing, key, record)
        txn.put(key, aged(record, _grow_older(writing, key)), db=tables.tags)


def written_since(at: Reading, ages: int, most: int) -> list[bytes] | None:
    """The digests of the rows that were written after the first `ages` of them; None: more than `most`."""
    with at.txn.cursor(db=at.tables.by_age) as cursor:
        if not cursor.set_range(number(ages + 1)):
            return []
        keys = list(itertools.islice(cursor.iternext(keys=True, values=False), most + 1))
    return None if len(keys) > most else [key[8:] for key in keys]


def _forget_age(writing: Writing, key: bytes, record: bytes) -> None:
    writing.txn.delete(number(number_in(record)) + key, db=writing.tables.by_age)
    writing.txn.delete(key, db=writing.tables.condemned)


def _grow_older(writing: Writing, key: bytes) -> int:
    """Let all other rows be older than this one; returns its age, which is the number of rows written so far."""
    writing.state.ages += 1
    writing.txn.put(number(writing.state.ages) + key, b"", db=writing.tables.by_age)
    return writing.state.ages


def moments(at: Reading | Writing) -> list[float]:
    """When the latest invalidations happened, oldest first; seconds since the epoch."""
    with at.txn.cursor(db=at.tables.journal) as cursor:
        return [unpack_moment(record) for record in cursor.iternext(keys=False, values=True)]


def _record_moment(writing: Writing, now: float) -> None:
    txn, tables, state, _ = writing
    last = txn.get(number(state.generation - 1), db=tables.journal)
    # If the clock was set back, the moment is too late rather than too early: more seeds count as invalidated.
    moment = now if last is None else max(now, unpack_moment(last))
    txn.put(number(state.generation), pack_moment(moment), db=tables.journal)
    if state.generation > _INVALIDATIONS_REMEMBERED:
        txn.delete(number(state.generation - _INVALIDATIONS_REMEMBERED), db=tables.journal)
