"""The headers of an answer, built from its entry and its decision."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from millpond.policy.decision import Action, Reason
from millpond.policy.freshness import age_of
from millpond.policy.http.coding import varies_by_others
from millpond.policy.http.storing import says_private
from millpond.policy.http.surrogate import IGNORES_VARY, cdn_cache_control, key_headers
from millpond.policy.key import variant_in
from millpond.policy.lifetime import YEAR, Lifetime

if TYPE_CHECKING:
    from collections.abc import Iterable

    from millpond.policy.decision import Decision
    from millpond.policy.entry import Entry, Headers
    from millpond.policy.http.surrogate import Surrogates

UNCACHED = b"private, no-cache, no-store, max-age=0, must-revalidate"
"""The Cache-Control of answers that no cache may keep (R4.22)."""

CACHING_HEADERS = {
    b"cache-control",
    b"cdn-cache-control",
    b"cloudflare-cdn-cache-control",
    b"expires",
    b"surrogate-control",
    b"x-accel-expires",
}
"""The headers that tell caches whether, and for how long, they may keep an answer."""

_OF_CDNS = frozenset({b"cdn-cache-control", b"cloudflare-cdn-cache-control"})

VOLATILE = frozenset({b"age", b"cache-status", b"cdn-cache-control", b"x-nextjs-cache"})
"""The headers that `volatile_headers` makes."""


def cache_control(lifetime: Lifetime, client_stale: float | None = None) -> bytes:
    """`s-maxage` and `stale-while-revalidate` for a lifetime (R4.22, K.5).

    Args:
        lifetime: of the answer.
        client_stale: seconds of age up to which clients may use it without asking, `max-age`; None: it isn't said.
    """
    said = _for_shared_caches(lifetime)
    if client_stale is None or said == UNCACHED:
        return said
    expire = YEAR if lifetime.expire is None else lifetime.expire
    return b"max-age=%d, %b" % (min(client_stale, expire, YEAR), said)


def _for_shared_caches(lifetime: Lifetime) -> bytes:
    revalidate, expire = lifetime
    if revalidate is None:
        return b"s-maxage=%d" % YEAR
    if revalidate <= 0:
        return UNCACHED
    if expire is None or expire <= revalidate:
        return b"s-maxage=%d" % revalidate
    return b"s-maxage=%d, stale-while-revalidate=%d" % (revalidate, expire - revalidate)


def advertised_lifetime(entry: Entry, decision: Decision) -> Lifetime:
    """The lifetime that caches in front see: the entry's, or the back-off's after a failed refresh (R4.26).

    None for an answer of a former build: they would keep it for as long as it lasts, and the new one is on its way.
    """
    if decision.reason is Reason.FORMER_BUILD:
        return Lifetime(0, entry.expire)
    if decision.reason is Reason.REFRESH_FAILED and entry.backoff is not None:
        return Lifetime(entry.backoff.seconds, entry.expire)
    stale_after = entry.stale_after
    if stale_after is not None and entry.jitter:  # in whole seconds; 0 would be no lifetime at all
        return Lifetime(max(stale_after, min(entry.revalidate or 0, 1)), entry.expire)
    return entry.lifetime


_FORWARD_REASONS = {Reason.COLD: "uri-miss", Reason.STORE_UNREACHABLE: "miss"}
"""The `fwd` values of RFC 9211 (section 2.2) where no stale entry was stored."""


def cache_status(decision: Decision) -> bytes:
    """The Cache-Status of RFC 9211, with the reason as `detail`. It names mechanisms, never code or tags."""
    parts = ["Millpond"]
    if decision.action in (Action.HIT, Action.STALE):
        parts.append("hit")
        if decision.ttl is not None:
            parts.append(f"ttl={decision.ttl}")
    elif decision.action is Action.MISS:
        parts.append(f"fwd={_FORWARD_REASONS.get(decision.reason, 'stale')}")
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
    """A strong ETag (RFC 9110 §8.8.1): equal bytes have equal ETags on every machine."""
    return b'"%s"' % blake2b(body, digest_size=16).hexdigest().encode("ascii")


def lasting_headers(
    own: Headers, entry: Entry, decision: Decision, surrogates: Surrogates | None = None, claims: Headers = ()
) -> list[tuple[bytes, bytes]]:
    """The headers that stay the same while the entry is fresh. The handler's own Cache-Control wins (R4.23).

    Args:
        own: the headers of the representation that is sent.
        entry: the entry that is sent.
        decision: the decision about the request.
        surrogates: the settings for caches in front; None: none are configured.
        claims: what the route says of all answers that are kept, unless the handler has said it.
    """
    headers = list(own)
    if claims and keepable(decision):
        headers += [claim for claim in claims if not has(entry.headers, claim[0])]
    if surrogates is not None and not keepable(decision):
        headers = for_one_request(headers)
    elif not has(entry.headers, b"cache-control"):
        stale = entry.client_stale if keepable(decision) else None
        headers.append((b"cache-control", cache_control(advertised_lifetime(entry, decision), stale)))
    if surrogates is not None:
        headers += key_headers(entry.tags, surrogates)
    return headers


def volatile_headers(
    entry: Entry, decision: Decision, now: float, surrogates: Surrogates | None = None
) -> list[tuple[bytes, bytes]]:
    """The headers that change from moment to moment: Age, Cache-Status, and the remaining lifetime for CDNs."""
    headers, age = decision_headers(decision), age_of(entry, now)
    if surrogates is not None or decision.action in (Action.HIT, Action.STALE):
        headers.insert(0, (b"age", b"%d" % age))
    if surrogates is not None and _is_mixed_up(entry, surrogates):
        headers.append((b"cdn-cache-control", b"no-store"))
    elif surrogates is not None and _has_cdn_cache_control(entry, decision, surrogates):
        value_for_cdns = cdn_cache_control(advertised_lifetime(entry, decision), age, surrogates.max_age)
        headers.append((b"cdn-cache-control", value_for_cdns))
    return headers


def _is_mixed_up(entry: Entry, surrogates: Surrogates) -> bool:
    """Whether the cache in front ignores the `Vary` by which an answer's variants are told apart (`cache_vary`).

    A handler that says itself what CDNs do knows better.
    """
    if IGNORES_VARY not in surrogates.headers or variant_in(entry.key) is None or not varies_by_others(entry.headers):
        return False
    return not any(name in _OF_CDNS for name, _ in entry.headers)


def _has_cdn_cache_control(entry: Entry, decision: Decision, surrogates: Surrogates) -> bool:
    return surrogates.cdn_cache_control and keepable(decision) and not says_who_may_keep(entry.headers)


def keepable(decision: Decision) -> bool:
    """Whether caches in front may keep a cached answer.

    They may not if Millpond itself didn't store it, or if one of its tags was invalidated: the store knows how long
    the answer may still be served and that a newer one is being rendered, but a cache in front would keep it for its
    whole lifetime. The same holds for an answer of a former build. Nor may they while Millpond can't reach the store,
    as it can't know about invalidations then.
    """
    if decision.tag is not None or decision.reason in (Reason.STORE_UNREACHABLE, Reason.FORMER_BUILD):
        return False
    return decision.action is not Action.MISS or decision.stored


def live_headers(
    headers: Iterable[tuple[bytes, bytes]], decision: Decision, *, fronted: bool
) -> list[tuple[bytes, bytes]]:
    """The headers of an answer that was made for one request.

    No cache may keep an answer in draft mode (D14). With caches in front (`fronted`), the same holds for an answer
    without caching headers, as caches may store it heuristically (RFC 9111 §4.2.2), and for one that sets a cookie.
    """
    headers = [(name.lower(), value) for name, value in headers]
    if decision.action is Action.BYPASS or (fronted and not is_meant_for_caches(headers)):
        headers = for_one_request(headers)
    return headers + decision_headers(decision)


def is_meant_for_caches(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether an application has said itself what caches may do; with a cookie, only to forbid it. Lower-case names."""
    if has(headers, b"set-cookie"):
        return says_private(headers) is not None
    return says_who_may_keep(headers)


def for_one_request(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers, changed so that no cache keeps the answer. Names are lower case."""
    return [*((name, value) for name, value in headers if name not in CACHING_HEADERS), (b"cache-control", UNCACHED)]


def says_who_may_keep(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a handler has set any caching header itself. Names are lower case."""
    return any(name in CACHING_HEADERS for name, _ in headers)


def decision_headers(decision: Decision) -> list[tuple[bytes, bytes]]:
    """`x-nextjs-cache` (not on live answers) and `cache-status`."""
    headers = [(b"cache-status", cache_status(decision))]
    if decision.action is not Action.LIVE:
        headers.append((b"x-nextjs-cache", decision.action.value.encode("ascii")))
    return headers


def has(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bool:
    """Whether there is a header with this lower-case name."""
    return any(present == name for present, _ in headers)
