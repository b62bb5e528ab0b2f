"""The file layout of the embedded store: tables, keys and records. Any change needs a new LAYOUT."""

from __future__ import annotations

import struct
from functools import lru_cache
from hashlib import blake2b
from math import isnan, nan
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec

from millpond.policy.eviction import Queue
from millpond.policy.key import fingerprint_in
from millpond.policy.tags import TagRow

if TYPE_CHECKING:
    from millpond.policy.entry import Entry

Table: TypeAlias = Any
"""A database handle of lmdb, whose class has no public name."""
LAYOUT = b"millpond store, layout 2"
"""The value of the layout record; a file with another value is not read."""
LAYOUT_KEY, IDENTITY_KEY, STATE_KEY = b"layout", b"identity", b"state"
SETTLED_KEY = b"settled"
"""The key of the time by which all processes of the machine know this file, by the machine's monotonic clock."""
SUCCEEDED_KEY = b"succeeded "
"""A key prefix, followed by the identity of a replaced file -> device and inode of this file at that time."""

DIGEST_BYTES, MARK_BYTES = 16, 8
_ROUTE_BYTES = 4
"""The part of an answer's mark that stands for its route, where builds share it."""


class Tables(NamedTuple):
    """The tables of one environment. Keys are digests: LMDB limits keys to 511 bytes, while ours are any strings."""

    meta: Table
    entries: Table
    """digest of the key -> frame."""
    kept: Table
    """digest of the key -> `EntryRow`: facts about an entry that are read without decoding it."""
    by_place: Table
    """queue, place, digest of the key -> nothing: the order in which entries have their turn to be evicted."""
    ghosts: Table
    """digest of a key -> place: evicted entries whose return is noticed."""
    by_ghost: Table
    """place, digest of the key -> nothing: the order in which ghosts are forgotten."""
    tags: Table
    """digest of the tag -> row."""
    by_age: Table
    """age of the row, digest of the tag -> nothing: the order in which rows are looked at for pruning."""
    condemned: Table
    """digest of the tag -> nothing: pruned rows, which are deleted by the next pruning."""
    journal: Table
    """generation -> when it began, in seconds since the epoch."""
    leases: Table
    """digest of the key -> deadline, token."""


_STATE = struct.Struct(">QQQQQQQQ")


class State(msgspec.Struct):
    """The store's counters."""

    generation: int = 0
    uses: int = 0
    """Counts writes and recorded reads of entries; each entry has the number of its last one."""
    size: int = 0
    """The sum of the entries' sizes."""
    floor: int = 0
    """The highest generation of a row that is gone."""
    lost: int = 0
    """The generation below which invalidations are unknown, since their file was abandoned; 0: none."""
    places: int = 0
    """Counts how often an entry joined the end of a queue."""
    probation: int = 0
    """The part of `size` that is on probation."""
    ages: int = 0
    """Counts how often the row of a tag was written."""

    def pack(self) -> bytes:
        return _STATE.pack(
            self.generation,
            self.uses,
            self.size,
            self.floor,
            self.lost,
            self.places,
            self.probation,
            self.ages,
        )

    @classmethod
    def unpack(cls, record: bytes) -> State:
        return cls(*_STATE.unpack(record))


_KEPT = struct.Struct(f">QQQdQQ{MARK_BYTES}sQBB")
_GENERATION_AT, _BUILD_AT = 32, 48
NO_BUILD = bytes(MARK_BYTES)


class EntryRow(NamedTuple):
    """The facts about an entry that need no decoding of its frame."""

    version: int
    """The transaction that wrote it, which differs for each write. It comes first: see `version_of`."""
    size: int
    use: int
    """The larger, the later it was written or read."""
    rendered_at: float
    generation: int
    hits: int
    build: bytes
    """The mark of its build, see `build_mark`; `NO_BUILD` for data."""
    place: int
    """In its queue."""
    queue: Queue
    reads: int
    """Reads that count for its next turn; see `policy/eviction.py`."""
    tags: bytes = b""
    """The marks of its tags, concatenated; see `marks_in`."""

    def pack(self) -> bytes:
        return _KEPT.pack(*self[:-1]) + self.tags

    @classmethod
    def unpack(cls, record: bytes) -> EntryRow:
        *facts, queue, reads = _KEPT.unpack_from(record)
        return cls._make((*facts, Queue(queue), reads, record[_KEPT.size :]))

    def turn(self, key: bytes) -> bytes:
        """The key in `Tables.by_place` of the entry with that digest."""
        return turn(self.queue, self.place, key)


