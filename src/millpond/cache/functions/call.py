"""One call of a cached function: what it asks the cache for, a run of the function, and what the caller gets."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millpond.cache.data import Filled
from millpond.cache.functions.fill_scope import FillScope
from millpond.errors import UsageError
from millpond.policy.compat import Compat
from millpond.policy.freshness import Reader
from millpond.policy.lifetime import FOREVER
from millpond.policy.profiles import DEFAULT, Ages, UnknownProfile, ages_of, lowest, profile_named, settled, short_lived
from millpond.policy.segment import FetchCache, SegmentConfig
from millpond.policy.tags import MAX_TAGS_OF_ONE
from millpond.render.scopes.inputs import Inputs
from millpond.render.scopes.scope import Phase, enter, leave

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from millpond.cache.data import DataCache
    from millpond.cache.functions.definition import Definition
    from millpond.policy.entry import Entry
    from millpond.render.scopes.scope import Scope

log = logging.getLogger("millpond.cache")

_PLAIN_FETCH = SegmentConfig(fetch_cache=FetchCache.FORCE_NO_STORE)
"""Inside of a cached function of the classic model its own entry is the cache (R5.24)."""


@dataclass(frozen=True, slots=True)
class Call:
    """A function, its arguments, and where it is called."""

    definition: Definition
    cache: DataCache
    scope: Scope | None
    """That of the caller; None outside of handlers."""
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    @property
    def bypasses(self) -> bool:
        """Whether the cache has no part in it."""
        return self.definition.bypasses(self.scope, cache_components=self.cache.cache_components)

    @property
    def key(self) -> str:
        """Raises UsageError: the arguments can't be part of a key."""
        return self.definition.key_of(self.args, self.kwargs)

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"@cached {self.definition.name}"

    @property
    def reader(self) -> Reader:
        """The caller's limits."""
        scope = self.scope
        if scope is None:
            return Reader()
        return Reader(None, scope.own_tags, dict(scope.own_invalidations), scope.wants_fresh_data)

    def run(self) -> Any:
        """Call the function."""
        return self.definition.function(*self.args, **self.kwargs)

    async def fill(self, run: Callable[[], Awaitable[Any]]) -> Filled:
        """Run the function by `run` and write its result down; called by a flight, in a clean context.

        Raises:
            UsageError: it used request data, also when it swallowed the error (R5.32); or its result is no data.
            BaseException: whatever it raised; nothing is kept then (R5.46).
        """
        scope = self._scope_of_fill()
        token = enter(scope)
        try:
            value = await run()
        finally:
            leave(token)
            scope.phase = Phase.AFTER
        return self._finished(scope, value)

    def fill_in_place(self) -> Filled:
        """As `fill`, for a function that runs in this thread: in a clean context there, too."""

        def in_own_context() -> Filled:
            scope = self._scope_of_fill()
            enter(scope)
            try:
                value = self.run()
            finally:
                scope.phase = Phase.AFTER
            return self._finished(scope, value)

        return self.cache.clean.run(in_own_context)

    def use(self, result: Entry | Filled) -> Any:
        """The value for the caller, whose answer, or result, takes part of the lifetime and the tags.

        Raises:
            DynamicAccess: the result is too short-lived for an answer that is rendered at build (R5.38), or never
                served twice.
        """
        scope = self.scope
        if scope is not None and scope.phase is Phase.HANDLER:
            self._contribute(scope, result)
        return self.definition.codec.decode(result.body)

    def _scope_of_fill(self) -> FillScope:
        """A scope without a request: the result is for whoever calls with the same arguments."""
        definition, cache, caller = self.definition, self.cache, self.scope
        return FillScope(
            function=definition.name,
            cache=cache,
            path="" if caller is None else caller.path,
            own_tags=() if caller is None else caller.own_tags,
            is_draft=caller is not None and caller.is_draft,
            for_build=caller is not None and caller.for_build,
            project=caller.project if caller is not None else Path.cwd(),
            compat=caller.compat if caller is not None else Compat.V16,
            segment=SegmentConfig() if cache.cache_components else _PLAIN_FETCH,
            attachments=cache.attachments,
            tags=dict.fromkeys(definition.tags),
            own_invalidations=caller.own_invalidations if caller is not None else {},
            inputs=None if cache.observed is None else Inputs(),
        )

    def _finished(self, scope: FillScope, value: object) -> Filled:
        """The result with the lifetime and the tags that were learnt.

        Raises:
            UsageError: as `fill`.
        """
        definition, cache = self.definition, self.cache
        if scope.misused is not None:
            raise scope.misused
        chosen = self._chosen(scope)
        if scope.short_lived is not None and scope.for_build and not chosen:
            raise UsageError(
                f"{self.name} uses {scope.short_lived}, which is too short-lived to be rendered at build, and says "
                "nothing about its own lifetime; call cache_life() in it, or read the short-lived value outside."
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

    def _chosen(self, scope: FillScope) -> Ages:
        """What the options and `cache_life` say together; the lowest wins (R5.34)."""
        definition, cache = self.definition, self.cache
        chosen = scope.chosen_life
        if definition.life is not None:
            try:
                chosen = lowest(chosen, ages_of(profile_named(definition.life, cache.profiles)))
            except UnknownProfile as error:
                raise UsageError(f"{self.name}: {error}") from None
        if definition.revalidate:
            chosen = lowest(chosen, {"revalidate": definition.revalidate})
        return chosen

    def _contribute(self, scope: Scope, result: Entry | Filled) -> None:
        """What a result brings for what it is used in (R5.25, R5.36, R5.37)."""
        if scope.inputs is not None:
            scope.inputs.functions[self.definition.reported(scope.project)] = None
        if result.lifetime.revalidate == 0:
            scope.record_uncached(f"{self.name} with revalidate = 0")
        if result.short_lived:
            scope.record_short_lived(self.name)
        scope.learn(result.lifetime, result.tags)
