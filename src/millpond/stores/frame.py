"""Frames: entries as bytes, as they are held outside of a process. Damaged ones are a miss, and never an error."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Annotated

import msgspec

from millpond.policy.entry import Backoff, Came, Coding, CompressedBody, Entry, EntryKind

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC = b"MLPD"
FRAME_VERSION = 3
"""Of the frames, and of what stands in them: an entry with keys or tags of another spelling would never be found."""
_PREFIX = struct.Struct(">4sBLQL")
"""Magic, version, length of the head, length of the bodies, CRC-32 of all."""


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


class _FetchedHead(_Head):
    """That of fetched data. Others end before it, so that their frames are what earlier versions wrote."""

    came: Came | None = None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_FetchedHead)


def encode_frame(entry: Entry) -> bytes:
    """`magic, version, lengths, checksum, msgpack head, body, coded bodies`."""
    fields = (
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
    head = _encoder.encode(_Head(*fields) if entry.came is None else _FetchedHead(*fields, entry.came))
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
        came=head.came,
    )


def _compressed(frame: bytes, position: int, lengths: list[tuple[Coding, int]]) -> Iterator[CompressedBody]:
    for coding, length in lengths:
        yield CompressedBody(coding, frame[position : position + length])
        position += length
