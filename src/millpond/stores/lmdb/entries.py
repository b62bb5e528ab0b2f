"""Entries in a transaction of the embedded store: put, drop, least-recently-used order, and the byte limit."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from millpond.stores.lmdb.layout import DIGEST_BYTES, NO_BUILD, EntryRow, build_mark, digest, number, tag_marks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from millpond.policy.entry import Entry
    from millpond.stores.lmdb.open_transaction import Reading, Writing


def size_of(entry: Entry, frame: bytes) -> int:
    """The bytes that an entry counts: the larger of `Entry.size` and its frame."""
    return max(entry.size, len(frame))


def kept(at: Reading | Writing, key: bytes) -> EntryRow | None:
    """The row of the entry with that digest, if it is stored."""
    record = at.txn.get(key, db=at.tables.kept)
    return None if record is None else EntryRow.unpack(record)


def put(writing: Writing, entry: Entry, frame: bytes) -> None:
    """Store an entry as the most recently used one."""
    txn, tables, state = writing
    key = digest(entry.key)
    former = kept(writing, key)
    if former is not None:
        txn.delete(number(former.use) + key, db=tables.by_use)
        state.size -= former.size
    state.uses += 1
    record = EntryRow(
        version=txn.id(),
        size=size_of(entry, frame),
        use=state.uses,
        rendered_at=entry.rendered_at,
        generation=entry.generation,
        hits=0 if former is None else former.hits,
        build=build_mark(entry),
        tags=tag_marks(entry.tags),
    )
    state.size += record.size
    txn.put(key, frame, db=tables.entries)
    txn.put(key, record.pack(), db=tables.kept)
    txn.put(number(record.use) + key, b"", db=tables.by_use)


def drop(writing: Writing, key: bytes) -> None:
    """Drop the entry with that digest, if there is one."""
    txn, tables, state = writing
    known = kept(writing, key)
    if known is None:
        return
    state.size -= known.size
    txn.delete(number(known.use) + key, db=tables.by_use)
    txn.delete(key, db=tables.kept)
    txn.delete(key, db=tables.entries)


def evict(writing: Writing, max_bytes: int, max_entries: int | None = None) -> None:
    """Drop the least recently used entries until the rest counts at most `max_bytes`; at most `max_entries` of them."""
    txn, tables, state = writing
    for _ in itertools.count() if max_entries is None else range(max_entries):
        if state.size <= max_bytes:
            return
        with txn.cursor(db=tables.by_use) as cursor:
            if not cursor.first():
                return
            oldest = cursor.key()[-DIGEST_BYTES:]
        drop(writing, oldest)


def note_reads(writing: Writing, reads: Mapping[str, int]) -> None:
    """Count hits, and move the entries that were read to the end of the eviction order.

    Entries among the last eighth of that order aren't moved, so that a frequently read entry isn't written constantly.

    Args:
        writing: the transaction.
        reads: key -> how often it was read; least recently read first.
    """
    txn, tables, state = writing
    slack = txn.stat(tables.kept)["entries"] // 8
    for name, times in reads.items():
        key = digest(name)
        known = kept(writing, key)
        if known is None:
            continue
        use = known.use
        if state.uses - use > slack:
            txn.delete(number(use) + key, db=tables.by_use)
            state.uses = use = state.uses + 1
            txn.put(number(use) + key, b"", db=tables.by_use)
        txn.put(key, known._replace(use=use, hits=known.hits + times).pack(), db=tables.kept)


def is_kept(held: EntryRow | None, entry: Entry) -> bool:
    """Whether the stored entry is the same render as `entry`."""
    return held is not None and (held.generation, held.rendered_at) == (entry.generation, entry.rendered_at)


def drop_other_builds(writing: Writing, seeds: Iterable[Entry]) -> None:
    """Drop the answers of builds that none of the seeds belongs to: they are never served again."""
    marks = {build_mark(seed) for seed in seeds if seed.kind == "response"}
    if not marks:
        return
    with writing.txn.cursor(db=writing.tables.kept) as cursor:
        others = [key for key, record in cursor if _belongs_elsewhere(EntryRow.unpack(record), marks)]
    for key in others:
        drop(writing, key)


def _belongs_elsewhere(known: EntryRow, marks: set[bytes]) -> bool:
    return known.build != NO_BUILD and known.build not in marks


def drop_fenced(writing: Writing, generations: dict[bytes, int]) -> None:
    """Drop every entry that one of these rows invalidates.

    Args:
        writing: the transaction.
        generations: mark of the tag -> generation of its row.
    """
    latest = max(generations.values(), default=0)
    with writing.txn.cursor(db=writing.tables.kept) as cursor:
        known = ((key, EntryRow.unpack(record)) for key, record in cursor)
        fenced = [key for key, one in known if one.generation < latest and one.carries(generations)]
    for key in fenced:
        drop(writing, key)
