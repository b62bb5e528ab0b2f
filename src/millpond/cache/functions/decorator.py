"""@cached: functions whose results are cached by their arguments (docs/rules.md, 5.2 and 5.3, in one decorator)."""

from __future__ import annotations

import asyncio
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, overload

from anyio import from_thread

from millpond.cache.active_application import cache_of
from millpond.cache.data import DataRead
from millpond.cache.functions.call import Call
from millpond.cache.functions.definition import Definition
from millpond.cache.functions.life import running_uncached
from millpond.cache.functions.sync_bridge import SyncRead
from millpond.cache.told import FillFailure
from millpond.render.scopes.current_scope import current
from millpond.routes.module import CACHED_MARK

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from millpond.cache.data import DataCache, Filled
    from millpond.policy.entry import Entry

P = ParamSpec("P")
R = TypeVar("R")


@overload
def cached(function: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def cached(
    *,
    revalidate: float | Literal[False] | None = None,
    tags: Iterable[str] = (),
    key: Sequence[object] | None = None,
    life: str | None = None,
    soft_timeout: float | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def cached(
    function: Callable[..., Any] | None = None,
    /,
    *,
    revalidate: float | Literal[False] | None = None,
    tags: Iterable[str] = (),
    key: Sequence[object] | None = None,
    life: str | None = None,
    soft_timeout: float | None = None,
) -> Any:
    """Cache a function's results by its arguments. For sync and async functions, with or without parentheses.

    For methods, too: a class says by a method `__cache_key__` what tells its objects apart.

    The key consists of module, qualified name, source, arguments, and the variables that the function closes over.
    Concurrent calls share one run. A stale result is returned while one refresh runs; a caller that will itself be
    stored waits for the fresh result instead (R4.21). Errors aren't cached (R5.46).

    Args:
        function: the function, if the decorator is used without parentheses.
        revalidate: seconds after which a result is stale; False: never.
        tags: names for invalidating the results.
        key: values for the key, in place of the variables that the function closes over.
        life: the name of a lifetime, such as "hours" (R5.33).
        soft_timeout: seconds that a render waits for a fresh result where a stale one may be used; the run goes on, and
            its result is stored. For async functions. math.inf: no limit; None: `cache.soft_timeout`.

    Raises:
        UsageError: it isn't a function, or an option is invalid.
    """
    if function is not None:
        return _wrapped(Definition.of(function, None, (), None, None))
    frozen_tags, frozen_key = (tags,) if isinstance(tags, str) else tuple(tags), None if key is None else tuple(key)
    return lambda inner: _wrapped(Definition.of(inner, revalidate, frozen_tags, frozen_key, life, soft_timeout))


def _wrapped(definition: Definition) -> Callable[..., Any]:
    wrapped = _wrapped_async(definition) if definition.is_async else _wrapped_sync(definition)
    setattr(wrapped, CACHED_MARK, True)
    return wrapped


def _wrapped_async(definition: Definition) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(definition.function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        scope = current()
        cache = cache_of(scope)
        if cache is None:
            with running_uncached():
                return await definition.function(*args, **kwargs)
        this = Call(definition, cache, scope, args, kwargs)
        try:
            result = await _obtained(this)
        except FillFailure as failure:
            failed = failure
        except asyncio.CancelledError:
            this.given_up()
            raise
        else:
            return this.use(result)
        raise this.failed(failed)  # outside of `except`: the user's error keeps its own context

    return call


def _wrapped_sync(definition: Definition) -> Callable[..., Any]:
    @functools.wraps(definition.function)
    def call(*args: Any, **kwargs: Any) -> Any:
        scope = current()
        cache = cache_of(scope)
        loop = _loop_of(cache)
        if cache is None or loop is None:
            with running_uncached():
                return definition.function(*args, **kwargs)
        if scope is None and cache.observed is not None and not _on_loop_thread(loop):
            cache.observed.warn_of_lost_tags(definition.reported(Path.cwd()))
        this = Call(definition, cache, scope, args, kwargs)
        try:
            result = _obtained_sync(this, loop)
        except FillFailure as failure:
            failed = failure
        else:
            return this.use(result)
        raise this.failed(failed)  # as above

    return call


async def _obtained(call: Call) -> Entry | Filled:
    result = await _read(call)
    if not call.decodes(result):
        result = await _read(call)
        call.decodes(result)
    return result


async def _read(call: Call) -> Entry | Filled:
    cache = call.cache
    if call.is_draft:
        return await cache.engine.flights.alone(call.definition.name, lambda: call.fill(call.run))
    read = DataRead(cache, call.key, call.name, call.reader, lambda _: call.fill(call.run))
    read.unreadable = call.unreadable
    if call.runs_anew:
        return await cache.make_anew(read)
    read.soft_timeout = call.soft_timeout
    obtained = await cache.obtained(read)
    call.is_late = obtained.late
    return obtained.entry


def _obtained_sync(call: Call, loop: asyncio.AbstractEventLoop) -> Entry | Filled:
    result = _read_sync(call, loop)
    if not call.decodes(result):
        result = _read_sync(call, loop)
        call.decodes(result)
    return result


def _read_sync(call: Call, loop: asyncio.AbstractEventLoop) -> Entry | Filled:
    if call.is_draft:
        return call.fill_in_place()
    read, on_loop = SyncRead(call), _on_loop_thread(loop)
    if call.runs_anew:
        return read.made_in_place(None if on_loop else loop)
    return read.on_the_loop(loop) if on_loop else read.from_a_thread(loop)


def _loop_of(cache: DataCache | None) -> asyncio.AbstractEventLoop | None:
    """The event loop that uses the cache; if that has ended, the loop that this thread works for.

    Test clients start a new loop for each request. None: no loop runs, so the cache can't be used.
    """
    if cache is None or (cache.loop is not None and cache.loop.is_running()):
        return cache.loop if cache is not None else None
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        pass
    try:
        return from_thread.run_sync(asyncio.get_running_loop)
    except RuntimeError:  # not a worker thread of a loop
        return None


def _on_loop_thread(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
