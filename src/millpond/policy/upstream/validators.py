"""Validators of stored answers: ask an upstream whether one still holds, and renew it by a 304 (RFC 9111 §4.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.policy.http.storing import HOP_BY_HOP

if TYPE_CHECKING:
    from millpond.policy.entry import Headers

_LONGEST = 1024
"""Bytes of a validator that is sent back; ETags are much shorter."""
_OF_THE_BODY = frozenset({b"content-encoding", b"content-length", b"content-range", b"content-type"})
"""What a 304 doesn't change: the body that it is about is the stored one (RFC 9111 §3.2)."""
_OF_ONE_MOMENT = frozenset({b"age"})
"""What the stored answer has of its own way here, and loses when it is renewed."""


def validators(headers: Headers) -> tuple[tuple[bytes, bytes], ...]:
    """The conditional headers for an answer with these headers; none if it has no validator (RFC 9111 §4.3.1)."""
    etag, modified = _first(headers, b"etag"), _first(headers, b"last-modified")
    given = ((b"If-None-Match", etag), (b"If-Modified-Since", modified))
    return tuple((name, value) for name, value in given if value is not None and 0 < len(value) <= _LONGEST)


def matches(stored: Headers, not_modified: Headers) -> bool:
    """Whether a 304 is about the stored answer: by its ETag, compared weakly, if it has one (RFC 9111 §4.3.4)."""
    now, then = _first(_lowered(not_modified), b"etag"), _first(stored, b"etag")
    return now is None or then is None or now.removeprefix(b"W/") == then.removeprefix(b"W/")


def renewed_headers(stored: Headers, not_modified: Headers) -> Headers:
    """The stored headers, updated by those of a 304 (RFC 9111 §3.2, §4.3.4)."""
    lowered = _lowered(not_modified)
    listed = {part.strip().lower() for name, value in lowered if name == b"connection" for part in value.split(b",")}
    updates = tuple(pair for pair in lowered if pair[0] not in HOP_BY_HOP | _OF_THE_BODY | listed)
    replaced = {name for name, _ in updates} | _OF_ONE_MOMENT
    return (*(pair for pair in stored if pair[0] not in replaced), *updates)


def _lowered(headers: Headers) -> Headers:
    return tuple((name.lower(), value) for name, value in headers)


def _first(headers: Headers, name: bytes) -> bytes | None:
    return next((value for present, value in headers if present == name), None)
