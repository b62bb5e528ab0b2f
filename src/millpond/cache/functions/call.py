"""One call of a cached function: its key and limits for the cache, how to run the function, and the caller's value."""

from __future__ import annotations

import logging
import math
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millpond.cache.data import Filled, error_of
from millpond.cache.functions.call_label import call_label
from millpond.cache.functions.counted_fill import CountedFill
from millpond.cache.functions.fill_scope import FillScope
from millpond.cache.functions.values import Undecodable
from millpond.cache.told import FillFailure, Told
from millpond.errors import UsageError
from millpond.policy.compat import Compat
from millpond.policy.entry import Entry
from millpond.policy.freshness import Reader, lifetime_of_old
from millpond.policy.lifetime import FOREVER
from millpond.policy.profiles import (
    DEFAULT,
    Ages,
    UnknownProfile,
    ages_of,
    lowest,
    profile_named,
    settled,
    short_lived,
    widest,
)
from millpond.policy.segment import FetchCache, SegmentConfig
from millpond.policy.tags import MAX_TAGS_OF_ONE
from millpond.render.scopes.current_scope import enter, leave
from millpond.render.scopes.dynamic_use import DynamicAccess
from millpond.render.scopes.inputs import Inputs
from millpond.render.scopes.scope import Phase

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from millpond.cache.data import DataCache
    from millpond.cache.functions.definition import Definition
    from millpond.errors import Place
    from millpond.render.scopes.scope import Scope

log = logging.getLogger("millpond.cache")

_PLAIN_FETCH = SegmentConfig(fetch_cache=FetchCache.FORCE_NO_STORE)
"""In the classic model, fetches inside a cached function aren't cached themselves: the function's entry is (R5.24)."""


