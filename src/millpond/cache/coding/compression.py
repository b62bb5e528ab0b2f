"""Compresses bodies. Equal bodies give equal bytes, so that a validator holds in each process and after each render."""

from __future__ import annotations

import sys
import zlib
from hashlib import sha256
from typing import TYPE_CHECKING

import brotli  # type: ignore[import-untyped]

from millpond.policy.http.coding import pays
from millpond.policy.http.dictionary import framed

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable

    from millpond.policy.entry import Coding

# Levels for bodies of a few kilobytes: higher ones take ten times as long to save one more percent.
_COMPRESS: dict[Coding, Callable[[bytes], bytes]] = {
    "zstd": lambda body: zstd.compress(body, 9),
    "br": lambda body: bytes(brotli.compress(body, quality=5)),
    "gzip": lambda body: zlib.compress(body, 6, _GZIP),
}
_GZIP = 31
"""The `wbits` of zlib for the format of gzip, without a time and a file's name."""


def compress_by(body: bytes, dictionary: bytes) -> bytes:
    """The body in the coding `dcz`; b"" if that doesn't save enough."""
    coded = zstd.compress(body, 9, zstd_dict=zstd.ZstdDict(dictionary, is_raw=True).as_prefix)
    coded = framed(sha256(dictionary).digest(), coded)
    return coded if pays(len(body), len(coded)) else b""


def compress(body: bytes, coding: Coding) -> bytes:
    """The body in a coding; b"" if that doesn't save enough."""
    coded = _COMPRESS[coding](body)
    return coded if pays(len(body), len(coded)) else b""
