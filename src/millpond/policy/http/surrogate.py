"""The headers for CDNs and other caches in front: surrogate keys for purging, and CDN-Cache-Control (`[cdn]`).

The keys are the answer's tags. A purge names the same keys: both use `key_of`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from millpond.policy.lifetime import YEAR, Lifetime
from millpond.policy.tags import DIGESTED, digest_of, is_narrow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from millpond.policy.entry import Headers

KEY_HEADERS = {"cache-tag": ",", "surrogate-key": " ", "xkey": " "}
"""The headers that list an answer's keys, with their separators: Cloudflare's, Fastly's and Varnish's."""

IGNORES_VARY = "cache-tag"
"""The header of Cloudflare, which tells answers apart by their URL alone: of `Vary` it obeys Accept-Encoding only."""

CACHE_GROUPS = "cache-groups"
"""RFC 9875: a structured field, a list of strings."""

CDN_CACHE_CONTROL = "cdn-cache-control"
"""RFC 9213: Cache-Control that only CDNs obey."""

CACHE_GROUP_INVALIDATION = b"cache-group-invalidation"
"""RFC 9875: the same, of groups that the answer to an unsafe request invalidates."""

MOST_GROUPS = 32
"""RFC 9875 §2 requires every cache to support as many groups of an answer."""

LONGEST_KEY = 32
"""Characters: RFC 9875 §2 requires every cache to accept group names of this length."""

MANY = "mp-many"
"""The key of an answer whose keys don't fit into the header. Every purge names it, and so removes such answers."""

_SAFE_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/=@-]*")
"""Characters that mean the same in a header, in JSON and in a regular expression (a Varnish ban). The one exception is
the dot: in a regular expression it matches any character, so a ban may purge too much, but never too little."""


class Surrogates(NamedTuple):
    """The settings of `[cdn]`."""

    headers: tuple[str, ...] = ()
    """Names from `KEY_HEADERS`, and `CACHE_GROUPS`."""
    cdn_cache_control: bool = False
    max_age: float | None = None
    """The maximum number of seconds for which a CDN may keep an answer. A shorter lifetime of the answer wins."""
    max_header_bytes: int = 4096
    """The maximum length of a list of keys, in bytes."""
    other_max_age: float = 60
    """The seconds for which caches in front keep what no route answers; 0: not at all."""


@lru_cache(maxsize=4096)
def key_of(tag: str) -> str:
    """The surrogate key of a tag, in headers and in purges.

    A short tag of safe characters is its own key; the key of any other tag is a digest. Don't change this function:
    caches may hold keys from before an upgrade. A tag and its stored form (`kept_tag`) have the same key.
    """
    if len(tag) <= LONGEST_KEY and _SAFE_KEY.fullmatch(tag) and not tag.lower().startswith(DIGESTED):
        return tag
    return digest_of(tag)


def purge_keys(tags: Iterable[str]) -> list[str]:
    """The keys that a purge of `tags` names, without duplicates."""
    return list(dict.fromkeys([*map(key_of, tags), MANY]))


@lru_cache(maxsize=512)
def key_headers(tags: tuple[str, ...], surrogates: Surrogates) -> tuple[tuple[bytes, bytes], ...]:
    """The headers with an answer's keys. They depend only on its entry.

    Cache-Groups lists the user's tags and the answer's path only. A cache may drop a whole group when one of its
    members changes (RFC 9875 §2.2.1), and the tags of routes and folders would put every answer into one group with
    all others.
    """
    return tuple(
        (name.encode("ascii"), value.encode("ascii"))
        for name in surrogates.headers
        if (value := _groups(tags, surrogates) if name == CACHE_GROUPS else _keys(tags, KEY_HEADERS[name], surrogates))
    )


def _keys(tags: tuple[str, ...], separator: str, surrogates: Surrogates) -> str:
    keys = _fitting_keys(tags, separator, surrogates.max_header_bytes)
    return MANY if keys is None else separator.join(keys)


def _fitting_keys(tags: tuple[str, ...], separator: str, max_bytes: int) -> list[str] | None:
    """The keys of all tags, or None if they exceed `max_bytes`. It stops at the first key that doesn't fit."""
    keys: dict[str, None] = {}
    length = -len(separator)
    for tag in tags:
        key = key_of(tag)
        if key not in keys:
            keys[key] = None
            length += len(separator) + len(key)
        if length > max_bytes:
            return None
    return list(keys)


def group_invalidation(tags: Iterable[str], surrogates: Surrogates) -> Headers:
    """Cache-Group-Invalidation for what an unsafe request has invalidated; none if no group was (RFC 9875 §3).

    Args:
        tags: what was invalidated, or the stored form of that.
        surrogates: names the header Cache-Groups if answers have it.
    """
    value = _groups(tags, surrogates, None) if CACHE_GROUPS in surrogates.headers else ""
    return ((CACHE_GROUP_INVALIDATION, value.encode("ascii")),) if value else ()


def _groups(tags: Iterable[str], surrogates: Surrogates, most: int | None = MOST_GROUPS) -> str:
    """As many groups as fit. No purge relies on them, so a missing one only costs an optimisation."""
    groups: dict[str, None] = {}
    length = -len(", ")
    for tag in tags:
        group = f'"{key_of(tag)}"'
        if group in groups or not is_narrow(tag):
            continue
        length += len(", ") + len(group)
        if length > surrogates.max_header_bytes or len(groups) == most:
            break
        groups[group] = None
    return ", ".join(groups)


def cdn_cache_control(lifetime: Lifetime, age: float, max_age: float | None) -> bytes:
    """The CDN-Cache-Control of an answer (RFC 9213). It never allows more than the answer's Cache-Control.

    Args:
        lifetime: the advertised lifetime.
        age: the answer's age in seconds. It is sent as `Age`, so it counts towards `max-age` (RFC 9111 §4.2.3).
        max_age: the maximum number of seconds from now for which the answer may be fresh; None: only the lifetime
            limits it.
    """
    fresh = YEAR if lifetime.revalidate is None else lifetime.revalidate
    if fresh <= 0:
        return b"no-store"
    stale = 0.0 if lifetime.revalidate is None or lifetime.expire is None else lifetime.expire - fresh
    if max_age is not None:
        fresh = min(fresh, age + max_age)
    if stale <= 0:
        return b"max-age=%d" % fresh
    return b"max-age=%d, stale-while-revalidate=%d" % (fresh, stale)
