"""Leases in a transaction of the embedded store. Deadlines are times of the machine's monotonic clock."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from millpond.stores.contract import Lease
from millpond.stores.lmdb.layout import digest, pack_lease, unpack_lease

if TYPE_CHECKING:
    from millpond.stores.lmdb.open_transaction import Reading, Writing

_LEASES_UNTIL_SWEEP = 1024


def is_free(at: Reading | Writing, key: str, now: float) -> bool:
    """Whether the lease of `key` is not held."""
    record = at.txn.get(digest(key), db=at.tables.leases)
    return record is None or unpack_lease(record)[0] <= now


def holds(at: Reading | Writing, lease: Lease, now: float) -> bool:
    """Whether this lease is the current one of its key, and has not expired."""
    record = at.txn.get(digest(lease.key), db=at.tables.leases)
    if record is None:
        return False
    deadline, token = unpack_lease(record)
    return token == lease.token and deadline > now


def is_current(at: Reading | Writing, lease: Lease) -> bool:
    """Whether nobody has given this lease back, or has got it since; it may have expired."""
    record = at.txn.get(digest(lease.key), db=at.tables.leases)
    return record is not None and unpack_lease(record)[1] == lease.token


def grant(writing: Writing, key: str, now: float, seconds: float) -> Lease | None:
    """A lease of `key`, or None while another holder's has not expired."""
    if not is_free(writing, key, now):
        return None
    lease = Lease(key, secrets.token_hex(8))
    extend(writing, lease, now, seconds)
    return lease


def extend(writing: Writing, lease: Lease, now: float, seconds: float) -> None:
    """Set the deadline of a lease to `seconds` from now."""
    writing.txn.put(digest(lease.key), pack_lease(now + seconds, lease.token), db=writing.tables.leases)


def give_back(writing: Writing, lease: Lease) -> bool:
    """Release a lease; False if another holder has it by now."""
    if not is_current(writing, lease):
        return False
    writing.txn.delete(digest(lease.key), db=writing.tables.leases)
    return True


def sweep(writing: Writing, now: float, limit: int) -> int:
    """Delete expired leases if there are more than `limit` leases; return the limit for the next call.

    Doubling the limit keeps the cost O(1) per lease.
    """
    txn, table = writing.txn, writing.tables.leases
    if txn.stat(table)["entries"] <= limit:
        return limit
    with txn.cursor(db=table) as cursor:
        over = [key for key, record in cursor if unpack_lease(record)[0] <= now]
    for key in over:
        txn.delete(key, db=table)
    return max(_LEASES_UNTIL_SWEEP, 2 * txn.stat(table)["entries"])
