"""Conditional requests: may a 304 be sent in place of the answer? (RFC 9110 §13)"""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from millpond.policy.surrogate import CACHE_GROUPS, CDN_CACHE_CONTROL, KEY_HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from millpond.policy.entry import Headers

_ENTITY_TAG = re.compile(rb'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_SENT_WITH_304 = {
    b"cache-control",
    b"content-location",
    b"etag",
    b"expires",
    b"vary",
    b"age",
    b"cache-status",
    b"x-nextjs-cache",
    # A cache that revalidates takes the new keys from here: the same body may have other tags than before.
    CDN_CACHE_CONTROL.encode(),
    CACHE_GROUPS.encode(),
    *(name.encode() for name in KEY_HEADERS),
}


def not_modified(request: Iterable[tuple[bytes, bytes]], status: int, response: Headers) -> bool:
    """Whether the client already holds this answer.

    If-None-Match wins over If-Modified-Since (§13.1.3), is compared weakly (§13.1.2) and may stand in several
    lines. If-Modified-Since counts only against a Last-Modified that the handler set. Names are lower case.
    """
    if not 200 <= status < 300:
        return False
    candidates = [value for name, value in request if name == b"if-none-match"]
    if candidates:
        return _matches(b",".join(candidates), _first(response, b"etag"))
    since, modified = _first(request, b"if-modified-since"), _first(response, b"last-modified")
    if since is None or modified is None:
        return False
    return _not_later(modified, since)


def headers_of_304(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers that a 304 repeats (RFC 9110 §15.4.5), and those that say how it came about."""
    return [(name, value) for name, value in headers if name in _SENT_WITH_304]


def _first(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    return next((value for have, value in headers if have == name), None)


def _matches(candidates: bytes, etag: bytes | None) -> bool:
    if candidates.strip() == b"*":
        return True
    own = _ENTITY_TAG.fullmatch(etag.strip()) if etag is not None else None
    return own is not None and any(match[1] == own[1] for match in _ENTITY_TAG.finditer(candidates))


def _not_later(modified: bytes, since: bytes) -> bool:
    try:
        return parsedate_to_datetime(modified.decode("latin-1")) <= parsedate_to_datetime(since.decode("latin-1"))
    except (TypeError, ValueError, OverflowError):
        # Not an HTTP date, one without a zone, or one with a number beyond any: the condition is ignored (§13.1.3).
        return False
