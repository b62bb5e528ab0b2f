"""The compressed bodies of an entry, made once when it is stored: a hit compresses nothing."""

from __future__ import annotations

import asyncio
import gzip
import sys
from typing import TYPE_CHECKING

import brotli  # type: ignore[import-untyped]
import msgspec

from millpond.policy.entry import Coding, CompressedBody
from millpond.policy.http.coding import compressible, pays, with_vary

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from millpond.policy.entry import Entry

_IN_PLACE = 64 * 1024
"""Bytes up to which compressing takes less than a few milliseconds; what is larger goes to a thread."""

# Levels for bodies of a few kilobytes: beyond them a percent less costs ten times as long.
_COMPRESS: dict[Coding, Callable[[bytes], bytes]] = {
    "zstd": lambda body: zstd.compress(body, 9),
    "br": lambda body: bytes(brotli.compress(body, quality=5)),
    "gzip": lambda body: gzip.compress(body, 6, mtime=0),
}


def compressed(entry: Entry, codings: Sequence[Coding]) -> Entry:
    """The entry with a body in each of `codings` that pays, smallest first; itself where none does."""
    body = entry.body
    if not codings or not compressible(entry.status, entry.headers, len(body)):
        return entry
    made = [CompressedBody(coding, _COMPRESS[coding](body)) for coding in codings]
    paying = sorted((each for each in made if pays(len(body), len(each.body))), key=lambda each: len(each.body))
    if not paying:
        return entry
    return msgspec.structs.replace(entry, compressed=tuple(paying), headers=with_vary(entry.headers))


async def compressed_in_thread(entry: Entry, codings: Sequence[Coding]) -> Entry:
    """The same, for a loop that serves: what takes long is done in a thread."""
    if len(entry.body) <= _IN_PLACE:
        return compressed(entry, codings)
    return await asyncio.to_thread(compressed, entry, codings)
