"""Entries: immutable stored results, and the frames that hold them outside a process."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import msgspec

from millpond.policy.coding import Coding
from millpond.policy.lifetime import Lifetime

if TYPE_CHECKING:
    from collections.abc import Iterator

Headers = tuple[tuple[bytes, bytes], ...]

_MAGIC = b"MLPD"
FRAME_VERSION = 3
"""Of the frames, and of what stands in them: an entry with keys or tags of another spelling would never be found."""
_PREFIX = struct.Struct(">4sBLQL")
"""Magic, version, length of the head, length of the bodies, CRC-32 of all."""


EntryKind = Literal["response", "fetch", "function", "cron"]
"""What an entry holds: an answer, fetched data, a function's result, or what is remembered of a cron."""


class Backoff(msgspec.Struct, frozen=True, array_like=True):
    """The back-off after a failed refresh: until it ends the last good answer counts as fresh (R4.26)."""

    since: float
    """Seconds since the epoch."""
    seconds: float
    generation: int
    """An invalidation after this generation ends the pause at once: somebody mended something."""


class CompressedBody(NamedTuple):
    """A body in a content coding."""

    coding: Coding
    body: bytes


class Entry(msgspec.Struct, frozen=True, kw_only=True, weakref=True):
    """One stored result, with all that is needed to judge and to send it."""

    key: str
    kind: EntryKind = "response"
    status: int
    headers: Headers
    """Final names (lower case) and values, without those that change from request to request."""
    body: bytes
    compressed: tuple[CompressedBody, ...] = ()
    """The same body compressed, smallest first; only where it pays."""
    rendered_at: float
    """Seconds since the epoch at which the render that made it began."""
    revalidate: float | None
    expire: float | None
    tags: tuple[str, ...] = ()
    generation: int = 0
    """The store's generation that the render captured before it began."""
    build: str = ""
    short_lived: bool = False
    """Too short for what is rendered at build (R5.38)."""
    backoff: Backoff | None = None

    @property
    def lifetime(self) -> Lifetime:
        return Lifetime(self.revalidate, self.expire)

    @property
    def size(self) -> int:
        """Bytes that a bounded store counts for it."""
        headers = sum(len(name) + len(value) for name, value in self.headers)
        bodies = len(self.body) + sum(len(each.body) for each in self.compressed)
        return len(self.key) + bodies + headers + sum(map(len, self.tags)) + 200

    def with_backoff(self, backoff: Backoff) -> Entry:
        return msgspec.structs.replace(self, backoff=backoff)


class _Head(msgspec.Struct, array_like=True):
    key: str
    kind: EntryKind
    status: int
    headers: list[tuple[bytes, bytes]]
    rendered_at: float
    revalidate: float | None
    expire: float | None
    tags: list[str]
    generation: int
    build: str
    backoff: Backoff | None
    short_lived: bool = False
    compressed: list[tuple[Coding, Annotated[int, msgspec.Meta(ge=0)]]] = []
    """Coding and length of each coded body, in the order in which they follow the plain one."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Head)


def encode_frame(entry: Entry) -> bytes:
    """`magic, version, lengths, checksum, msgpack head, body, coded bodies`."""
    head = _encoder.encode(
        _Head(
            entry.key,
            entry.kind,
            entry.status,
            list(entry.headers),
            entry.rendered_at,
            entry.revalidate,
            entry.expire,
            list(entry.tags),
            entry.generation,
            entry.build,
            entry.backoff,
            entry.short_lived,
            [(each.coding, len(each.body)) for each in entry.compressed],
        )
    )
    bodies = (entry.body, *(each.body for each in entry.compressed))
    checksum = zlib.crc32(head)
    for body in bodies:
        checksum = zlib.crc32(body, checksum)
    return b"".join((_PREFIX.pack(_MAGIC, FRAME_VERSION, len(head), sum(map(len, bodies)), checksum), head, *bodies))


def decode_frame(frame: bytes) -> Entry | None:
    """The entry of a frame; None when it is damaged, cut short or of another version: a miss and never an error."""
    if len(frame) < _PREFIX.size:
        return None
    magic, version, head_length, bodies_length, checksum = _PREFIX.unpack_from(frame)
    end = _PREFIX.size + head_length
    if magic != _MAGIC or version != FRAME_VERSION or len(frame) != end + bodies_length:
        return None
    if zlib.crc32(memoryview(frame)[_PREFIX.size :]) != checksum:
        return None
    try:
        head = _decoder.decode(frame[_PREFIX.size : end])
    except (msgspec.DecodeError, UnicodeDecodeError):  # msgspec lets the latter through
        return None
    body_length = bodies_length - sum(length for _, length in head.compressed)
    if body_length < 0:
        return None
    return Entry(
        key=head.key,
        kind=head.kind,
        status=head.status,
        headers=tuple(head.headers),
        body=frame[end : end + body_length],
        compressed=tuple(_compressed(frame, end + body_length, head.compressed)),
        rendered_at=head.rendered_at,
        revalidate=head.revalidate,
        expire=head.expire,
        tags=tuple(head.tags),
        generation=head.generation,
        build=head.build,
        backoff=head.backoff,
        short_lived=head.short_lived,
    )


def _compressed(frame: bytes, position: int, lengths: list[tuple[Coding, int]]) -> Iterator[CompressedBody]:
    for coding, length in lengths:
        yield CompressedBody(coding, frame[position : position + length])
        position += length
