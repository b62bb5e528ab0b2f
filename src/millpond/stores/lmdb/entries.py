"""Entries in a transaction of the embedded store: put, drop, read counts, and the byte limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lmdb

from millpond.policy.eviction import MAX_READS, Queue, reads_after_turn, takes_from
from millpond.policy.key import is_shared
from millpond.policy.precedence import outlives_seed
from millpond.stores.frame import decode_frame
from millpond.stores.lmdb.layout import (
    DIGEST_BYTES,
    EntryRow,
    build_mark,
    digest,
    number,
    route_part,
    tag_marks,
    turn,
)
from millpond.stores.store_figures import Eviction, StoreFigures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from millpond.policy.entry import Entry
    from millpond.stores.lmdb.open_transaction import Reading, Writing


def size_of(entry: Entry, frame: bytes) -> int:
    """The bytes that an entry counts: the larger of `Entry.size` and its frame."""
    return max(entry.size, len(frame))


def kept(at: Reading | Writing, key: bytes) -> EntryRow | None:
    """The row of the entry with that digest, if it is stored."""
    record = at.txn.get(key, db=at.tables.kept)
    return None if record is None else EntryRow.unpack(record)


def outlives(at: Reading | Writing, seed: Entry) -> bool:
    """Whether what is stored stays, as it is newer than a seed: of the same build, or of one that shares its answer."""
    held, mark = kept(at, digest(seed.key)), build_mark(seed)
    if held is None:
        return False
    is_shared_answer = is_shared(seed.key) and route_part(held.build) == route_part(mark)
    return (held.build == mark or is_shared_answer) and outlives_seed(held, seed)


def put(writing: Writing, entry: Entry, frame: bytes) -> None:
    """Store an entry. It takes the place of the key's former one; a new one is on probation, unless it returns."""
    txn, tables, state, _ = writing
    key = digest(entry.key)
    former = kept(writing, key)
    state.uses += 1
    size = size_of(entry, frame)
    if former is None:
        state.places += 1
        queue = Queue.MAIN if _has_returned(writing, key) else Queue.PROBATION
        place, hits, reads = state.places, 0, 0
        txn.put(turn(queue, place, key), b"", db=tables.by_place)
    else:
        place, queue, hits, reads = former.place, former.queue, former.hits, former.reads
        _count(writing, queue, -former.size)
    record = EntryRow(
        version=txn.id(),
        size=size,
        use=state.uses,
        rendered_at=entry.rendered_at,
        generation=entry.generation,
        hits=hits,
        build=build_mark(entry),
        place=place,
        queue=queue,
        reads=reads,
        tags=tag_marks(entry.tags),
    )
    _count(writing, queue, size)
    txn.put(key, frame, db=tables.entries)
    txn.put(key, record.pack(), db=tables.kept)


def drop(writing: Writing, key: bytes) -> None:
    """Drop the entry with that digest, if there is one."""
    known = kept(writing, key)
    if known is not None:
        _drop(writing, key, known)


def _drop(writing: Writing, key: bytes, known: EntryRow) -> None:
    txn, tables, *_ = writing
    _count(writing, known.queue, -known.size)
    txn.delete(known.turn(key), db=tables.by_place)
    txn.delete(key, db=tables.kept)
    txn.delete(key, db=tables.entries)


def _count(writing: Writing, queue: Queue, size: int) -> None:
    writing.state.size += size
    if queue is Queue.PROBATION:
        writing.state.probation += size


def evict(writing: Writing, max_bytes: int, room: int, turns: int, spared: bytes = b"") -> bool:
    """Evict entries by S3-FIFO until the rest counts at most `room` bytes; see `policy/eviction.py`.

    Args:
        writing: the transaction.
        max_bytes: the limit for all entries, of which the probation queue has its share.
        room: what the entries may count afterwards.
        turns: how many entries may have their turn: this bounds the time.
        spared: the digest of an entry that isn't evicted.

    Returns:
        Whether there is room; if not, call it again in another transaction.
    """
    txn, tables, state, _ = writing
    with txn.cursor(db=tables.by_place) as cursor:
        for _ in range(turns):
            if state.size <= room:
                return True
            queue = takes_from(state.probation, state.size - state.probation, max_bytes)
            found = _first(cursor, queue, spared) or _first(cursor, Queue(1 - queue), spared)
            if found is None:
                return state.size <= room
            _take_turn(writing, found)
    return state.size <= room


