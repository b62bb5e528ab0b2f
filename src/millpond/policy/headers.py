"""The headers of an answer, printed from its entry and its decision."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from millpond.policy.decision import Action, Reason
from millpond.policy.freshness import age_of
from millpond.policy.lifetime import YEAR, Lifetime

if TYPE_CHECKING:
    from millpond.policy.decision import Decision
    from millpond.policy.entry import Entry, Headers

UNCACHED = b"private, no-cache, no-store, max-age=0, must-revalidate"
"""What answers say that no cache may keep (R4.22)."""


def cache_control(lifetime: Lifetime) -> bytes:
    """`s-maxage` and `stale-while-revalidate` out of a lifetime (R4.22, K.5)."""
    revalidate, expire = lifetime
    if revalidate is None:
        return b"s-maxage=%d" % YEAR
    if revalidate <= 0:
        return UNCACHED
    if expire is None or expire <= revalidate:
        return b"s-maxage=%d" % revalidate
    return b"s-maxage=%d, stale-while-revalidate=%d" % (revalidate, expire - revalidate)


def advertised_lifetime(entry: Entry, now: float) -> Lifetime:
    """What caches in front may assume: the entry's lifetime, or the pause's while a refresh keeps failing (R4.26)."""
    pause = entry.pause
    if pause is not None and 0 <= now - pause.since < pause.seconds:
        return Lifetime(pause.seconds, entry.expire)
    return entry.lifetime


def cache_status(decision: Decision) -> bytes:
    """The Cache-Status of RFC 9211, with the reason as `detail`. It names mechanisms, never code or tags."""
    parts = ["Millpond"]
    if decision.action in (Action.HIT, Action.STALE):
        parts.append("hit")
        if decision.ttl is not None:
            parts.append(f"ttl={decision.ttl}")
    elif decision.action is Action.MISS:
        parts.append("fwd=uri-miss" if decision.reason is Reason.COLD else "fwd=stale")
        if decision.status is not None:
            parts.append(f"fwd-status={decision.status}")
        if decision.stored:
            parts.append("stored")
        if decision.collapsed:
            parts.append("collapsed")
    else:
        parts.append("fwd=bypass")
    parts.append(f"detail={decision.reason}")
    return "; ".join(parts).encode("ascii")


def strong_etag(body: bytes) -> bytes:
    """A strong validator (RFC 9110 §8.8.1): equal bytes have equal tags on every machine."""
    return b'"%s"' % blake2b(body, digest_size=16).hexdigest().encode("ascii")


def lasting_headers(own: Headers, entry: Entry, now: float) -> list[tuple[bytes, bytes]]:
    """Those that stay the same while the entry is fresh. The handler's own Cache-Control wins (R4.23).

    Args:
        own: the headers of the form in which the entry is sent.
        entry: what is sent.
        now: seconds since the epoch.
    """
    headers = list(own)
    if not has(entry.headers, b"cache-control"):
        headers.append((b"cache-control", cache_control(advertised_lifetime(entry, now))))
    return headers


def moment_headers(entry: Entry, decision: Decision, now: float) -> list[tuple[bytes, bytes]]:
    """Those that tell of this moment: Age, and how the answer came about."""
    headers = decision_headers(decision)
    if decision.action in (Action.HIT, Action.STALE):
        headers.insert(0, (b"age", b"%d" % age_of(entry, now)))
    return headers


def decision_headers(decision: Decision) -> list[tuple[bytes, bytes]]:
    """`x-nextjs-cache` (not on live answers) and `cache-status`."""
    headers = [(b"cache-status", cache_status(decision))]
    if decision.action is not Action.LIVE:
        headers.append((b"x-nextjs-cache", decision.action.value.encode("ascii")))
    return headers


def has(headers: Headers, name: bytes) -> bool:
    """Whether a header of that (lower case) name is there."""
    return any(have == name for have, _ in headers)
