"""When the data file of an embedded store was removed or replaced while it was in use: how the new one continues."""

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
"""How often a process looks whether the file that it has open is still the folder's."""
_NOTICED_SECONDS = LOOK_SECONDS + 1.1
"""After so long nobody answers from a former file: what was found to be a hit counts as one for a second more."""


class Predecessor(NamedTuple):
    """The data file that a process had open before."""

    identity: bytes
    generation: int
    """The counter, as it was left."""


def succeed(writing: Writing, predecessor: Predecessor, file: tuple[int, int], now: float) -> int:
    """Let a new file continue from the former one, whose invalidations are lost.

    Entries in it may be older than those, so they are dropped, and its counter continues above the former one. Another
    process with the same predecessor sees that this has been done. A copy of the file says the same, but has another
    inode.

    Args:
        writing: a transaction in the successor.
        predecessor: the other.
        file: device and inode of the successor.
        now: seconds since the epoch.

    Returns:
        The generation from which on entries count.
    """
    txn, tables, state = writing
    known, mark = SUCCEEDED_KEY + predecessor.identity, b"%d:%d" % file
    happened = txn.get(known, db=tables.meta) == mark
    if happened and state.lost > predecessor.generation:
        return state.lost
    if not happened:
        for table in (tables.entries, tables.kept, tables.by_use):
            txn.drop(table, delete=False)
        state.size = 0
    state.generation = state.lost = max(state.generation, predecessor.generation) + 1
    # With numbers left out the journal's can't be counted back from its end.
    txn.drop(tables.journal, delete=False)
    txn.put(number(state.generation), pack_moment(now), db=tables.journal)
    txn.put(known, mark, db=tables.meta)
    announce(writing)
    return state.lost


def superseding(row: TagRow | None, since: int) -> TagRow | None:
    """The row of a tag for a process that had the former file: what it rendered before may not be served."""
    if not since:
        return row
    row = row or TagRow(since)
    return TagRow(max(row.generation, since), max(row.expired, since), row.expiring, row.expire_at)


def announce(writing: Writing) -> None:
    """Note that there may be processes which have not noticed this file yet."""
    writing.txn.put(SETTLED_KEY, pack_moment(time.monotonic() + _NOTICED_SECONDS), db=writing.tables.meta)


def settled_at(at: Reading) -> float:
    """When every process has noticed the file, by the clock that all of a machine share."""
    record = at.txn.get(SETTLED_KEY, db=at.tables.meta)
    if record is None:
        return 0.0
    moment = unpack_moment(record)
    # One that is too late is of another boot, in which the clock was ahead.
    return moment if moment <= time.monotonic() + _NOTICED_SECONDS else 0.0