def _first(cursor: lmdb.Cursor[bytes], queue: Queue, spared: bytes) -> bytes | None:
    """The digest of the oldest entry in a queue, other than `spared`."""
    found = cursor.set_range(bytes((queue,)))
    if found and cursor.key()[-DIGEST_BYTES:] == spared:
        found = cursor.next()
    key = cursor.key()
    return key[-DIGEST_BYTES:] if found and key[0] == queue else None


def _take_turn(writing: Writing, key: bytes) -> None:
    txn, tables, state, evicted = writing
    known = EntryRow.unpack(txn.get(key, b"", db=tables.kept))
    left = reads_after_turn(known.queue, known.reads)
    if left is None:
        _drop(writing, key, known)
        evicted.append(Eviction(known.rendered_at, was_read=known.hits > 0))
        if known.queue is Queue.PROBATION:
            _remember(writing, key)
        return
    state.places += 1
    again = known._replace(queue=Queue.MAIN, place=state.places, reads=left)
    txn.delete(known.turn(key), db=tables.by_place)
    txn.put(again.turn(key), b"", db=tables.by_place)
    txn.put(key, again.pack(), db=tables.kept)
    if known.queue is Queue.PROBATION:
        state.probation -= known.size


def _remember(writing: Writing, key: bytes) -> None:
    """Remember an evicted key; as many are remembered as there are entries."""
    txn, tables, state, _ = writing
    state.places += 1
    txn.put(key, number(state.places), db=tables.ghosts)
    txn.put(number(state.places) + key, b"", db=tables.by_ghost)
    for _ in range(2):  # one comes, and the number of entries may have become smaller
        if txn.stat(tables.by_ghost)["entries"] <= txn.stat(tables.kept)["entries"]:
            return
        with txn.cursor(db=tables.by_ghost) as cursor:
            if not cursor.first():
                return
            oldest = cursor.key()
        txn.delete(oldest, db=tables.by_ghost)
        txn.delete(oldest[-DIGEST_BYTES:], db=tables.ghosts)


def _has_returned(writing: Writing, key: bytes) -> bool:
    """Whether the key is remembered as evicted; from now on it isn't."""
    txn, tables, *_ = writing
    place = txn.get(key, db=tables.ghosts)
    if place is None:
        return False
    txn.delete(key, db=tables.ghosts)
    txn.delete(place + key, db=tables.by_ghost)
    return True


def note_reads(writing: Writing, reads: Mapping[str, int]) -> None:
    """Count hits.

    Args:
        writing: the transaction.
        reads: key -> how often it was read; least recently read first.
    """
    txn, tables, state, _ = writing
    for name, times in reads.items():
        key = digest(name)
        known = kept(writing, key)
        if known is None:
            continue
        state.uses += 1
        counted = known._replace(use=state.uses, hits=known.hits + times, reads=min(MAX_READS, known.reads + times))
        txn.put(key, counted.pack(), db=tables.kept)


def figures_of(reading: Callable[[], AbstractContextManager[Reading]], limit: int) -> StoreFigures | None:
    """How full the store is, of which `limit` is the byte limit; None: it can't be read, as the next write will say."""
    try:
        with reading() as at:
            return StoreFigures(at.state().size, limit, at.txn.stat(at.tables.kept)["entries"])
    except lmdb.Error:
        return None


def walk(reading: Callable[[], AbstractContextManager[Reading]]) -> Iterator[Entry]:
    """Every entry that is there now, in no particular order; those that go meanwhile are left out.

    Args:
        reading: begins a read transaction: one for each entry, so that a slow reader pins no pages.
    """
    with reading() as (txn, tables), txn.cursor(db=tables.kept) as cursor:
        keys = list(cursor.iternext(keys=True, values=False))
    return _decoded(reading, keys)


def _decoded(reading: Callable[[], AbstractContextManager[Reading]], keys: list[bytes]) -> Iterator[Entry]:
    for key in keys:
        with reading() as (txn, tables):
            frame = txn.get(key, db=tables.entries)
        entry = None if frame is None else decode_frame(frame)
        if entry is not None:
            yield entry


def is_kept(held: EntryRow | None, entry: Entry) -> bool:
    """Whether the stored entry is the same render as `entry`."""
    return held is not None and (held.generation, held.rendered_at) == (entry.generation, entry.rendered_at)
