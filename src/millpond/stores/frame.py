"""Frames: entries as bytes, as they are held outside of a process. Damaged ones are a miss, and never an error."""

from __future__ import annotations

import struct
import zlib
from typing import Annotated, Any, TypeVar

import msgspec

from millpond.policy.entry import Backoff, Came, Entry, EntryKind
from millpond.policy.http.coding import varies_by_coding

_MAGIC = b"MLPD"
FRAME_VERSION = 6
"""Of the frames, and of what stands in them: an entry with keys or tags of another spelling would never be found."""
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
    came: Came | None
    label: str
    jitter: Annotated[float, msgspec.Meta(ge=0, lt=1)]
    client_stale: float | None
    size: Annotated[int, msgspec.Meta(ge=0)]
    """Of the body, in bytes. It is deflated if the frame has fewer."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Head)


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
        entry.came,
        entry.label,
        entry.jitter,
        entry.client_stale,
        len(entry.body),
    )
    head, body = _encoder.encode(_Head(*fields)), _packed(entry)
    checksum = zlib.crc32(body, zlib.crc32(head))
    return b"".join((_PREFIX.pack(_MAGIC, FRAME_VERSION, len(head), len(body), checksum), head, body))


def _packed(entry: Entry) -> bytes:
    """The body as it is stored. That of a text is deflated, if that saves enough: it is a third to a half smaller.

    An answer that varies by Accept-Encoding is a text, and compression isn't turned off.
    """
    body = entry.body
    if len(body) not in _PACKED_SIZES or entry.kind != "response" or not varies_by_coding(entry.headers):
        return body
    packed = zlib.compress(body, _LEVEL, _RAW)
    return packed if len(packed) <= len(body) * _MAX_PACKED else body


def decode_frame(frame: bytes) -> Entry | None:
    """The entry of a frame; None when it is damaged, cut short or of another version: a miss and never an error."""
    if len(frame) < _PREFIX.size:
        return None
    magic, version, head_length, body_length, checksum = _PREFIX.unpack_from(frame)
    end = _PREFIX.size + head_length
    if magic != _MAGIC or version != FRAME_VERSION or len(frame) != end + body_length:
        return None
    if zlib.crc32(memoryview(frame)[_PREFIX.size :]) != checksum:
        return None
    try:
        head = _decoder.decode(frame[_PREFIX.size : end])
    except (msgspec.DecodeError, UnicodeDecodeError):  # msgspec lets the latter through
        return None
    body = _unpacked(frame[end:], head.size)
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
        jitter=head.jitter,
        client_stale=head.client_stale,
        label=head.label,
    )


def _shared(value: S) -> S:
    """An equal object that other entries have, too: most headers and tags of a route's answers are the same."""
    if len(_objects) >= _MAX_OBJECTS:
        _objects.clear()
    shared: S = _objects.setdefault(value, value)
    return shared


def _unpacked(stored: bytes, size: int) -> bytes | None:
    """The body of that size; None if it is another one."""
    if len(stored) == size:
        return stored
    if size not in _PACKED_SIZES:
        return None
    inflating = zlib.decompressobj(_RAW)
    try:
        body = inflating.decompress(stored, size + 1)
    except zlib.error:
        return None
    return body if inflating.eof and not inflating.unused_data and len(body) == size else None
