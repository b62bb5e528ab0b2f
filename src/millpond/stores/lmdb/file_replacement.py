"""How a new data file continues from one that was removed or replaced while it was in use."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from millpond.policy.tags import TagRow
from millpond.stores.lmdb.layout import (
    SETTLED_KEY,
    SUCCEEDED_KEY,
    number,
    pack_moment,
    unpack_moment,
)

if TYPE_CHECKING:
    from millpond.stores.lmdb.open_transaction import Reading, Writing

LOOK_SECONDS = 0.5
"""Seconds between a process's checks whether the file that it has open is still the folder's."""
_NOTICED_SECONDS = LOOK_SECONDS + 1.1
"""Seconds after which no process answers from a former file: a decision for a hit stays valid for up to a second."""


class Predecessor(NamedTuple):
    """The data file that a process had open before."""

    identity: bytes
    generation: int
    """The last known value of its generation counter."""


def succeed(writing: Writing, predecessor: Predecessor, file: tuple[int, int], now: float) -> int:
    """Make a new file continue from the former one, whose invalidations are lost.

    Its entries may be older than those invalidations, so they are dropped, and its counter continues above the former
    one. A record tells other processes with the same predecessor that this was done. A copy of the file has that
    record, too, but another inode.

    Args:
        writing: a transaction in the successor.
        predecessor: the former file.
        file: device and inode of the successor.
        now: seconds since the epoch.

    Returns:
        The first generation whose entries are valid.
    """
    txn, tables, state, _ = writing
    known, mark = SUCCEEDED_KEY + predecessor.identity, b"%d:%d" % file
    happened = txn.get(known, db=tables.meta) == mark
    if happened and state.lost > predecessor.generation:
        return state.lost
    if not happened:
        for table in (tables.entries, tables.kept, tables.by_place):
            txn.drop(table, delete=False)
        state.size = state.probation = 0
    state.generation = state.lost = max(state.generation, predecessor.generation) + 1
    # The counter skips numbers, and `moments` needs a journal without gaps.
    txn.drop(tables.journal, delete=False)
    txn.put(number(state.generation), pack_moment(now), db=tables.journal)
    txn.put(known, mark, db=tables.meta)
    announce(writing)
    return state.lost


def superseding(row: TagRow | None, since: int) -> TagRow | None:
    """The row of a tag for a process that had the former file open: what it rendered before may not be served."""
    if not since:
        return row
    row = row or TagRow(since)
    return TagRow(max(row.generation, since), max(row.expired, since), row.expiring, row.expire_at)


def announce(writing: Writing) -> None:
    """Record that some processes may not have noticed this file yet."""
    writing.txn.put(SETTLED_KEY, pack_moment(time.monotonic() + _NOTICED_SECONDS), db=writing.tables.meta)


def settled_at(at: Reading) -> float:
    """The time by which every process has noticed the file, by the machine's monotonic clock."""
    record = at.txn.get(SETTLED_KEY, db=at.tables.meta)
    if record is None:
        return 0.0
    moment = unpack_moment(record)
    # A later time was written before a reboot, which resets the clock.
    return moment if moment <= time.monotonic() + _NOTICED_SECONDS else 0.0
