"""What caches in front are told of an answer: the keys that purge it, and how long they may keep it (`[cdn]`).

The keys are the answer's tags. A purge names the same keys: `key_of` is the one function for both.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from millpond.policy.lifetime import YEAR, Lifetime
from millpond.policy.tags import DIGESTED, digest_of, is_own

if TYPE_CHECKING:
    from collections.abc import Iterable

KEY_HEADERS = {"cache-tag": ",", "surrogate-key": " ", "xkey": " "}
"""The headers that hold an answer's keys, and what separates them: Cloudflare's, Fastly's and Varnish's."""

CACHE_GROUPS = "cache-groups"
"""RFC 9875: a structured field, a list of strings."""

CDN_CACHE_CONTROL = "cdn-cache-control"
"""RFC 9213: Cache-Control for CDNs alone."""

LONGEST_KEY = 32
"""Characters: the length of a group's name that RFC 9875 §2 obliges every cache to take."""

MANY = "mp-many"
"""The key of an answer whose keys don't fit. Every purge names it: what can't be told apart goes each time."""

_AS_IT_IS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/=@-]*")
"""Of what no header, no JSON and no regular expression (a Varnish ban) makes anything else; but for the dot, which
matches more than itself in the last, and so purges more."""


class Surrogates(NamedTuple):
    """What `[cdn]` asks for."""

    headers: tuple[str, ...] = ()
    """Of `KEY_HEADERS`, and `CACHE_GROUPS`."""
    cdn_cache_control: bool = False
    max_age: float | None = None
    """Seconds for which a CDN may keep an answer at most; the answer's own lifetime when that is shorter."""
    max_header_bytes: int = 4096
    """The longest list of keys."""


@lru_cache(maxsize=4096)
def key_of(tag: str) -> str:
    """How a tag is written in headers and in purges.

    As it is, if it is short and no cache can take it for anything else; otherwise its digest. Caches may hold keys
    from before an upgrade, so this function stays as it is. A tag and what is kept of it (`kept_tag`) have one key.
    """
    if len(tag) <= LONGEST_KEY and _AS_IT_IS.fullmatch(tag) and not tag.lower().startswith(DIGESTED):
        return tag
    return digest_of(tag)


def purge_keys(tags: Iterable[str]) -> list[str]:
    """The keys that a purge of `tags` names, each once."""
    return list(dict.fromkeys([*map(key_of, tags), MANY]))


@lru_cache(maxsize=512)
def key_headers(tags: tuple[str, ...], surrogates: Surrogates) -> tuple[tuple[bytes, bytes], ...]:
    """The headers with an answer's keys; they are the same for as long as its entry is.

    Cache-Groups names what belongs together, and a cache may drop a whole group when one of its members is changed
    (RFC 9875 §2.2.1). So it has the user's tags only: by its path, each answer is in one group with all others.
    """
    return tuple(
        (name.encode("ascii"), value.encode("ascii"))
        for name in surrogates.headers
        if (value := _groups(tags, surrogates) if name == CACHE_GROUPS else _keys(tags, KEY_HEADERS[name], surrogates))
    )


def _keys(tags: tuple[str, ...], separator: str, surrogates: Surrogates) -> str:
    keys = _that_fit(tags, separator, surrogates.max_header_bytes)
    return MANY if keys is None else separator.join(keys)


def _that_fit(tags: tuple[str, ...], separator: str, most: int) -> list[str] | None:
    """The keys of all tags; None where they are more than a header may hold: no more are made than tell that."""
    keys: dict[str, None] = {}
    length = -len(separator)
    for tag in tags:
        key = key_of(tag)
        if key not in keys:
            keys[key] = None
            length += len(separator) + len(key)
        if length > most:
            return None
    return list(keys)


def _groups(tags: tuple[str, ...], surrogates: Surrogates) -> str:
    """As many as fit: nothing is purged by them, so one that is missing costs an optimisation."""
    groups: dict[str, None] = {}
    length = -len(", ")
    for tag in tags:
        group = f'"{key_of(tag)}"'
        if is_own(tag) or group in groups:
            continue
        length += len(", ") + len(group)
        if length > surrogates.max_header_bytes:
            break
        groups[group] = None
    return ", ".join(groups)


def cdn_cache_control(lifetime: Lifetime, age: float, max_age: float | None) -> bytes:
    """CDN-Cache-Control of an answer of `age` seconds (RFC 9213): never more than its Cache-Control says.

    Args:
        lifetime: the advertised one.
        age: seconds; an answer arrives with it, so it counts towards `max-age` (RFC 9111 §4.2.3).
        max_age: seconds from now for which it may be fresh at most; None: no limit but the lifetime.
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
