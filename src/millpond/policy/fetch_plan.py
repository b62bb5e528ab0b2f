"""The plan for one `fetch` call: whether it is cached, ends a static render, or lowers the route's lifetime (5.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from millpond.policy.compat import Compat
from millpond.policy.segment import Dynamic, FetchCache

if TYPE_CHECKING:
    from millpond.policy.segment import SegmentConfig

CacheOption = Literal["force-cache", "no-store"]
RevalidateOption: TypeAlias = float | Literal[False, "upstream"]
"""Seconds; False: never stale; "upstream": what the answer's Cache-Control and Expires say (RFC 9111)."""

_NEVER_STORED = (FetchCache.FORCE_NO_STORE, FetchCache.ONLY_NO_STORE)
_PERSONAL_HEADERS = frozenset({"authorization", "cookie"})


class FetchConflict(ValueError):
    """The call and the route's `fetch_cache` contradict each other (R5.6)."""


@dataclass(frozen=True, slots=True)
class FetchCall:
    """The options of the call itself."""

    method: str = "GET"
    cache: CacheOption | None = None
    revalidate: RevalidateOption | None = None
    """None: not given."""
    header_names: frozenset[str] = frozenset()
    uploads: bool = False
    """Whether it sends files: such a call has an effect, and isn't cached."""

    @property
    def personal(self) -> bool:
        """Whether the answer may be meant for one user: the call has credentials, or an unsafe method (R5.7)."""
        return bool(self.header_names & _PERSONAL_HEADERS) or self.method not in ("GET", "HEAD", "QUERY")


@dataclass(frozen=True, slots=True)
class FetchSurroundings:
    """The context of the call: the route, and the render that it is part of."""

    compat: Compat
    segment: SegmentConfig
    route_revalidate: float | None
    """The lifetime collected so far, in seconds; None: unlimited; 0: the answer is for one request only."""
    prerendering: bool
    """Whether the call is part of a prerender at build time (R5.9)."""
    cache_components: bool = False
    """With Cache Components, only calls that ask for caching are cached (R9.14)."""


@dataclass(frozen=True, slots=True)
class FetchPlan:
    """What to do for one call."""

    cached: bool
    revalidate: float | None
    """Seconds after which the stored result is stale; None: never. Only meaningful if `cached`."""
    ends_static: bool
    """An uncached result can't be part of a shared answer (R3.9)."""
    lowers: float | None
    """Seconds to which the call lowers the lifetime of the surrounding answer or result (R4.17)."""
    why: str
    """The reason, worded as in E.1."""
    warning: str | None = None
    by_upstream: bool = False
    """Whether the upstream's headers decide how long the stored result is used, and whether it is stored at all."""


def plan_fetch(call: FetchCall, around: FetchSurroundings) -> FetchPlan:
    """Plan one call, by the steps of docs/rules.md, 5.1, in their order.

    Raises:
        FetchConflict: `only-cache` meets `no-store`, or `only-no-store` a cached call (R5.6).
    """
    cache, revalidate, warning = _settle_conflict(call, around.compat)
    mode = around.segment.fetch_cache
    _check_only_modes(cache, revalidate, mode)
    if cache == "force-cache" and revalidate is None:
        revalidate = False
    if call.uploads:
        return _upload(cache, revalidate, warning)
    if mode in _NEVER_STORED:
        return _uncached(f'fetch_cache = "{mode}"', warning)
    if mode is FetchCache.FORCE_CACHE and (cache == "no-store" or not _asks_for_cache(cache, revalidate)):
        # An explicit no-store still ends a static render, although the fetched data is cached (R5.6).
        return FetchPlan(True, None, cache == "no-store", None, f'fetch_cache = "{mode}"', warning)
    if cache == "no-store":
        return _uncached('cache = "no-store"', warning)
    if revalidate is None:
        return _by_default(call, around, warning)
    if revalidate == 0 and revalidate is not False:
        return _uncached("revalidate = 0", warning)
    if revalidate is False:
        return FetchPlan(True, None, False, None, "cached without limit", warning)
    if revalidate == "upstream":
        return FetchPlan(True, None, False, None, 'revalidate = "upstream"', warning, by_upstream=True)
    return FetchPlan(True, revalidate, False, revalidate, f"revalidate = {revalidate:g}", warning)


def _settle_conflict(call: FetchCall, compat: Compat) -> tuple[CacheOption | None, RevalidateOption | None, str | None]:
    """Drop contradictory options with a warning: both of them, or only `cache` in version 14 (rule 1)."""
    cache, revalidate = call.cache, call.revalidate
    if cache is None or revalidate is None:
        return cache, revalidate, None
    given = f'cache="{cache}" and revalidate={revalidate!r}'
    if compat is Compat.V14:
        return None, revalidate, f"{given}: give one of them; cache is ignored"
    if (cache == "no-store") is (revalidate == 0 and revalidate is not False):
        return cache, revalidate, None
    return None, None, f"{given} contradict each other: both are ignored"


def _asks_for_cache(cache: CacheOption | None, revalidate: RevalidateOption | None) -> bool:
    return cache == "force-cache" or revalidate is False or bool(revalidate)


def _check_only_modes(cache: CacheOption | None, revalidate: RevalidateOption | None, mode: FetchCache | None) -> None:
    if mode is FetchCache.ONLY_CACHE and cache == "no-store":
        raise FetchConflict('fetch(cache="no-store") in a route with fetch_cache = "only-cache"; remove one of them')
    if mode is FetchCache.ONLY_NO_STORE and _asks_for_cache(cache, revalidate):
        raise FetchConflict('a cached fetch() in a route with fetch_cache = "only-no-store"; remove one of them')


def _upload(cache: CacheOption | None, revalidate: RevalidateOption | None, warning: str | None) -> FetchPlan:
    """The plan for a call with files. Without cache options the route stays static, as for any bare call (R5.8)."""
    if _asks_for_cache(cache, revalidate):
        raise FetchConflict("fetch(files=…) isn't cached; leave the cache options out, or send the bytes as content")
    return FetchPlan(False, None, cache is not None or revalidate is not None, None, "files", warning)


def _by_default(call: FetchCall, around: FetchSurroundings, warning: str | None) -> FetchPlan:
    """The plan for a call without cache options (rules 4 and 6)."""
    if around.cache_components:
        return _uncached("no cache option", warning)
    mode = around.segment.fetch_cache
    if mode is FetchCache.DEFAULT_CACHE:
        return FetchPlan(True, None, False, None, f'fetch_cache = "{mode}"', warning)
    if mode is FetchCache.DEFAULT_NO_STORE:
        return _uncached(f'fetch_cache = "{mode}"', warning)
    if mode is None and around.segment.dynamic is Dynamic.FORCE_DYNAMIC:
        return _uncached('dynamic = "force-dynamic"', warning)
    live = around.route_revalidate == 0
    if live and (call.personal or around.compat is Compat.V14):
        return FetchPlan(False, None, False, None, "auto no cache", warning)
    if mode is None and around.compat is not Compat.V14 and not around.prerendering:
        return FetchPlan(False, None, False, None, "auto no cache", warning)
    return FetchPlan(True, None if live else around.route_revalidate, False, None, "auto cache", warning)


def _uncached(why: str, warning: str | None) -> FetchPlan:
    return FetchPlan(False, None, True, None, why, warning)
