"""response_tags() and response_life(): a GET says by what its own answer is invalidated, and how long it lives."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from millpond.cache.active_application import cache_of, runs_endpoint
from millpond.cache.given_tags import usable_tags
from millpond.errors import UsageError
from millpond.messages import at
from millpond.policy.lifetime import FOREVER, InvalidJitter, checked_jitter
from millpond.policy.profiles import (
    BUILT_IN,
    InvalidLife,
    Profile,
    UnknownProfile,
    ages_given,
    profile_named,
    settled,
    short_lived,
    widest,
)
from millpond.render.scopes.current_scope import required
from millpond.render.scopes.scope import Phase

if TYPE_CHECKING:
    from millpond.render.scopes.scope import Scope

log = logging.getLogger("millpond.cache")


def response_tags(*tags: str) -> None:
    """Add tags to the answer of the GET that runs: invalidating one of them invalidates the answer.

    Call it in the GET, in a dependency of it, or in what they call. Tags of several calls add up. A live answer isn't
    stored, so there it does nothing; nor in an endpoint without `@static`.

    Args:
        tags: names, by the rules of `fetch(tags=…)`; invalid ones are left out, with a warning (R5.3).

    Raises:
        UsageError: no handler runs here, a cached function or `generate_static_params` does, or the answer is out
            already.
    """
    if runs_endpoint():
        return
    scope = _answering("response_tags()", "cache_tag()")
    scope.learn(FOREVER, usable_tags(tags, lambda: f"{at(scope.place())}response_tags()", log))


def response_life(
    profile: str | None = None,
    *,
    stale: float | None = None,
    revalidate: float | None = None,
    expire: float | None = None,
    jitter: float | None = None,
) -> None:
    """Limit the lifetime of the answer of the GET that runs.

    Call it in the GET, in a dependency of it, or in what they call. The lowest ages win: of several calls, of the
    route's `revalidate`, and of the data that the answer is made of. A live answer isn't stored, so there it does
    nothing; nor in an endpoint without `@static`.

    Args:
        profile: the name of a lifetime, such as "hours" (R5.33); or give single ages instead.
        stale: seconds of age up to which clients may use it without asking: `max-age`. That of a named lifetime is sent
            with `[cache] client_stale` only. No invalidation reaches clients.
        revalidate: seconds after which the answer is rendered again; math.inf: never; 0: the answer isn't stored, which
            makes the route live.
        expire: seconds after which the answer may no longer be served; math.inf: never.
        jitter: the largest share of the lifetime, 0 to less than 1, by which the answer goes stale earlier; None: that
            of the named lifetime, or `cache.jitter`. Of several calls, the greatest wins.

    Raises:
        UsageError: no handler runs here, a cached function or `generate_static_params` does, or the answer is out
            already; the name is unknown, or an age or share is invalid (R5.34).
    """
    if runs_endpoint():
        return
    scope = _answering("response_life()", "cache_life()")
    data = cache_of(scope)
    ages_say_nothing = stale is None and revalidate is None and expire is None
    if (profile is None) is ages_say_nothing and not (profile is None and jitter is not None):
        raise UsageError(f"{at(scope.place())}response_life() takes the name of a lifetime, or ages in seconds.")
    try:
        chosen = None if jitter is None else checked_jitter(jitter)
        if profile is None:
            ages = ages_given(stale, revalidate, expire)
            named = Profile(ages.get("stale"), *settled(ages, FOREVER, FOREVER))
        else:
            named = profile_named(profile, BUILT_IN if data is None else data.profiles)
    except (InvalidLife, InvalidJitter, UnknownProfile) as error:
        raise UsageError(f"{at(scope.place())}response_life(): {error}") from None
    if named.revalidate == 0:  # said of the answer itself, so `force-static` doesn't overrule it
        scope.record_effect("response_life(revalidate=0)")
    elif data is not None and data.cache_components and short_lived(named.lifetime, named.stale):
        scope.record_short_lived("response_life()")
    is_said = profile is None or (data is not None and data.client_stale)
    scope.learn(named.lifetime, (), named.stale if is_said else None)
    scope.jitter = widest(scope.jitter, named.jitter if chosen is None else chosen)


def _answering(function: str, of_functions: str) -> Scope:
    scope = required(function)
    scope.require_answer(function)
    if scope.in_function:
        raise UsageError(
            f"{at(scope.place())}{function} is about the answer of a GET, and a cached function runs here, whose "
            f"result serves other answers, too; call {of_functions} for the result, or {function} outside of it."
        )
    if scope.phase is Phase.AFTER:
        raise UsageError(
            f"{at(scope.place())}{function} comes too late: the answer is complete; call it before the GET has ended."
        )
    return scope
