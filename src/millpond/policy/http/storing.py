"""Whether an answer may be stored and shared. The same check decides what is stored and what is advertised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.policy.http.fields.directives import directives_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_PARTIAL = {206, 304}  # they refer to another, complete answer
_PERMANENTLY_ABSENT = {404, 410}


def storable_status(status: int) -> bool:
    """2xx, 3xx, 404 and 410 (R3.16, D6)."""
    return (200 <= status < 400 and status not in _PARTIAL) or status in _PERMANENTLY_ABSENT


def unshareable(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Why these response headers forbid sharing the answer between clients; None when they don't (D5).

    Names are lower case.
    """
    headers = list(headers)
    for name, value in headers:
        if name == b"set-cookie":
            return "the answer sets a cookie"
        if name == b"vary" and b"*" in {part.strip() for part in value.split(b",")}:
            return "the answer says Vary: *"
    word = says_private(headers)
    return None if word is None else f"the answer says Cache-Control: {word}"


def says_private(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The Cache-Control directive that forbids shared caches to store an answer; None when there is none."""
    directives = directives_of(headers)
    return next((word.decode() for word in directives if word in (b"private", b"no-store")), None)


HOP_BY_HOP = {
    b"connection",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
}
"""Headers of one connection (RFC 9110 §7.6.1)."""

_SET_WHEN_SENT = {b"content-length", b"date", b"age", b"cache-status", b"x-nextjs-cache"}
_NOT_KEPT = {b"accept-ranges"}
"""A promise of whoever made the answer, which who keeps it doesn't: a request for a range gets the whole (RFC 9110
§14.3)."""


def kept_headers(headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    """The headers to store: lower-case names, without hop-by-hop headers (RFC 9110 §7.6.1), those set when sent, and
    what only who made the answer can keep."""
    lowered = [(name.lower(), value) for name, value in headers]
    listed = {part.strip().lower() for name, value in lowered if name == b"connection" for part in value.split(b",")}
    dropped = HOP_BY_HOP | _SET_WHEN_SENT | _NOT_KEPT | listed
    return tuple((name, value) for name, value in lowered if name not in dropped)