@dataclass(slots=True, eq=False)
class Call:
    """A function, its arguments, and the context of the call. Calls are compared by identity."""

    definition: Definition
    cache: DataCache
    scope: Scope | None
    """The caller's scope; None outside of handlers."""
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    unreadable: Entry | None = None
    """A stored result that can't be decoded."""
    is_late: bool = False
    """Whether the stored result is stale, and is used as a fresh one takes longer than `soft_timeout`."""
    _key: str | None = None
    _value: Any = None

    @property
    def is_draft(self) -> bool:
        """Whether an editor's: nothing is looked up, and nothing is stored (R5.25, R5.42)."""
        return self.scope is not None and self.scope.is_draft

    @property
    def runs_anew(self) -> bool:
        """Whether the function runs whatever is stored: inside of another one, in the classic model (R5.24).

        What it returns is stored, so that those who call it next find what the outer result was made of.
        """
        return self.scope is not None and self.scope.in_function and not self.cache.cache_components

    @property
    def key(self) -> str:
        """The key of this call.

        Raises:
            UsageError: the arguments can't be part of a key.
        """
        if self._key is None:
            self._key = self.definition.key_of(self.args, self.kwargs)
        return self._key

    @property
    def _place(self) -> object:
        """Under what the run of the function is known, while it runs: callers with one key share a run."""
        return self if self.is_draft or self.runs_anew else self.key

    @property
    def name(self) -> str:
        """The name used in messages."""
        return f"@cached {self.definition.name}"

    @property
    def reader(self) -> Reader:
        """The caller's limits."""
        scope = self.scope
        if scope is None:
            return Reader()
        own = dict(scope.own_invalidations)
        return Reader(None, scope.own_tags, own, scope.wants_fresh_data, host=scope.host)

    @property
    def soft_timeout(self) -> float:
        """Seconds to wait for a fresh result where a stale one may be used. A build has the time."""
        if self.scope is None or self.scope.for_build:
            return math.inf
        own = self.definition.soft_timeout
        return self.cache.soft_timeout if own is None else own

    def place(self) -> Place:
        """Where the function is; a thread may have called it without any line of the user's on its stack."""
        return self.definition.reported(Path.cwd() if self.scope is None else self.scope.project).place

    def run(self) -> Any:
        """Call the function."""
        return self.definition.function(*self.args, **self.kwargs)

    async def fill(self, run: Callable[[], Awaitable[Any]]) -> Filled:
        """Run the function with `run`, and encode its result. A flight calls this in a clean context.

        Raises:
            FillFailure: the function raised; nothing is stored then (R5.46). Or it used request data, even if it
                swallowed that error (R5.32); or its result can't be encoded.
            UsageError: it says too little of its lifetime for a build (R5.39).
        """
        scope = self._scope_of_fill()
        with self._counted() as counted:
            with self.cache.telling(self._place, partial(self._told, scope)):
                token = enter(scope)
                try:
                    value = await run()
                finally:
                    leave(token)
                    scope.phase = Phase.AFTER
                filled = self._finished(scope, value)
            self._check_life(scope)
            return counted.ended(filled)

    def fill_in_place(self) -> Filled:
        """Like `fill`, but in this thread, also in a clean context."""

        def in_clean_context() -> Filled:
            scope = self._scope_of_fill()
            with self._counted() as counted:
                with self.cache.telling(self._place, partial(self._told, scope)):
                    enter(scope)
                    try:
                        value = self.run()
                    finally:
                        scope.phase = Phase.AFTER
                    filled = self._finished(scope, value)
                self._check_life(scope)
                return counted.ended(filled)

        return self.cache.clean.run(in_clean_context)

    def _counted(self) -> CountedFill:
        return CountedFill(self.cache.counters, self.definition.qualified_name)

    def failed(self, failure: FillFailure) -> BaseException:
        """The function's error, for the caller to raise. What the function told before it counts for the caller, too.

        Raises:
            DynamicAccess: as `use`.
        """
        self._contribute(failure.told)
        return error_of(failure)

    def given_up(self) -> None:
        """The caller is cancelled while it waits, as by a timeout: what the function has told so far counts for it."""
        with suppress(DynamicAccess, UsageError):  # the scope knows the one, and the run raises the other itself
            self._contribute(self.cache.told_so_far(self._place) or self._told(self._scope_of_fill()))

    def decodes(self, result: Entry | Filled) -> bool:
        """Whether the value of a result can be decoded; `use` returns it then. If not, the function has to run.

        Raises:
            UsageError: it is a result of this call's own run.
        """
        try:
            self._value = self.definition.codec.decode(result.body)
        except Undecodable as problem:
            if self.unreadable is not None or not isinstance(result, Entry):
                raise UsageError(f"{self.name}: its result can't be read back: {problem}.") from None
            log.warning("%s: a stored result can't be read back, so the function runs again: %s", self.name, problem)
            self.unreadable = result
            return False
        return True

    def use(self, result: Entry | Filled) -> Any:
        """The value of a result that `decodes`. The lifetime and tags also apply to the caller's own answer or result.

        Raises:
            DynamicAccess: the result is too short-lived for a prerender (R5.38), or has `revalidate = 0`.
        """
        self._contribute(Told(result.lifetime, result.tags, result.short_lived, result.client_stale))
        if self.is_late and self.scope is not None and isinstance(result, Entry):
            self.scope.limit(lifetime_of_old(result, self.cache.clock()))
        return self._value

    def _scope_of_fill(self) -> FillScope:
        """A scope without a request, as the result serves every caller with the same arguments."""
        definition, cache, caller = self.definition, self.cache, self.scope
        return FillScope(
            function=definition.name,
            cache=cache,
            path="" if caller is None else caller.path,
            own_tags=() if caller is None else caller.own_tags,
            host=None if caller is None else caller.host,
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
        """The result with the lifetime and tags collected during the run.

        Raises:
            UsageError: see `fill`.
        """
        definition = self.definition
        if scope.misused is not None:
            raise scope.misused
        told = self._told(scope)
        if len(told.tags) > MAX_TAGS_OF_ONE:
            log.warning("@cached %s has more than %d tags: not cached", definition.name, MAX_TAGS_OF_ONE)
        return Filled(
            status=200,
            headers=(),
            body=definition.encode(value),
            lifetime=told.lifetime,
            tags=told.tags,
            storable=told.lifetime.revalidate != 0 and len(told.tags) <= MAX_TAGS_OF_ONE,
            short_lived=told.short_lived,
            jitter=self._jitter(scope),
            client_stale=told.client_stale,
            label=call_label(definition.name, definition.arguments_of(self.args, self.kwargs)),
        )

    def _jitter(self, scope: FillScope) -> float | None:
        """By the option `life` and `cache_life`; None: neither names one. `_chosen` has checked the name."""
        life = self.definition.life
        return scope.jitter if life is None else widest(scope.jitter, profile_named(life, self.cache.profiles).jitter)

    def _check_life(self, scope: FillScope) -> None:
        """Raises UsageError: at build the function used a short-lived result, and names no lifetime (R5.39)."""
        if scope.short_lived is not None and scope.for_build and not self._chosen(scope):
            raise UsageError(
                f"{self.name} uses {scope.short_lived}, which is too short-lived to be rendered at build, and says "
                "nothing about its own lifetime; call cache_life() in it, or read the short-lived value outside."
            )

    def _told(self, scope: FillScope) -> Told:
        """What a run in `scope` says, at its end or so far.

        Raises:
            UsageError: `life` names no lifetime.
        """
        cache, chosen = self.cache, self._chosen(scope)
        default = cache.profiles[DEFAULT]
        lifetime = settled(chosen, scope.lifetime, default.lifetime if cache.cache_components else FOREVER)
        tags = tuple(scope.tags)
        if cache.observed is not None and scope.inputs is not None:
            cache.observed.note(self.definition.reported(scope.project), scope.inputs, lifetime, tags)
        stale = chosen.get("stale", default.stale)
        is_short_lived = cache.cache_components and short_lived(lifetime, stale)  # for good, not by what was stale
        client_stale = chosen.get("stale", scope.client_stale)
        return Told(lifetime.lowered(scope.at_most), tags, is_short_lived, client_stale)

    def _chosen(self, scope: FillScope) -> Ages:
        """The ages from the options and from `cache_life`; the lowest wins (R5.34)."""
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

    def _contribute(self, told: Told) -> None:
        """Apply what a run has told to the caller's own answer or result (R5.25, R5.36, R5.37)."""
        scope = self.scope
        if scope is None or scope.phase is not Phase.HANDLER:
            return
        if scope.inputs is not None:
            scope.inputs.functions[self.definition.reported(scope.project)] = None
        is_said = scope.in_function or self.cache.client_stale
        scope.learn(told.lifetime, told.tags, told.client_stale if is_said else None)
        if told.lifetime.revalidate == 0:
            scope.record_uncached(f"{self.name} with revalidate = 0")
        if told.short_lived:
            scope.record_short_lived(self.name)
