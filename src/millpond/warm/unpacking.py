"""Compressed sitemaps and logs, unpacked within bounds."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_GZIP, _GZIP_BITS = b"\x1f\x8b", 31
_AT_ONCE = 65_536


class CantUnpack(ValueError):
    """It is damaged, or grows beyond the limit; the message says which."""


def unpacked(chunks: Iterable[bytes], most: int | None = None) -> Iterator[bytes]:
    """The content of what may be compressed by gzip, in pieces of at most 64 KiB; other content as it is.

    Args:
        chunks: pieces of any size.
        most: bytes to which compressed content may grow; None: without limit, for who reads it as a stream.

    Raises:
        CantUnpack: it is damaged, or grows to more.
    """
    pieces = iter(chunks)
    first = b""
    while len(first) < len(_GZIP):
        piece = next(pieces, None)
        if piece is None:
            break
        first += piece
    if not first.startswith(_GZIP):
        yield first
        yield from pieces
        return
    yield from _inflated(_chained(first, pieces), most)


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _inflated(pieces: Iterator[bytes], most: int | None) -> Iterator[bytes]:
    total, engine, is_begun = 0, zlib.decompressobj(_GZIP_BITS), False
    for piece in pieces:
        left = piece
        while left:
            try:
                content = engine.decompress(left, _AT_ONCE)
            except zlib.error as error:
                raise CantUnpack(f"it is damaged: {error}") from None
            is_begun = True
            total += len(content)
            if most is not None and total > most:
                raise CantUnpack(f"it grows to more than {most} bytes")
            if content:
                yield content
            left = engine.unconsumed_tail
            if engine.eof:  # the files of rotated logs may be one behind the other
                left, engine, is_begun = engine.unused_data, zlib.decompressobj(_GZIP_BITS), False
    if is_begun:
        raise CantUnpack("it ends before its end")
