"""Decoders that notice a body which breaks off: httpx2 takes the beginning of a gzip or br body for all of it."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import brotli  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_STEP = 2**19
"""Bytes of output at a time: a few compressed bytes can become very many."""
_SLICE = 2**14
"""Bytes of input until others have their turn: that many can hold hundreds of members that are empty."""
_GZIP = zlib.MAX_WBITS | 16
_MAGIC = b"\x1f\x8b"


class CheckedDecoder(ABC):
    """Removes one content coding."""

    @abstractmethod
    def decode(self, data: bytes) -> Iterator[bytes]:
        """What comes out for the next piece, now and then an empty one.

        Raises:
            ValueError: it isn't in this coding.
        """

    @property
    @abstractmethod
    def is_complete(self) -> bool:
        """Whether the coding has ended."""


class _Gzip(CheckedDecoder):
    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)

    def decode(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _SLICE):
            yield from self._decoded(data[start : start + _SLICE])

    def _decoded(self, data: bytes) -> Iterator[bytes]:
        try:
            while True:
                piece = self._member.decompress(data, _STEP)
                if piece:
                    yield piece
                data = self._member.unconsumed_tail
                if self._member.eof and self._member.unused_data.startswith(_MAGIC):  # several are one (RFC 1952 §2.2)
                    data, self._member = self._member.unused_data, zlib.decompressobj(_GZIP)
                elif not piece:
                    yield b""
                    return
        except zlib.error as error:
            raise ValueError(str(error)) from error

    @property
    def is_complete(self) -> bool:
        return self._member.eof


class _Brotli(CheckedDecoder):
    def __init__(self) -> None:
        self._decompressor = brotli.Decompressor()

    def decode(self, data: bytes) -> Iterator[bytes]:
        try:
            while piece := self._decompressor.process(data, output_buffer_limit=_STEP):
                yield piece
                data = b""
        except brotli.error as error:
            raise ValueError(str(error)) from error

    @property
    def is_complete(self) -> bool:
        return bool(self._decompressor.is_finished())


CHECKED_DECODERS: Mapping[str, Callable[[], CheckedDecoder]] = {"gzip": _Gzip, "br": _Brotli}
"""By content coding; of the others httpx2 sees to zstd itself."""
