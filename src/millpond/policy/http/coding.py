"""Content codings: what may be compressed, what it must save, and which one a client gets (RFC 9110 §8.4, §12.5.3)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from millpond.policy.entry import Coding, Headers

SMALLEST = 256
"""Bytes from which a body is compressed: what is shorter goes in the same packet either way."""
_MOST_KEPT = 0.9
"""A coding has to save 10 %."""

LONGEST_ACCEPTED = 1024
"""Bytes of Accept-Encoding, all lines together. A longer one isn't looked at: the bytes as they are always do."""

_TYPES = re.compile(
    rb"text/.+|(?:.+\+(?:json|xml|text))|application/(?:json|javascript|ecmascript|xml|wasm|manifest\+json|x-ndjson|"
    rb"x-javascript|rtf|vnd\.ms-fontobject|x-font-ttf)|font/(?:ttf|otf|collection)|image/(?:bmp|x-icon|vnd\.microsoft\.icon)"
)
"""Types that aren't compressed by themselves."""

_MEMBER = re.compile(rb"[ \t]*([!#$%&'*+.^_`|~0-9a-z-]+)[ \t]*(?:;[ \t]*q[ \t]*=[ \t]*([01](?:\.[0-9]{0,3})?)[ \t]*)?")
_ALIASES = {b"x-gzip": b"gzip"}
_LEAST = 0.0005
"""What `identity` is worth where nothing is said of it: it may always be sent, and anything named is preferred."""


def compressible(status: int, headers: Headers, size: int) -> bool:
    """Whether an answer is worth a try: its type, no coding yet, and nobody forbids it (RFC 9111 §5.2.2.6)."""
    if status != 200 or size < SMALLEST:
        return False
    given = {name: value.lower() for name, value in headers}
    if given.get(b"content-encoding", b"identity").strip() not in (b"", b"identity"):
        return False
    if b"no-transform" in given.get(b"cache-control", b""):
        return False
    return _TYPES.fullmatch(given.get(b"content-type", b"").partition(b";")[0].strip()) is not None


def pays(size: int, compressed: int) -> bool:
    """Whether a coding saves enough to be kept; both in bytes."""
    return compressed <= size * _MOST_KEPT


def chosen(accepted: bytes, available: tuple[Coding, ...]) -> Coding | None:
    """The coding that a client gets; None for the bytes as they are.

    The highest quality wins, and among equals the first of `available`. Where a client refuses everything, it gets
    the bytes as they are: an answer is more use than 406 (RFC 9110 §12.5.3).

    Args:
        accepted: the value of Accept-Encoding; what can't be parsed in it is passed over.
        available: what there is, best first.
    """
    if len(accepted) > LONGEST_ACCEPTED:
        return None
    qualities = _qualities(accepted.lower())
    anything = qualities.get(b"*", 0.0)
    best, worth = None, qualities.get(b"identity", anything if b"*" in qualities and not anything else _LEAST)
    for coding in available:
        quality = qualities.get(coding.encode("ascii"), anything)
        if quality > worth or (best is None and quality == worth > 0):
            best, worth = coding, quality
    return best


def _qualities(accepted: bytes) -> dict[bytes, float]:
    qualities: dict[bytes, float] = {}
    for member in accepted.split(b","):
        match = _MEMBER.fullmatch(member)
        if match is not None:
            quality = 1.0 if match[2] is None else min(float(match[2]), 1.0)
            qualities[_ALIASES.get(match[1], match[1])] = quality
    return qualities


def etag_of(etag: bytes, coding: Coding) -> bytes:
    """The validator of a coded body: other bytes, so another strong one (RFC 9110 §8.8.3.3). A weak one is for both."""
    if etag.startswith(b"W/") or not etag.endswith(b'"'):
        return etag
    return b'%s-%s"' % (etag[:-1], coding.encode("ascii"))


def with_vary(headers: Headers) -> Headers:
    """The headers of an answer that there is in several codings: caches in front must ask for each (§12.5.5)."""
    listed = [part.strip().lower() for name, value in headers if name == b"vary" for part in value.split(b",")]
    if b"accept-encoding" in listed:
        return headers
    return (*headers, (b"vary", b"accept-encoding"))
