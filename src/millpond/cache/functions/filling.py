"""One run of a cached function: its own scope, and what it brings for whoever called it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millpond.cache.data import Filled, Read
from millpond.errors import UsageError
from millpond.policy.compat import Compat
from millpond.policy.lifetime import FOREVER
from millpond.policy.profiles import DEFAULT, Ages, UnknownProfile, ages_of, lowest, profile_named, settled, short_lived
from millpond.policy.segment import FetchCache, SegmentConfig
from millpond.policy.tags import MAX_TAGS_OF_ONE
from millpond.render.inputs import Inputs
from millpond.render.scope import DraftState, Phase, Purpose, Scope, enter, leave

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from millpond.cache.data import DataCache
    from millpond.cache.functions.definition import Definition
    from millpond.policy.entry import Entry

log = logging.getLogger("millpond.cache")

_PLAIN_FETCH = SegmentConfig(fetch_cache=FetchCache.FORCE_NO_STORE)
"""Inside of a cached function of the classic model its own entry is the cache (R5.24)."""


def read_of(definition: Definition, scope: Scope | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Read:
    """What a call asks the data cache for.

    Raises:
        UsageError: the arguments can't be part of a key.
    """
    return Read(
        key=definition.key_of(args, kwargs),
        name=f"@cached {definition.name}",
        revalidate=None,
        tags=scope.own_tags if scope is not None else (),
        own_invalidations=dict(scope.own_invalidations) if scope is not None else {},
        waits=scope is not None and (scope.is_prerender or scope.purpose is Purpose.FILL),
    )


def scope_of_fill(definition: Definition, cache: DataCache, parent: Scope | None) -> Scope:
    """A scope without a request: the result is for whoever calls with the same arguments."""
    return Scope(
        purpose=Purpose.FILL,
        method="GET",
        segment=SegmentConfig() if cache.cache_components else _PLAIN_FETCH,
        compat=parent.compat if parent is not None else Compat.V16,
        project=parent.project if parent is not None else Path.cwd(),
        draft=parent.draft if parent is not None else DraftState(),
        target=parent.target if parent is not None else None,
        own_invalidations=parent.own_invalidations if parent is not None else {},
        tags=dict.fromkeys(definition.tags),
        cache=cache,
        function=definition.name,
        for_build=parent is not None and (parent.for_build or parent.purpose is Purpose.BUILD),
        inputs=None if cache.observed is None else Inputs(),
    )


async def fill(
    definition: Definition, cache: DataCache, parent: Scope | None, run: Callable[[], Awaitable[Any]]
) -> Filled:
    """Run the function and write its result down; called by a flight, whose context is nobody's.

    Raises:
        UsageError: it used request data, also when it swallowed the error (R5.32); or its result is no data.
        BaseException: whatever it raised; nothing is kept then (R5.46).
    """
    scope = scope_of_fill(definition, cache, parent)
    token = enter(scope)
    try:
        value = await run()
    finally:
        leave(token)
        scope.phase = Phase.AFTER
    return finished(definition, cache, scope, value)


def fill_in_place(definition: Definition, cache: DataCache, parent: Scope | None, run: Callable[[], Any]) -> Filled:
    """As `fill`, for a function that runs in this thread: in a context of its own there, too."""

    def in_own_context() -> Filled:
        scope = scope_of_fill(definition, cache, parent)
        enter(scope)
        try:
            value = run()
        finally:
            scope.phase = Phase.AFTER
        return finished(definition, cache, scope, value)

    return cache.clean.run(in_own_context)


def finished(definition: Definition, cache: DataCache, scope: Scope, value: object) -> Filled:
    """The result with the lifetime and the tags that were learnt.

    Raises:
        UsageError: as `fill`.
    """
    if scope.misused is not None:
        raise scope.misused
    chosen = _chosen(definition, cache, scope)
    if scope.short_lived is not None and scope.for_build and not chosen:
        raise UsageError(
            f"@cached {definition.name} uses {scope.short_lived}, which is too short-lived to be rendered at build, "
            "and says nothing about its own lifetime; call cache_life() in it, or read the short-lived value outside."
        )
    default = cache.profiles[DEFAULT]
    lifetime = settled(chosen, scope.lifetime, default.lifetime if cache.cache_components else FOREVER)
    tags = tuple(scope.tags)
    if len(tags) > MAX_TAGS_OF_ONE:
        log.warning("@cached %s has more than %d tags: not cached", definition.name, MAX_TAGS_OF_ONE)
    if cache.observed is not None and scope.inputs is not None:
        cache.observed.note(definition.reported(scope.project), scope.inputs, lifetime, tags)
    return Filled(
        status=200,
        headers=(),
        body=definition.encode(value),
        lifetime=lifetime,
        tags=tags,
        storable=lifetime.revalidate != 0 and len(tags) <= MAX_TAGS_OF_ONE,
        short_lived=cache.cache_components and short_lived(lifetime, chosen.get("stale", default.stale)),
    )


def _chosen(definition: Definition, cache: DataCache, scope: Scope) -> Ages:
    """What the options and `cache_life` say together; the lowest wins (R5.34)."""
    chosen = scope.chosen_life
    if definition.life is not None:
        try:
            chosen = lowest(chosen, ages_of(profile_named(definition.life, cache.profiles)))
        except UnknownProfile as error:
            raise UsageError(f"@cached {definition.name}: {error}") from None
    if definition.revalidate:
        chosen = lowest(chosen, {"revalidate": definition.revalidate})
    return chosen


def contribute(scope: Scope | None, definition: Definition, result: Entry | Filled) -> None:
    """What a result brings for the answer, or the result, that it is used in (R5.25, R5.36, R5.37).

    Raises:
        DynamicAccess: it is too short-lived for an answer that is rendered at build (R5.38), or never served twice.
    """
    if scope is None or scope.phase is not Phase.HANDLER:
        return
    if scope.inputs is not None:
        scope.inputs.functions[definition.reported(scope.project)] = None
    lifetime = result.lifetime
    if scope.is_prerender and lifetime.revalidate == 0:
        scope.record_access(f"@cached {definition.name} with revalidate = 0")
    if result.short_lived:
        if scope.is_prerender:
            scope.record_access(f"@cached {definition.name} is short-lived")
        scope.short_lived = scope.short_lived or f"@cached {definition.name}"
    scope.lifetime = scope.lifetime.lowered(lifetime)
    scope.tags.update(dict.fromkeys(result.tags))
