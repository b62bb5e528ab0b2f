"""Which content coding a live answer gets, and its headers then (RFC 9110 §8.4, §12.5.3).

A stored answer is negotiated by `http/reply`. A live one is compressed while it is sent: nothing of it is known but its
head, and its handler judges conditions itself.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from millpond.policy.http.coding import SMALLEST, chosen, of_codable_kind, with_vary
from millpond.policy.http.conditional import LONGEST_TAGS
from millpond.policy.http.sendable import BODILESS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from millpond.policy.entry import Coding, Headers

_MARK = b"-live-"
"""Between an ETag and the coding of a live answer. An ETag that a handler passes on from its upstream may end in `-br`
or `-gzip` by itself, and must come back as it was."""
_MARKED = re.compile(rb'"([^"]*)-live-(?:zstd|br|gzip)"')
_CONDITIONS = frozenset({b"if-match", b"if-none-match"})
_CREDENTIALS = frozenset({b"authorization", b"cookie"})
_OTHER_SITES = frozenset({b"cross-site", b"same-site"})
_PARTIAL_CONTENT = 206


def coding_for(headers: Collection[tuple[bytes, bytes]], codings: tuple[Coding, ...]) -> Coding | None:
    """The coding that a client gets where its answer can be coded; None: none.

    A request with credentials that another site has made a browser send is answered without a coding: the length of a
    compressed answer tells whether a guess in the request equals a secret in the answer (the attack BREACH). It takes
    thousands of requests, so one that a click has caused is none of them.

    Args:
        headers: the request's; names are lower case.
        codings: those that live answers may have, best first.
    """
    accepted = b",".join([value for name, value in headers if name == b"accept-encoding"])
    return _chosen(accepted, codings) if accepted and not _is_risky(dict(headers)) else None


_chosen = lru_cache(maxsize=256)(chosen)
"""Clients send a few values, again and again; each is short."""


def _is_risky(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a script of another site may have sent the request with a visitor's credentials."""
    if headers.get(b"sec-fetch-site") not in _OTHER_SITES or headers.get(b"sec-fetch-user") == b"?1":
        return False
    return not _CREDENTIALS.isdisjoint(headers)


def held_by(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """If-None-Match, as far as ETags of coded live answers may be in it; b"": none is."""
    return b",".join([value for name, value in headers if name == b"if-none-match" and _is_marked(value)])


def unmarked(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The headers of a request in whose If-Match and If-None-Match each ETag is the one that the handler made."""
    return tuple(
        (name, _MARKED.sub(rb'"\1"', value) if name in _CONDITIONS and _is_marked(value) else value)
        for name, value in headers
    )


def _is_marked(value: bytes) -> bool:
    return _MARK in value and len(value) <= LONGEST_TAGS


def declared_size(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """The Content-Length; None: there is none, or it isn't a number. Names are in any case."""
    for name, value in headers:
        if name == b"content-length" or name.lower() == b"content-length":
            return int(value) if value.isdigit() and len(value) <= 18 else None
    return None


def is_codable(status: int, headers: Headers, size: int | None) -> bool:
    """Whether an answer may be compressed while it is sent.

    It isn't if it came from the cache, where its coding was chosen; if it says `Vary: Accept-Encoding`, as whoever made
    it has chosen then; if it offers ranges: a client that resumes a download by its date would join bytes of two
    codings; if it is a part of something, has no body, or is short.

    Args:
        status: of the answer.
        headers: of the answer; names are lower case.
        size: bytes of the body; None: unknown, as it is streamed.
    """
    if status in BODILESS or status == _PARTIAL_CONTENT or (size is not None and size < SMALLEST):
        return False
    for name, value in headers:
        if name == b"vary" and b"accept-encoding" in value.lower():
            return False
        if name == b"content-range" or (name == b"accept-ranges" and value.strip().lower() != b"none"):
            return False
        if name == b"x-nextjs-cache" and value != b"BYPASS":
            return False
    return of_codable_kind(headers)


def coded_headers(headers: Headers, coding: Coding) -> Headers:
    """The headers of a live answer in a coding, without a length. Names are lower case."""
    kept = tuple(
        (name, marked(value, coding) if name == b"etag" else value)
        for name, value in headers
        if name not in (b"content-length", b"content-encoding")  # an explicit `identity` is no coding
    )
    return with_vary((*kept, (b"content-encoding", coding.encode("ascii"))))


def marked(etag: bytes, coding: Coding) -> bytes:
    """The ETag of a coded live answer. A strong one differs, as the bytes do (RFC 9110 §8.8.3.3); a weak one stays."""
    if etag.startswith(b"W/") or not etag.endswith(b'"'):
        return etag
    return b'%s%s%s"' % (etag[:-1], _MARK, coding.encode("ascii"))


def headers_of_held(headers: Headers, held: bytes, codings: tuple[Coding, ...]) -> Headers:
    """The headers of a 304 to a client that holds the answer in a coding: its ETag is that one's (RFC 9110 §15.4.5).

    Args:
        headers: of the 304; names are lower case.
        held: the If-None-Match that the client has sent, by `held_by`.
        codings: those that live answers may have.
    """
    for name, value in headers:
        if name != b"etag":
            continue
        for coding in codings:
            tag = marked(value, coding)
            if tag != value and tag in held:
                return with_vary(tuple((n, tag if n == b"etag" else v) for n, v in headers))
    return headers
