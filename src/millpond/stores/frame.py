"""Frames: entries as bytes, as they are held outside of a process. Damaged ones are a miss, and never an error."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec

from millpond.policy.entry import Backoff, Came, Coding, CompressedBody, Entry, EntryKind
from millpond.policy.http.coding import varies_by_coding

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC = b"MLPD"
FRAME_VERSION = 3
"""Of the frames, and of what stands in them: an entry with keys or tags of another spelling would never be found."""
PACKED_VERSION = 4
"""Of frames whose plain body is deflated: for earlier versions of Millpond they are a miss."""
_PACKED_SIZES = range(512, 8 * 1024)
"""Bytes of a body that is deflated: in 4 to 30 µs, and in half of that on the way back. A larger one has pages of its
own in a file, of which less would be saved."""
_MAX_PACKED = 0.75
_LEVEL, _RAW = 1, -15
_PREFIX = struct.Struct(">4sBLQL")
"""Magic, version, length of the head, length of the bodies, CRC-32 of all."""

_MAX_OBJECTS, _MAX_SHARED = 4096, 64
_objects: dict[Any, Any] = {}

S = TypeVar("S")


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


class _ClientsHead(_FetchedHead):
    """That of data or of an answer that clients may keep: others end before this."""

    client_stale: float | None = None


class _PackedHead(_FetchedHead):
    """That of a frame whose plain body is deflated."""

    size: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Of the plain body, in bytes."""
    packed: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Of the deflated one."""
    client_stale: float | None = None


_encoder = msgspec.msgpack.Encoder()
_decoders: dict[int, msgspec.msgpack.Decoder[_FetchedHead]] = {
    FRAME_VERSION: msgspec.msgpack.Decoder[_FetchedHead](_ClientsHead),
    PACKED_VERSION: msgspec.msgpack.Decoder[_FetchedHead](_PackedHead),
}


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
    plain, packed, version = entry.body, _packed(entry), FRAME_VERSION
    if packed is not None:
        head = _encoder.encode(_PackedHead(*fields, entry.came, len(plain), len(packed), entry.client_stale))
        plain, version = packed, PACKED_VERSION
    elif entry.client_stale is not None:
        head = _encoder.encode(_ClientsHead(*fields, entry.came, entry.client_stale))
    else:
        head = _encoder.encode(_Head(*fields) if entry.came is None else _FetchedHead(*fields, entry.came))
    bodies = (plain, *(each.body for each in entry.compressed))
    checksum = zlib.crc32(head)
    for body in bodies:
        checksum = zlib.crc32(body, checksum)
    return b"".join((_PREFIX.pack(_MAGIC, version, len(head), sum(map(len, bodies)), checksum), head, *bodies))


def _packed(entry: Entry) -> bytes | None:
    """The body of a text, deflated: an answer at rest is a third to a half smaller. None where that saves too little.

    An answer that varies by Accept-Encoding is a text, and compression isn't turned off.
    """
    body = entry.body
    if len(body) not in _PACKED_SIZES or entry.kind != "response" or not varies_by_coding(entry.headers):
        return None
    packed = zlib.compress(body, _LEVEL, _RAW)
    return packed if len(packed) <= len(body) * _MAX_PACKED else None


def decode_frame(frame: bytes) -> Entry | None:
    """The entry of a frame; None when it is damaged, cut short or of another version: a miss and never an error."""
    if len(frame) < _PREFIX.size:
        return None
    magic, version, head_length, bodies_length, checksum = _PREFIX.unpack_from(frame)
    end = _PREFIX.size + head_length
    if magic != _MAGIC or version not in _decoders or len(frame) != end + bodies_length:
        return None
    if zlib.crc32(memoryview(frame)[_PREFIX.size :]) != checksum:
        return None
    try:
        head = _decoders[version].decode(frame[_PREFIX.size : end])
    except (msgspec.DecodeError, UnicodeDecodeError):  # msgspec lets the latter through
        return None
    body_length = bodies_length - sum(length for _, length in head.compressed)
    if body_length < 0:
        return None
    body: bytes | None = frame[end : end + body_length]
    if isinstance(head, _PackedHead):
        body = _unpacked(frame[end : end + body_length], head)
    if body is None:
        return None
    return Entry(
        key=head.key,
        kind=head.kind,
        status=head.status,
        headers=tuple([_shared(pair) if len(pair[1]) <= _MAX_SHARED else pair for pair in head.headers]),
        body=body,
        compressed=tuple(_compressed(frame, end + body_length, head.compressed)),
        rendered_at=head.rendered_at,
        revalidate=head.revalidate,
        expire=head.expire,
        tags=tuple([_shared(tag) if len(tag) <= _MAX_SHARED else tag for tag in head.tags]),
        generation=head.generation,
        build=_shared(head.build),
        backoff=head.backoff,
        short_lived=head.short_lived,
        client_stale=head.client_stale if isinstance(head, _ClientsHead | _PackedHead) else None,
        came=head.came,
    )


def _shared(value: S) -> S:
    """An equal object that other entries have, too: most headers and tags of a route's answers are the same."""
    if len(_objects) >= _MAX_OBJECTS:
        _objects.clear()
    shared: S = _objects.setdefault(value, value)
    return shared


def _unpacked(packed: bytes, head: _PackedHead) -> bytes | None:
    if len(packed) != head.packed or head.size not in _PACKED_SIZES:
        return None
    inflating = zlib.decompressobj(_RAW)
    try:
        body = inflating.decompress(packed, head.size + 1)
    except zlib.error:
        return None
    return body if inflating.eof and len(body) == head.size else None


def _compressed(frame: bytes, position: int, lengths: list[tuple[Coding, int]]) -> Iterator[CompressedBody]:
    for coding, length in lengths:
        yield CompressedBody(coding, frame[position : position + length])
        position += length
