"""Work for after the answer is out: after() (R10.2)."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import itertools
import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

from millpond.errors import UsageError
from millpond.render.escape import ends_this_task
from millpond.render.scope import Phase, Purpose, required

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from millpond.render.scope import Scope

log = logging.getLogger("millpond.after")

AFTER_THREADS = 20
"""Sync callbacks that run at a time, apart from the pool of handlers."""
_SECONDS_BETWEEN_WARNINGS, _MOST_NAMED = 60.0, 5


def after(work: Callable[..., object] | Awaitable[object], *args: Any, **kwargs: Any) -> None:
    """Run `work` once the answer is out: also when the handler raised, redirected or found nothing (R10.2).

    In a static GET it runs after each render, at build and while serving, not after each request.

    Args:
        work: a function, sync (it runs in a thread) or async, or an awaitable.
        args: what the function is called with.
        kwargs: the same, by name.

    Raises:
        UsageError: outside of a handler, inside of a cached function, or when `work` can be neither called nor
            awaited.
    """
    scope = required("after()")
    if scope.purpose is Purpose.FILL:
        scope.misuse("after()")
    if inspect.isawaitable(work):
        if args or kwargs:
            raise UsageError("after(awaitable) takes no further arguments; give after(function, …) what it needs.")
    elif not callable(work):
        raise UsageError(f"after() takes a function or an awaitable, not {type(work).__name__}.")
    scope.after.append(_Later(work, args, kwargs))


class _Later:
    """What was given to `after`, with the context that it was given in: that of the handler, and so of its scope."""

    def __init__(
        self, work: Callable[..., object] | Awaitable[object], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._work, self._args, self._kwargs = work, args, kwargs
        self._context = contextvars.copy_context()

    async def __call__(self) -> None:
        await asyncio.get_running_loop().create_task(self._run(), context=self._context)

    async def _run(self) -> None:
        try:
            await self._outcome()
        except BaseException as error:  # here an error tracker still knows whose request it was
            if ends_this_task(error):
                raise
            log.exception("an after() callback failed")

    async def _outcome(self) -> None:
        work = self._work
        if inspect.isawaitable(work):
            await work
            return
        in_loop = inspect.iscoroutinefunction(work)
        result = work(*self._args, **self._kwargs) if in_loop else await self._in_thread(work)
        if inspect.isawaitable(result):
            await result

    async def _in_thread(self, work: Callable[..., object]) -> object:
        name = getattr(work, "__qualname__", type(work).__qualname__)
        return await _threads().run(functools.partial(work, *self._args, **self._kwargs), name)

    def drop(self) -> None:
        if inspect.iscoroutine(self._work):
            self._work.close()  # nobody will await it, and Python would complain


class _Threads:
    """Threads for sync callbacks, apart from those of handlers: what hangs in them leaves handlers all of theirs.

    Other callbacks wait meanwhile, and the log says for which ones. None is dropped: it may be somebody's order.
    """

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(AFTER_THREADS)
        self._calls: dict[object, str] = {}
        """In the order in which they get their threads."""
        self._warn_at = 0.0

    async def run(self, call: Callable[[], object], name: str) -> object:
        if len(self._calls) >= AFTER_THREADS:
            self._warn(name)
        key = object()
        self._calls[key] = name
        try:
            return await to_thread.run_sync(call, limiter=self._limiter)
        finally:
            del self._calls[key]

    def _warn(self, name: str) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._warn_at:
            return
        self._warn_at = now + _SECONDS_BETWEEN_WARNINGS
        running = Counter(itertools.islice(self._calls.values(), AFTER_THREADS)).most_common(_MOST_NAMED)
        names = ", ".join(f"{number} of {each}" for each, number in running)
        log.warning("after(%s) waits for a thread: all %d run callbacks: %s", name, AFTER_THREADS, names)


_of_loop: RunVar[_Threads] = RunVar("millpond_after_threads")


def _threads() -> _Threads:
    try:
        return _of_loop.get()
    except LookupError:
        _of_loop.set(threads := _Threads())
        return threads


async def run_after(scope: Scope) -> None:
    """Run what `after` collected, in order, with what the callbacks add themselves.

    Errors are logged (R10.2), whatever they are: nobody is left to tell, and the callbacks that follow are to run.
    """
    scope.phase = Phase.AFTER
    while scope.after:
        await scope.after.pop(0)()


def drop_after(scope: Scope) -> None:
    """Forget what `after` collected in a render that ended: the live run that follows collects its own."""
    while scope.after:
        work = scope.after.pop()
        if isinstance(work, _Later):
            work.drop()


class AfterCallbacks:
    """The callbacks of answers that are out, running in the background until a shutdown waits for them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, scope: Scope) -> None:
        """Run the scope's callbacks; returns at once."""
        if scope.after:
            task = asyncio.create_task(run_after(scope))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def drain(self, seconds: float) -> int:
        """Wait for what is running; after `seconds` cancel the rest, and say how many that were."""
        running = set(self._tasks)
        if not running:
            return 0
        _, late = await asyncio.wait(running, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        return len(late)
