"""Tag rows and the journal of invalidations, in a transaction of the embedded store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.policy.tags import TagRow, invalidated
from millpond.stores.lmdb.entries import drop_fenced
from millpond.stores.lmdb.layout import (
    MARK_BYTES,
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


def invalidate(writing: Writing, tags: Iterable[str], now: float, expire_after: float | None, max_tags: int) -> int:
    """Count one invalidation, write its rows, and prune the oldest rows when there are too many."""
    txn, tables, state = writing
    state.generation += 1
    for tag in tags:
        key = digest(tag)
        former = row_of(writing, tag, state.lost)
        if former is not None:
            txn.delete(number(former.generation) + key, db=tables.by_age)
        txn.delete(key, db=tables.condemned)
        row = invalidated(former, state.generation, now, expire_after)
        txn.put(key, pack_row(tag, row), db=tables.tags)
        txn.put(number(state.generation) + key, b"", db=tables.by_age)
    _record_moment(writing, now)
    if txn.stat(tables.by_age)["entries"] > max_tags:
        _prune(writing, max_tags)
    return state.generation


def moments(at: Reading | Writing) -> list[float]:
    """When the latest invalidations happened, oldest first; seconds since the epoch."""
    with at.txn.cursor(db=at.tables.journal) as cursor:
        return [unpack_moment(record) for record in cursor.iternext(keys=False, values=True)]


def _record_moment(writing: Writing, now: float) -> None:
    txn, tables, state = writing
    last = txn.get(number(state.generation - 1), db=tables.journal)
    # If the clock was set back, the moment is too late rather than too early: more seeds count as invalidated.
    moment = now if last is None else max(now, unpack_moment(last))
    txn.put(number(state.generation), pack_moment(moment), db=tables.journal)
    if state.generation > _INVALIDATIONS_REMEMBERED:
        txn.delete(number(state.generation - _INVALIDATIONS_REMEMBERED), db=tables.journal)


def _prune(writing: Writing, max_tags: int) -> None:
    """Prune the oldest eighth of the rows, and every entry that no other row marks as invalidated.

    The rows themselves are deleted at the next pruning: a reader may hold such an entry, and read its rows next.
    """
    txn, tables, state = writing
    with txn.cursor(db=tables.condemned) as cursor:
        gone = list(cursor.iternext(keys=True, values=False))
    for key in gone:
        txn.delete(key, db=tables.tags)
    txn.drop(tables.condemned, delete=False)
    excess = txn.stat(tables.by_age)["entries"] - max_tags + max_tags // 8
    generations: dict[bytes, int] = {}
    with txn.cursor(db=tables.by_age) as cursor:
        for age in [age for age, _ in zip(cursor.iternext(keys=True, values=False), range(excess), strict=False)]:
            key = age[8:]
            txn.delete(age, db=tables.by_age)
            txn.put(key, b"", db=tables.condemned)
            mark = key[:MARK_BYTES]
            generations[mark] = max(number_in(age), generations.get(mark, 0))
    state.floor = max(state.floor, *generations.values())
    drop_fenced(writing, generations)
