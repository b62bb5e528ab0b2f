"""A transaction of the embedded store, with the tables that it works on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from millpond.stores.lmdb.layout import STATE_KEY, State

if TYPE_CHECKING:
    import lmdb

    from millpond.stores.lmdb.layout import Tables
    from millpond.stores.store_figures import Eviction


class Writing(NamedTuple):
    """One write transaction, with the counters as they will be committed."""

    txn: lmdb.Transaction[bytes]
    tables: Tables
    state: State
    evicted: list[Eviction]
    """What it evicts, to be told when it is committed."""


class Reading(NamedTuple):
    """One read transaction. It sees the store as it was when it began, and pins those pages until it ends."""

    txn: lmdb.Transaction[bytes]
    tables: Tables

    def state(self) -> State:
        return State.unpack(self.txn.get(STATE_KEY, b"", db=self.tables.meta))
