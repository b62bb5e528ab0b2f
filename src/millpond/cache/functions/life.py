"""cache_life() and cache_tag(): a cached function sets the lifetime and tags of its own result (R5.34, R5.35)."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from millpond.cache.functions.fill_scope import FillScope
from millpond.cache.given_tags import usable_tags
from millpond.errors import UsageError
from millpond.messages import at
from millpond.policy.lifetime import InvalidJitter, checked_jitter
from millpond.policy.profiles import InvalidLife, UnknownProfile, ages_given, ages_of, lowest, profile_named, widest
from millpond.render.scopes.current_scope import current

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger("millpond.cache")


def cache_life(
    profile: str | None = None,
    *,
    stale: float | None = None,
    revalidate: float | None = None,
    expire: float | None = None,
    jitter: float | None = None,
) -> None:
    """Set the lifetime of the surrounding cached function's result. Of several calls, the lowest ages win.

    Args:
        profile: the name of a lifetime, such as "hours"; or give single ages instead.
        stale: seconds for which browsers may keep it (R5.38).
        revalidate: seconds after which it is refreshed; 0: it isn't stored; math.inf: never.
        expire: seconds after which it may no longer be served.
        jitter: the largest share of `revalidate`, 0 to less than 1, by which it is refreshed earlier; None: that of the
            named lifetime, or `cache.jitter`. Of several calls, the greatest wins.

    Raises:
        UsageError: you call it outside of a cached function, the name is unknown, or an age or share is invalid.
    """
    scope = _filling("cache_life()", "response_life()")
    if scope is None:
        return
    ages_say_nothing = stale is None and revalidate is None and expire is None
    if (profile is None) is ages_say_nothing and not (profile is None and jitter is not None):
        raise UsageError("cache_life() takes the name of a lifetime, or single ages in seconds.")
    try:
        chosen = None if jitter is None else checked_jitter(jitter)
        if profile is None:
            ages = ages_given(stale, revalidate, expire)
        else:
            named = profile_named(profile, scope.cache.profiles)
            ages, chosen = ages_of(named), named.jitter if chosen is None else chosen
    except (InvalidLife, InvalidJitter, UnknownProfile) as error:
        raise UsageError(f"{at(scope.place())}cache_life(): {error}") from None
    scope.chosen_life = lowest(scope.chosen_life, ages)
    scope.jitter = widest(scope.jitter, chosen)


def cache_tag(*tags: str) -> None:
    """Add tags for invalidating the surrounding cached function's result (R5.35).

    Raises:
        UsageError: you call it outside of a cached function.
    """
    scope = _filling("cache_tag()", "response_tags()")
    if scope is None:
        return
    scope.tags.update(dict.fromkeys(usable_tags(tags, lambda: f"cache_tag() in {scope.function}", log)))


_uncached: ContextVar[bool] = ContextVar("millpond_uncached", default=False)


@contextmanager
def running_uncached() -> Iterator[None]:
    """Within the block a cached function runs that no application keeps results of: what it says of them is moot."""
    token = _uncached.set(True)
    try:
        yield
    finally:
        _uncached.reset(token)


def _filling(function: str, of_answers: str) -> FillScope | None:
    """The scope of the cached function that runs; None if its result is kept by nobody."""
    scope = current()
    if not isinstance(scope, FillScope):
        if scope is None and _uncached.get():
            return None
        place = scope.place() if scope is not None else None
        raise UsageError(
            f"{at(place)}{function} applies to the result of a cached function, and none is "
            f"running here; call it inside a function with @cached, or {of_answers} for the answer of a GET itself."
        )
    return scope
