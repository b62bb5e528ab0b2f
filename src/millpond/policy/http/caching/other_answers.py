"""What caches in front are told of answers that don't come from the cache: of no route, of endpoints in code, errors.

Without a word, a cache may keep a 404, a 308, a 405 or a 200 for as long as it thinks (RFC 9111 §4.2.2, RFC 9110
§15.1), and no purge would reach it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from millpond.policy.http.headers import for_one_request, has, is_meant_for_caches
from millpond.policy.http.surrogate import CDN_CACHE_CONTROL, key_headers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from millpond.policy.entry import Headers
    from millpond.policy.http.surrogate import Surrogates

_SAFE = frozenset({"GET", "HEAD"})
"""Methods to which an answer may be kept without being told to."""
_CHECKED = b"no-cache"
"""A cache may keep the answer, and asks each time (RFC 9111 §5.2.2.4)."""


class SameForAll(NamedTuple):
    """An answer that is the same for everybody: a 404 of no route, a redirect, a file of `public/`, the API's
    documents."""

    tags: tuple[str, ...]
    """By which it is purged."""


def told_to_caches(
    headers: Iterable[tuple[bytes, bytes]],
    method: str,
    same: SameForAll | None,
    surrogates: Surrogates,
) -> list[tuple[bytes, bytes]]:
    """The headers of an answer, with what caches are to do with it. What an application says itself wins.

    Args:
        headers: of the answer; names in any case.
        method: of the request.
        same: what is known of an answer that is the same for everybody, and that Millpond itself gives; None for all
            others.
        surrogates: the settings of `[cdn]`.
    """
    headers = [(name.lower(), value) for name, value in headers]
    if same is not None and method in _SAFE and surrogates.other_max_age > 0:
        return _shared(headers, same, surrogates)
    if is_meant_for_caches(headers):
        return headers
    if method in _SAFE and has(headers, b"etag") and not has(headers, b"set-cookie"):
        # Files of a mount, say. Whoever else gets it has the same content: it is what the validator is of.
        return [*headers, (b"cache-control", _CHECKED)]
    return for_one_request(headers)


def _shared(headers: list[tuple[bytes, bytes]], same: SameForAll, surrogates: Surrogates) -> list[tuple[bytes, bytes]]:
    """Browsers ask each time: they can't be purged, and would keep a permanent redirect for ever."""
    seconds = int(surrogates.other_max_age)
    if surrogates.max_age is not None:
        seconds = int(min(seconds, surrogates.max_age))
    headers = [pair for pair in headers if pair[0] != b"cache-control"]
    headers.append((b"cache-control", b"public, max-age=0, s-maxage=%d" % seconds))
    if surrogates.cdn_cache_control:
        headers.append((CDN_CACHE_CONTROL.encode("ascii"), b"max-age=%d" % seconds))
    return headers + list(key_headers(same.tags, surrogates))


def without_sharing_cookies(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers of an answer, which is nobody else's if it sets a cookie, unless it says so itself."""
    headers = [(name.lower(), value) for name, value in headers]
    if has(headers, b"set-cookie") and not is_meant_for_caches(headers):
        return for_one_request(headers)
    return headers


def refusal_of(surrogates: Surrogates | None) -> Headers:
    """The headers of a refusal that a server sends without an application: no cache keeps it."""
    return () if surrogates is None else tuple(for_one_request(()))
