"""Conditional requests: whether a 304 is sent in place of the answer (RFC 9110 §13)."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple

from millpond.policy.http.caching.no_vary_search import NAME as NO_VARY_SEARCH
from millpond.policy.http.surrogate import CACHE_GROUPS, CDN_CACHE_CONTROL, KEY_HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from millpond.policy.entry import Headers

_ENTITY_TAG = re.compile(rb'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_SENT_WITH_304 = {
    b"cache-control",
    b"content-location",
    b"etag",
    b"expires",
    b"vary",
    b"age",
    b"cache-status",
    b"x-nextjs-cache",
    NO_VARY_SEARCH,
    # A cache that revalidates takes the new keys from the 304: the tags may have changed though the body hasn't.
    CDN_CACHE_CONTROL.encode(),
    CACHE_GROUPS.encode(),
    *(name.encode() for name in KEY_HEADERS),
}


LONGEST_TAGS = 4096
"""Bytes of If-None-Match, all lines together. A longer value is ignored: sending the full answer is always correct."""

LONGEST_DATE = 64
"""Bytes of If-Modified-Since; an HTTP date has at most 33."""


class Conditions(NamedTuple):
    """The conditions of a request: which representations its client already holds."""

    tags: frozenset[bytes] = frozenset()
    """The opaque tags of If-None-Match, without quotes and `W/`, as the comparison is weak (§13.1.2)."""
    anything: bool = False
    """`If-None-Match: *`."""
    weak: frozenset[bytes] = frozenset()
    """Those of `tags` that were given as weak ones alone: what the client holds may have other bytes, as the answer in
    a coding whose validator is weak has."""
    since: bytes | None = None
    """If-Modified-Since; None if there is an If-None-Match, which takes precedence (§13.1.3)."""

    @classmethod
    def of(cls, request: Iterable[tuple[bytes, bytes]]) -> Conditions:
        """Parse headers with lower-case names. If-None-Match may span several lines."""
        request = tuple(request)
        lines = [value for name, value in request if name == b"if-none-match"]
        if not lines:
            since = _first(request, b"if-modified-since")
            return cls(since=since if since is not None and len(since) <= LONGEST_DATE else None)
        if sum(map(len, lines)) + len(lines) > LONGEST_TAGS:
            return cls()
        candidates = b",".join(lines)
        if candidates.strip() == b"*":
            return cls(anything=True)
        given = [(match[2], match[1] is None) for match in _ENTITY_TAG.finditer(candidates)]
        tags = frozenset(tag for tag, _ in given)
        return cls(tags, weak=tags - {tag for tag, is_strong in given if is_strong})

    def hold_weakly(self, response: Headers) -> bool:
        """Whether the client holds the validator of this answer as a weak one alone. Names are lower case."""
        etag = _first(response, b"etag")
        own = None if etag is None else _ENTITY_TAG.fullmatch(etag.strip())
        return own is not None and own[2] in self.weak

    def hold(self, status: int, response: Headers) -> bool:
        """Whether the client already holds this answer, so that a 304 is sent.

        If-Modified-Since is compared only with a Last-Modified that the handler set. Names are lower case.
        """
        if not 200 <= status < 300:
            return False
        if self.anything:
            return True
        if self.tags:
            etag = _first(response, b"etag")
            own = _ENTITY_TAG.fullmatch(etag.strip()) if etag is not None else None
            return own is not None and own[2] in self.tags
        modified = _first(response, b"last-modified")
        return self.since is not None and modified is not None and _not_later(modified, self.since)


def headers_of_304(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers that a 304 repeats (RFC 9110 §15.4.5), including the cache status and the surrogate keys."""
    return [(name, value) for name, value in headers if name in _SENT_WITH_304]


def _first(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    return next((value for present, value in headers if present == name), None)


def _not_later(modified: bytes, since: bytes) -> bool:
    try:
        return parsedate_to_datetime(modified.decode("latin-1")) <= parsedate_to_datetime(since.decode("latin-1"))
    except (TypeError, ValueError, OverflowError):
        # Not an HTTP date, without a time zone, or out of range: the condition is ignored (§13.1.3).
        return False
