"""Compresses a body while it is sent, piece by piece: what goes in comes out at once."""

from __future__ import annotations

import sys
import zlib
from typing import TYPE_CHECKING, Protocol

import brotli  # type: ignore[import-untyped]

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable

    from millpond.policy.entry import Coding

# Levels for work that is done once for one client: higher ones take three times as long to save 3 %.
_P = zstd.CompressionParameter
_ZSTD: dict[int, int] = {_P.compression_level: 3, _P.window_log: 17, _P.hash_log: 15, _P.chain_log: 14}
_LEAN_ZSTD: dict[int, int] = {_P.compression_level: 3, _P.window_log: 15, _P.hash_log: 13, _P.chain_log: 13}
_BROTLI_QUALITY, _LEAN_BROTLI_QUALITY = 4, 3
_BROTLI_WINDOW_BITS = 17
_GZIP_LEVEL = 6
_GZIP_FORMAT = 31
"""The `wbits` of zlib for the format of gzip, without a time and a file's name."""


class CodingStream(Protocol):
    """A body on its way into a coding."""

    def add(self, piece: bytes, *, is_last: bool) -> bytes:
        """The coded bytes of everything up to the end of `piece`; nothing of it is held back."""


class ZstdStream:
    __slots__ = ("_stream",)

    def __init__(self, *, is_lean: bool) -> None:
        self._stream = zstd.ZstdCompressor(options=_LEAN_ZSTD if is_lean else _ZSTD)

    def add(self, piece: bytes, *, is_last: bool) -> bytes:
        if is_last:
            return self._stream.compress(piece, self._stream.FLUSH_FRAME)
        return self._stream.compress(piece, self._stream.FLUSH_BLOCK)


class BrotliStream:
    __slots__ = ("_stream",)

    def __init__(self, *, is_lean: bool) -> None:
        quality = _LEAN_BROTLI_QUALITY if is_lean else _BROTLI_QUALITY
        self._stream = brotli.Compressor(quality=quality, lgwin=_BROTLI_WINDOW_BITS)

    def add(self, piece: bytes, *, is_last: bool) -> bytes:
        head: bytes = self._stream.process(piece)
        rest: bytes = self._stream.finish() if is_last else self._stream.flush()
        return head + rest


class GzipStream:
    __slots__ = ("_stream",)

    def __init__(self, *, is_lean: bool) -> None:
        del is_lean  # it is lean
        self._stream = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_FORMAT)

    def add(self, piece: bytes, *, is_last: bool) -> bytes:
        return self._stream.compress(piece) + self._stream.flush(zlib.Z_FINISH if is_last else zlib.Z_SYNC_FLUSH)


_STREAMS: dict[Coding, Callable[..., CodingStream]] = {"zstd": ZstdStream, "br": BrotliStream, "gzip": GzipStream}


def coding_stream(coding: Coding, *, is_lean: bool = False) -> CodingStream:
    """A body that is to be coded, from its start.

    Args:
        coding: which one.
        is_lean: whether it may stay open for long, as streams of events do. Then it takes 0.1 MB with zstd and gzip and
            0.3 MB with brotli, half of what it would otherwise: thousands may be open.
    """
    return _STREAMS[coding](is_lean=is_lean)
