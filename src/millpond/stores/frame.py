"""Frames: entries as bytes, as they are held outside of a process. Damaged ones are a miss, and never an error."""

from __future__ import annotations

import struct
import zlib
from typing import Annotated, Any, TypeVar

import msgspec

from millpond.policy.entry import Backoff, Came, Entry, EntryKind
from millpond.policy.http.coding import varies_by_coding

_MAGIC = b"MLPD"
FRAME_VERSION = 7
"""Of the frames, and of what stands in them: an entry with keys or tags of another spelling would never be found."""
PACKED_VERSION = 8
"""Of frames whose body is deflated."""
_PACKED_SIZES = range(512, 8 * 1024)
"""Bytes of a body that is deflated: in 4 to 30 µs, and in half of that on the way back. A larger one has pages of its
own in a file, of which less would be saved."""
_MAX_PACKED = 0.75
_LEVEL, _RAW = 1, -15
_PREFIX = struct.Struct(">4sBLQL")
"""Magic, version, length of the head, length of the body, CRC-32 of both."""

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
    short_lived: bool


class _FetchedHead(_Head):
    """That of fetched data, and of functions' results. Others end before it."""

    came: Came | None = None
    label: str = ""


class _PackedHead(_FetchedHead):
    """That of a frame whose body is deflated."""

    size: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Of the body, in bytes."""
    packed: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Of the deflated one."""


_encoder = msgspec.msgpack.Encoder()
_decoders: dict[int, msgspec.msgpack.Decoder[_FetchedHead]] = {
    FRAME_VERSION: msgspec.msgpack.Decoder(_FetchedHead),
    PACKED_VERSION: msgspec.msgpack.Decoder[_FetchedHead](_PackedHead),
}


def encode_frame(entry: Entry) -> bytes:
    """`magic, version, lengths, checksum, msgpack head, body`."""
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
    )
    body, packed, version = entry.body, _packed(entry), FRAME_VERSION
    if packed is not None:
        head = _encoder.encode(_PackedHead(*fields, entry.came, entry.label, len(body), len(packed)))
        body, version = packed, PACKED_VERSION
    else:
        plain = entry.came is None and not entry.label
        head = _encoder.encode(_Head(*fields) if plain else _FetchedHead(*fields, entry.came, entry.label))
    checksum = zlib.crc32(body, zlib.crc32(head))
    return b"".join((_PREFIX.pack(_MAGIC, version, len(head), len(body), checksum), head, body))


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
    magic, version, head_length, body_length, checksum = _PREFIX.unpack_from(frame)
    end = _PREFIX.size + head_length
    if magic != _MAGIC or version not in _decoders or len(frame) != end + body_length:
        return None
    if zlib.crc32(memoryview(frame)[_PREFIX.size :]) != checksum:
        return None
    try:
        head = _decoders[version].decode(frame[_PREFIX.size : end])
    except (msgspec.DecodeError, UnicodeDecodeError):  # msgspec lets the latter through
        return None
    body: bytes | None = frame[end:]
    if isinstance(head, _PackedHead):
        body = _unpacked(frame[end:], head)
    if body is None:
        return None
    return Entry(
        key=head.key,
        kind=head.kind,
        status=head.status,
        headers=tuple([_shared(pair) if len(pair[1]) <= _MAX_SHARED else pair for pair in head.headers]),
        body=body,
        rendered_at=head.rendered_at,
        revalidate=head.revalidate,
        expire=head.expire,
        tags=tuple([_shared(tag) if len(tag) <= _MAX_SHARED else tag for tag in head.tags]),
        generation=head.generation,
        build=_shared(head.build),
        backoff=head.backoff,
        short_lived=head.short_lived,
        came=head.came,
        label=head.label,
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
