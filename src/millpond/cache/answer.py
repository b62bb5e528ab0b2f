"""From a render to an entry: what is stored is what is advertised, and compressed once, so that hits needn't do it."""

from __future__ import annotations

import asyncio
import gzip
import logging
import sys
from typing import TYPE_CHECKING

import brotli  # type: ignore[import-untyped]
import msgspec

from millpond.errors import UnsendableError
from millpond.policy.entry import Coding, CompressedBody, Entry
from millpond.policy.http.coding import compressible, pays, with_vary
from millpond.policy.http.headers import has, strong_etag
from millpond.policy.http.sendable import BODILESS, fault
from millpond.policy.http.storing import kept_headers, unshareable
from millpond.render.scopes.dynamic_use import DynamicUse, NotStatic

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from millpond.render.renderer import Rendered
    from millpond.render.target import Target


log = logging.getLogger("millpond.cache")

_IN_PLACE = 64 * 1024
"""Bytes up to which compressing takes less than a few milliseconds; what is larger goes to a thread."""

# Levels for bodies of a few kilobytes: beyond them a percent less costs ten times as long.
_COMPRESS: dict[Coding, Callable[[bytes], bytes]] = {
    "zstd": lambda body: zstd.compress(body, 9),
    "br": lambda body: bytes(brotli.compress(body, quality=5)),
    "gzip": lambda body: gzip.compress(body, 6, mtime=0),
}


def entry_of(rendered: Rendered, target: Target, *, rendered_at: float, generation: int, build: str) -> Entry:
    """The entry of a render, whatever its status.

    Args:
        rendered: the answer.
        target: what it is the answer of.
        rendered_at: seconds since the epoch when the render began.
        generation: the store's generation at that time.
        build: the id of the build that is serving.

    Raises:
        NotStatic: its headers forbid giving it to everybody (D5).
        UnsendableError: it can't be written as HTTP; see `millpond.policy.http.sendable`.
    """
    place = target.route.operations["GET"].place
    # All headers count here: one that `Connection` lists isn't kept, and yet the handler has set a cookie.
    refusal = unshareable((name.lower(), value) for name, value in rendered.headers)
    if refusal is not None:
        raise NotStatic(DynamicUse(refusal, place), unshareable=True)
    headers = kept_headers(rendered.headers)
    wrong = fault(rendered.status, headers)
    if wrong is not None:
        raise UnsendableError(f"{place}: the answer of {target.readable} can't be sent: {wrong}.")
    body = b"" if rendered.status in BODILESS else rendered.body
    if 200 <= rendered.status < 300 and not has(headers, b"etag"):
        headers += ((b"etag", strong_etag(body)),)
    return Entry(
        key=target.key,
        status=rendered.status,
        headers=headers,
        body=body,
        rendered_at=rendered_at,
        revalidate=rendered.lifetime.revalidate,
        expire=rendered.lifetime.expire,
        tags=(*rendered.tags, *target.own_tags),
        generation=generation,
        build=build,
    )


def warn_of_lost_body(rendered: Rendered, target: Target, told: set[str]) -> None:
    """Say once for each route that an answer's status allows no body, where it had one.

    Args:
        rendered: the answer.
        target: what it is the answer of.
        told: the files that were named already.
    """
    file = target.route.file.file
    if rendered.status in BODILESS and rendered.body and file not in told:
        told.add(file)
        log.warning(
            "%s: the answer of %s has the status %d, which allows no body, and a body of %d bytes: it is left out. "
            "Return Response(status_code=%d).",
            target.route.operations["GET"].place,
            target.readable,
            rendered.status,
            len(rendered.body),
            rendered.status,
        )


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
