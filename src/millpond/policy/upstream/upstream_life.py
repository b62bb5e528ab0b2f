"""How long an upstream lets its answer be used: Cache-Control, Expires and Age, for a shared cache (RFC 9111, 5861)."""

from __future__ import annotations

import math
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple

from millpond.policy.http.fields.directives import directives_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from millpond.policy.entry import Headers

_MAX_SECONDS = 2**31
"""RFC 9111 §1.2.2: a greater number is this one."""
_LONGEST = 4096
"""Bytes of Cache-Control that are looked at; an answer with more counts as one that may not be stored."""


class UpstreamLife(NamedTuple):
    """Ages in seconds, counted from the request that was answered; they may be negative."""

    fresh: float
    """Up to this age the answer is used without asking (RFC 9111 §4.2.1)."""
    stale: float
    """Up to this age it is used while it is fetched again (stale-while-revalidate, RFC 5861 §3)."""
    kept: float
    """Up to this age it is used if fetching it fails (stale-if-error, RFC 5861 §4; RFC 9111 §4.2.4)."""
    refused: str | None = None
    """Why it may not be stored; None: it may."""

    @property
    def must_validate(self) -> bool:
        """Whether each use has to ask the upstream, by its validator if it has one."""
        return self.fresh <= 0 and self.stale <= 0


def upstream_life(headers: Headers, now: float, *, authorized: bool = False) -> UpstreamLife:
    """What an upstream says of its answer. There are no heuristics: without a lifetime, each use has to ask.

    The age is the upstream's `Age` and the time since the request; its `Date` is compared to its own `Expires` only, as
    the clocks of two machines differ (RFC 7234 §4.2.3 allows this).

    Args:
        headers: of the answer, with lower-case names.
        now: when it was asked for, in seconds since the epoch.
        authorized: whether the request had credentials of HTTP (RFC 9111 §3.5).
    """
    directives = directives_of(headers)
    refused = _refused(headers, directives, authorized=authorized)
    if refused is not None:
        return UpstreamLife(0, 0, 0, refused)
    if b"no-cache" in directives:
        return UpstreamLife(0, 0, 0)
    lifetime, strict = _lifetime(headers, directives, now)
    fresh = lifetime - _age(headers)
    while_refreshed = _seconds(directives.get(b"stale-while-revalidate"))
    if_error = _seconds(directives.get(b"stale-if-error"))
    if b"must-revalidate" in directives or b"proxy-revalidate" in directives:
        return UpstreamLife(fresh, fresh, fresh)
    stale = fresh + (while_refreshed or 0)
    if if_error is not None:
        return UpstreamLife(fresh, stale, max(stale, fresh + if_error))
    # What was never fresh isn't kept; nor is what a shared cache may not serve stale by itself (§5.2.2.10).
    return UpstreamLife(fresh, stale, stale if strict or lifetime <= 0 else math.inf)


def _refused(headers: Headers, directives: Mapping[bytes, bytes | None], *, authorized: bool) -> str | None:
    if sum(len(value) for name, value in headers if name == b"cache-control") > _LONGEST:
        return "its Cache-Control is too long"
    for word in (b"no-store", b"private"):
        if word in directives:
            return f"Cache-Control: {word.decode()}"
    if any(name == b"vary" and b"*" in {part.strip() for part in value.split(b",")} for name, value in headers):
        return "Vary: *"
    if authorized and not directives.keys() & {b"public", b"s-maxage", b"must-revalidate"}:
        return "the call has credentials, and the answer isn't public"
    return None


def _lifetime(headers: Headers, directives: Mapping[bytes, bytes | None], now: float) -> tuple[float, bool]:
    """Seconds from when the upstream made it; and whether it is strict: by s-maxage (RFC 9111 §4.2.1)."""
    for name in (b"s-maxage", b"max-age"):
        if name in directives:
            return _seconds(directives[name]) or 0, name == b"s-maxage"
    expires = _last(headers, b"expires")
    if expires is None:
        return 0, False
    until, made = _date(expires), _date(_last(headers, b"date") or b"")
    return (0 if until is None else until - (now if made is None else made)), False


def _age(headers: Headers) -> float:
    """Of several the first counts, and one that isn't a number is ignored (RFC 9111 §5.1)."""
    given = next((value for name, value in headers if name == b"age"), b"")
    return _seconds(given.partition(b",")[0].strip()) or 0


def _seconds(value: bytes | None) -> float | None:
    """A number of seconds; None: there is none, or it isn't one. An invalid lifetime is as good as none (§4.2.1)."""
    if value is None or not value.isdigit():
        return None
    digits = value.lstrip(b"0")
    return _MAX_SECONDS if len(digits) > len(str(_MAX_SECONDS)) else min(int(digits or b"0"), _MAX_SECONDS)


def _date(value: bytes) -> float | None:
    try:
        date = parsedate_to_datetime(value.decode("ascii"))
        # The format of asctime() names no zone, and means GMT like the others (RFC 9110 §5.6.7).
        return (date.replace(tzinfo=UTC) if date.tzinfo is None else date).timestamp()
    except (ValueError, OverflowError):
        return None


def _last(headers: Headers, name: bytes) -> bytes | None:
    return next((value for present, value in reversed(headers) if present == name), None)