def turn(queue: Queue, place: int, key: bytes) -> bytes:
    """A key in `Tables.by_place`."""
    return bytes((queue,)) + number(place) + key


def version_of(record: bytes) -> bytes:
    """The version in a packed `EntryRow`, for comparison only."""
    return record[:8]


def generation_of(record: bytes) -> bytes:
    """The generation in a packed `EntryRow`, for comparison with a `number`."""
    return record[_GENERATION_AT : _GENERATION_AT + 8]


def marks_in(record: bytes) -> list[bytes]:
    """The marks of the tags in a packed `EntryRow`, one by one."""
    return [record[start : start + MARK_BYTES] for start in range(_KEPT.size, len(record), MARK_BYTES)]


def build_of(record: bytes) -> bytes:
    """The mark of the build in a packed `EntryRow`."""
    return record[_BUILD_AT : _BUILD_AT + MARK_BYTES]


def packed_version(transaction: int) -> bytes:
    """The version of what a transaction writes, as `version_of` gives it."""
    return number(transaction)


_NUMBER = struct.Struct(">Q")


def number(value: int) -> bytes:
    """A number as part of a key: its bytes sort like the number."""
    return _NUMBER.pack(value)


def number_in(record: bytes) -> int:
    """The number that a key or record begins with."""
    value: int = _NUMBER.unpack_from(record)[0]
    return value


@lru_cache(maxsize=8192)
def digest(name: str) -> bytes:
    """The digest of the key of an entry or lease, or of a tag. A lone surrogate is treated as any other character."""
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()


def build_mark(entry: Entry) -> bytes:
    """The mark of an answer's build; data belongs to no build.

    That of an answer that builds share begins with its route's fingerprint.
    """
    if entry.kind != "response":
        return NO_BUILD
    fingerprint = fingerprint_in(entry.key)
    if not fingerprint:
        return mark_of(entry.build)
    return route_part(mark_of(fingerprint)) + mark_of(entry.build)[_ROUTE_BYTES:]


@lru_cache(maxsize=1024)
def mark_of(name: str) -> bytes:
    """The mark of a build, or of a fingerprint. A collision may keep an answer too many, which is judged when read."""
    return blake2b(name.encode(), digest_size=MARK_BYTES).digest()


def route_part(mark: bytes) -> bytes:
    """What the mark of an answer that builds share has of its route's fingerprint."""
    return mark[:_ROUTE_BYTES]


def tag_marks(tags: tuple[str, ...]) -> bytes:
    """Prefixes of the tags' digests. A collision may drop an entry too many, but never misses an invalidation."""
    return b"".join(digest(tag)[:MARK_BYTES] for tag in tags)


_ROW, _NAME_BYTES = struct.Struct(">QQQQd"), 256


def pack_row(tag: str, row: TagRow, age: int) -> bytes:
    """A tag's row, with its age, and the beginning of the tag's name for listings."""
    expire_at = nan if row.expire_at is None else row.expire_at
    name = tag.encode("utf-8", "surrogatepass")[:_NAME_BYTES]
    return _ROW.pack(age, row.generation, row.expired, row.expiring, expire_at) + name


def aged(record: bytes, age: int) -> bytes:
    """A packed row with another age."""
    return number(age) + record[8:]


def unpack_row(record: bytes) -> TagRow:
    _, generation, expired, expiring, expire_at = _ROW.unpack_from(record)
    return TagRow(generation, expired, expiring, None if isnan(expire_at) else expire_at)


def tag_in(record: bytes) -> str:
    """The name in a packed row, cut to its first 256 bytes."""
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
