"""How a shared server is laid out: names of keys, rows and records. A change of any is a new LAYOUT."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b, sha1
from typing import TYPE_CHECKING, NamedTuple

from millpond.policy.tags import TagRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LAYOUT = 2
"""Part of every key: servers of another layout have a state of their own, and see none of this one's entries."""

_STATE_KEYS = ("state", "rows", "buckets", "mirrors", "journal", "moments", "index", "places", "reads", "ghosts")
"""In the order in which scripts take them."""
_OF_A_BUILD = "response\0"
"""How keys of one build's answers begin. What others are about belongs to none: they say what it depends on."""

VERSION_BYTES = 20
"""A frame has its version before it, in decimal digits."""


class SharingProcess(NamedTuple):
    """A process that has a mirror of the store."""

    name: str
    """Given when it began."""
    build: str
    """That it serves; empty: none."""
    applied: int
    """The last record of the journal that it has taken in."""

    @classmethod
    def of(cls, mirror: bytes, says: bytes) -> SharingProcess:
        """What the hash of mirrors says of one."""
        _, applied, build = says.split(b" ")
        return cls(mirror.decode(), build.decode(), int(applied))


class Layout:
    """The keys of one application, as one build sees them.

    What belongs together has a common hash tag, so that a cluster keeps it on one server; frames are spread.

    Args:
        prefix: the application's.
        build: whose answers are meant by the keys of answers. Two builds may be served at once.
    """

    def __init__(self, prefix: str, build: str) -> None:
        self.prefix = prefix
        root = f"{prefix}:v{LAYOUT}"
        self._together = f"{{{root}}}"
        self.state = tuple(f"{self._together}:{key}" for key in _STATE_KEYS)
        self.rows, self.buckets, self.mirrors, self.journal, self.moments, self.index = self.state[1:7]
        self.places, self.reads = self.state[7:9]
        self.frames = f"{root}:entry:"
        self._build = build.encode()
        self.name = lru_cache(maxsize=32_768)(self._name)

    def frame(self, name: str) -> str:
        """The key of an entry's frame."""
        return self.frames + name

    def lease(self, name: str) -> str:
        """The key of an entry's lease."""
        return f"{self._together}:lease:{name}"

    def _name(self, key: str) -> str:
        """The name of an entry in the server: a digest, as keys may be long and hold any character."""
        build = self._build if key.startswith(_OF_A_BUILD) else b""
        return blake2b(build + b"\0" + as_bytes(key), digest_size=16).hexdigest()


def as_bytes(text: str) -> bytes:
    """Any string; a lone surrogate is a character like any other."""
    return text.encode("utf-8", "surrogatepass")


def as_text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def bucket_of(tag: str) -> str:
    """The bucket that a pruned tag row is merged into. Lua scripts compute it, and sha1 is the only digest there."""
    return sha1(as_bytes(tag), usedforsecurity=False).hexdigest()[:3]


def unpack_row(text: bytes) -> TagRow:
    generation, expired, expiring, expire_at = text.split(b" ")
    return TagRow(int(generation), int(expired), int(expiring), None if expire_at == b"-" else float(expire_at))


class IndexedEntry(NamedTuple):
    """What the index says of an entry."""

    version: int
    size: int
    generation: int
    rendered_at: float
    build: str

    @classmethod
    def unpack(cls, text: bytes) -> IndexedEntry:
        version, size, generation, rendered_at, build = text.split(b" ", 4)
        return cls(int(version), int(size), int(generation), float(rendered_at), build.decode())


class Reads(NamedTuple):
    """How an entry was read."""

    hits: int = 0
    counted: int = 0
    """The reads that count for its next turn to be evicted; see `policy/eviction.py`."""
    use: int = 0
    """The larger, the later it was written or read."""

    @classmethod
    def unpack(cls, text: bytes | None) -> Reads:
        return cls() if text is None else cls(*map(int, text.split(b" ")))


class JournalRecord(NamedTuple):
    """One record of the journal."""

    seq: int
    nonce: bytes
    kind: bytes
    fields: Sequence[bytes]
    """Names and values, one after the other; a name may occur more than once."""

    @classmethod
    def unpack(cls, record: Sequence[Sequence[bytes]]) -> JournalRecord:
        where, fields = record
        seq = int(bytes(where).partition(b"-")[0])  # type: ignore[arg-type]  # the first of the pair is the id itself
        return cls(seq, fields[1], fields[3], fields[4:])

    def pairs(self) -> Iterator[tuple[bytes, bytes]]:
        return zip(self.fields[::2], self.fields[1::2], strict=True)

    def value(self, name: bytes) -> bytes:
        """Raises KeyError: the record has no such field."""
        return dict(self.pairs())[name]
