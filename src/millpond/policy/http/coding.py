"""Content codings: when a body is compressed, and which coding a client gets (RFC 9110 §8.4, §12.5.3)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from millpond.policy.entry import Coding, Headers

C = TypeVar("C", bound=str)

_ACCEPT_ENCODING = b"accept-encoding"

SMALLEST = 256
"""Bytes. A shorter body isn't compressed: it fits into one packet either way."""
_MAX_RATIO = 0.9
"""A compressed body is kept only if it saves at least 10 %."""

LONGEST_ACCEPTED = 1024
"""Bytes of Accept-Encoding, all lines together. A longer value is ignored: the identity coding is always acceptable."""

_TYPES = re.compile(
    rb"text/.+|(?:.+\+(?:json|xml|text))|application/(?:json|javascript|ecmascript|xml|wasm|manifest\+json|x-ndjson|"
    rb"x-javascript|rtf|vnd\.ms-fontobject|x-font-ttf)|font/(?:ttf|otf|collection)|image/(?:bmp|x-icon|vnd\.microsoft\.icon)"
)
"""Media types whose own format isn't compressed."""

_MEMBER = re.compile(rb"[ \t]*([!#$%&'*+.^_`|~0-9a-z-]+)[ \t]*(?:;[ \t]*q[ \t]*=[ \t]*([01](?:\.[0-9]{0,3})?)[ \t]*)?")
_ALIASES = {b"x-gzip": b"gzip"}
_IDENTITY_QUALITY = 0.0005
"""The quality of `identity` where the client doesn't name it: acceptable, but any coding that it names is preferred."""


_OF_BYTES = frozenset({b"content-digest", b"content-md5", b"digest", b"repr-digest"})
"""Headers that hold a digest of the body in its coding (RFC 9530): whoever changes the bytes makes it wrong."""


def compressible(status: int, headers: Headers, size: int) -> bool:
    """Whether to try to compress an answer that is stored; `size`: bytes of its body."""
    return status == 200 and size >= SMALLEST and of_codable_kind(headers)


def of_codable_kind(headers: Headers) -> bool:
    """Whether an answer may have a coding: a compressible type, no coding, no `no-transform` (RFC 9111 §5.2.2.6)."""
    kind = b""
    for name, given in headers:  # a list may span several lines
        value = given.lower()
        if name == b"content-type":
            kind = value.partition(b";")[0].strip()
        is_coded = name == b"content-encoding" and value.strip() not in (b"", b"identity")
        if is_coded or name in _OF_BYTES or (name == b"cache-control" and b"no-transform" in value):
            return False
    return _TYPES.fullmatch(kind) is not None


def pays(size: int, compressed: int) -> bool:
    """Whether a compressed body saves enough to be kept. Both sizes are in bytes."""
    return compressed <= size * _MAX_RATIO


def chosen(accepted: bytes, available: Sequence[C]) -> C | None:
    """The coding that a client gets; None: identity.

    The highest quality wins; among equals, the first of `available`. A client that refuses everything gets identity:
    an answer is more useful than 406 (RFC 9110 §12.5.3).

    Args:
        accepted: the value of Accept-Encoding; members that can't be parsed are ignored.
        available: the codings in which the answer can be had, best first.
    """
    if len(accepted) > LONGEST_ACCEPTED:
        return None
    qualities = _qualities(accepted.lower())
    anything = qualities.get(b"*", 0.0)
    unnamed = anything if b"*" in qualities and not anything else _IDENTITY_QUALITY
    best, best_quality = None, qualities.get(b"identity", unnamed)
    for coding in available:
        quality = qualities.get(coding.encode("ascii"), anything)
        if quality > best_quality or (best is None and quality == best_quality > 0):
            best, best_quality = coding, quality
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
    """The ETag of a compressed body. A strong one differs, as the bytes do (RFC 9110 §8.8.3.3); a weak one stays."""
    if etag.startswith(b"W/") or not etag.endswith(b'"'):
        return etag
    return b'%s-%s"' % (etag[:-1], coding.encode("ascii"))


def weak(etag: bytes) -> bytes:
    """The weak form of an ETag."""
    return etag if etag.startswith(b"W/") else b"W/" + etag


def with_vary(headers: Headers, names: Iterable[bytes] = (_ACCEPT_ENCODING,)) -> Headers:
    """The headers with a `Vary` that has `names`, in lower case (RFC 9110 §12.5.5); by default, for several codings."""
    missing = [name for name in names if not _varies_by(headers, name)]
    return (*headers, (b"vary", b", ".join(missing))) if missing else headers


def varies_by_coding(headers: Headers) -> bool:
    """Whether caches are told that the answer depends on Accept-Encoding."""
    return _varies_by(headers, _ACCEPT_ENCODING)


def varies_by_others(headers: Headers) -> bool:
    """Whether caches are told that the answer depends on more of a request than Accept-Encoding."""
    return any(
        member not in (b"", _ACCEPT_ENCODING)
        for name, value in headers
        if name == b"vary"
        for member in _members(value)
    )


def _varies_by(headers: Headers, header: bytes) -> bool:
    return any(name == b"vary" and header in _members(value) for name, value in headers)


def _members(value: bytes) -> list[bytes]:
    return [part.strip().lower() for part in value.split(b",")]
