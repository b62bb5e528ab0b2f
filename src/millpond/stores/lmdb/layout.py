"""How the embedded store writes things down: names of tables, keys and records. A change of any is a new LAYOUT."""

from __future__ import annotations

import struct
from functools import lru_cache
from hashlib import blake2b
from math import isnan, nan
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec

from millpond.policy.tags import TagRow

if TYPE_CHECKING:
    from millpond.policy.entry import Entry

Table: TypeAlias = Any
"""A handle of lmdb's, whose class has no public name."""
LAYOUT = b"millpond store, layout 1"
"""What the first record says; a file that says anything else is not read."""
LAYOUT_KEY, IDENTITY_KEY, STATE_KEY = b"layout", b"identity", b"state"
SETTLED_KEY = b"settled"
"""When all processes of the machine know of this file, by their common clock."""
SUCCEEDED_KEY = b"succeeded "
"""With the identity of a file that this one has taken the place of -> device and inode of this one then."""

DIGEST_BYTES, MARK_BYTES = 16, 8


class Tables(NamedTuple):
    """The tables of one environment. Keys are digests, because LMDB's may have 511 bytes and ours are any strings."""

    meta: Table
    entries: Table
    """digest of the key -> frame."""
    kept: Table
    """digest of the key -> `EntryRow`: what is asked about an entry without reading it."""
    by_use: Table
    """use, digest of the key -> nothing: the order of eviction."""
    tags: Table
    """digest of the tag -> row."""
    by_age: Table
    """generation of the row, digest of the tag -> nothing: the order in which rows are given up."""
    condemned: Table
    """digest of the tag -> nothing: rows that were given up, and go at the next pruning."""
    journal: Table
    """generation -> when it began."""
    leases: Table
    """digest of the key -> deadline, token."""


_STATE = struct.Struct(">QQQQQ")


class State(msgspec.Struct):
    """The store's counters."""

    generation: int = 0
    uses: int = 0
    """Counts writes and noted reads of entries; each entry keeps the number of its last one."""
    size: int = 0
    """What all entries count together."""
    floor: int = 0
    """The highest generation that a row had when it was given up."""
    lost: int = 0
    """The generation below which invalidations are unknown, as the file that held them was given up; 0: none."""

    def pack(self) -> bytes:
        return _STATE.pack(self.generation, self.uses, self.size, self.floor, self.lost)

    @classmethod
    def unpack(cls, record: bytes) -> State:
        return cls(*_STATE.unpack(record))


_KEPT = struct.Struct(f">QQQdQQ{MARK_BYTES}s")
NO_BUILD = bytes(MARK_BYTES)


class EntryRow(NamedTuple):
    """What is known of an entry without decoding its frame."""

    version: int
    """The transaction that wrote it: another one, another entry. It comes first: see `version_of`."""
    size: int
    use: int
    rendered_at: float
    generation: int
    hits: int
    build: bytes
    """Mark of the build that it belongs to; `NO_BUILD` for data."""
    tags: bytes = b""
    """Marks of its tags, one after the other."""

    def pack(self) -> bytes:
        return _KEPT.pack(*self[:-1]) + self.tags

    @classmethod
    def unpack(cls, record: bytes) -> EntryRow:
        return cls._make((*_KEPT.unpack_from(record), record[_KEPT.size :]))

    def carries(self, generations: dict[bytes, int]) -> bool:
        """Whether a tag of it is among the marks with a generation later than its own."""
        return any(
            generations.get(self.tags[start : start + MARK_BYTES], 0) > self.generation
            for start in range(0, len(self.tags), MARK_BYTES)
        )


def version_of(record: bytes) -> bytes:
    """The version in a packed `EntryRow`, to be compared only."""
    return record[:8]


def packed_version(transaction: int) -> bytes:
    """The version of what a transaction writes, as `version_of` gives it."""
    return number(transaction)


_NUMBER = struct.Struct(">Q")


def number(value: int) -> bytes:
    """As part of a key: bytes that sort as numbers do."""
    return _NUMBER.pack(value)


def number_in(record: bytes) -> int:
    """The number that a key or record begins with."""
    value: int = _NUMBER.unpack_from(record)[0]
    return value


@lru_cache(maxsize=8192)
def digest(name: str) -> bytes:
    """The key of an entry, a lease or a tag. A lone surrogate is a character like any other."""
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()


def build_mark(entry: Entry) -> bytes:
    """Tells the builds of answers apart; data belongs to none."""
    if entry.kind != "response":
        return NO_BUILD
    return blake2b(entry.build.encode(), digest_size=MARK_BYTES).digest()


def tag_marks(tags: tuple[str, ...]) -> bytes:
    """The beginnings of the tags' digests. That two are the same costs an entry, and never an invalidation."""
    return b"".join(digest(tag)[:MARK_BYTES] for tag in tags)


_ROW, _NAME_BYTES = struct.Struct(">QQQd"), 256


def pack_row(tag: str, row: TagRow) -> bytes:
    """A tag's row, with the beginning of its name for whoever lists them."""
    expire_at = nan if row.expire_at is None else row.expire_at
    name = tag.encode("utf-8", "surrogatepass")[:_NAME_BYTES]
    return _ROW.pack(row.generation, row.expired, row.expiring, expire_at) + name


def unpack_row(record: bytes) -> TagRow:
    generation, expired, expiring, expire_at = _ROW.unpack_from(record)
    return TagRow(generation, expired, expiring, None if isnan(expire_at) else expire_at)


def tag_in(record: bytes) -> str:
    """The name in a packed row; of a long one its first 256 bytes."""
    return record[_ROW.size :].decode("utf-8", "replace")


_LEASE = struct.Struct(">d")


def pack_lease(deadline: float, token: str) -> bytes:
    return _LEASE.pack(deadline) + token.encode()


def unpack_lease(record: bytes) -> tuple[float, str]:
    """The deadline, by the machine's monotonic clock, and the holder's token."""
    return _LEASE.unpack_from(record)[0], record[_LEASE.size :].decode()


_MOMENT = struct.Struct(">d")


def pack_moment(seconds: float) -> bytes:
    return _MOMENT.pack(seconds)


def unpack_moment(record: bytes) -> float:
    """Seconds since the epoch."""
    seconds: float = _MOMENT.unpack(record)[0]
    return seconds
