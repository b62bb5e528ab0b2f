"""after(): callbacks that run once the answer is out (R10.2)."""

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
from millpond.render.base_exceptions import is_cancellation
from millpond.render.pending_tasks import PendingTasks
from millpond.render.scopes.current_scope import required
from millpond.render.scopes.scope import Phase

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from millpond.render.scopes.scope import OperationScope

log = logging.getLogger("millpond.after")

AFTER_THREADS = 20
"""How many sync callbacks run at a time, in threads apart from the handlers' pool."""
_SECONDS_BETWEEN_WARNINGS, _MOST_NAMED = 60.0, 5


def after(work: Callable[..., object] | Awaitable[object], *args: Any, **kwargs: Any) -> None:
    """Run `work` once the answer is out, also if the handler raised, redirected or called `not_found()` (R10.2).

    In a static GET it runs after each render, at build and while serving, not after each request.

    Args:
        work: a function, sync (it runs in a thread) or async, or an awaitable.
        args: positional arguments for the function.
        kwargs: keyword arguments for it.

    Raises:
        UsageError: outside of a handler, inside of a cached function, or when `work` can be neither called nor
            awaited.
    """
    scope = required("after()").require_operation("after()")
    if inspect.isawaitable(work):
        if args or kwargs:
            raise UsageError("after(awaitable) takes no further arguments; give after(function, …) what it needs.")
    elif not callable(work):
        raise UsageError(f"after() takes a function or an awaitable, not {type(work).__name__}.")
    scope.after.append(_Callback(work, args, kwargs))


class _Callback:
    """What `after` was given, with the context of the call: the handler's, which holds its scope."""

    def __init__(
        self, work: Callable[..., object] | Awaitable[object], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._work, self._args, self._kwargs = work, args, kwargs
        self._context = contextvars.copy_context()

    async def __call__(self) -> None:
        await asyncio.get_running_loop().create_task(self._run(), context=self._context)

    async def _run(self) -> None:
        try:
            await self._await_result()
        except BaseException as error:  # logged in the callback's context, where an error tracker knows the request
            if is_cancellation(error):
                raise
            log.exception("an after() callback failed")

    async def _await_result(self) -> None:
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
            self._work.close()  # else Python warns that it was never awaited


class _CallbackThreads:
    """Threads for sync callbacks, apart from the handlers' pool, which callbacks that hang therefore can't use up.

    Further callbacks wait, and the log names those that run. None is dropped: it may process somebody's order.
    """

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(AFTER_THREADS)
        self._calls: dict[object, str] = {}
        """Names of callbacks, in the order in which they get threads."""
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


_of_loop: RunVar[_CallbackThreads] = RunVar("millpond_after_threads")


def _threads() -> _CallbackThreads:
    try:
        return _of_loop.get()
    except LookupError:
        _of_loop.set(threads := _CallbackThreads())
        return threads


async def run_after(scope: OperationScope) -> None:
    """Run the callbacks that `after` collected, in order, and those that they add.

    Errors are logged (R10.2), whatever they are: the answer is out, and the other callbacks must run.
    """
    scope.phase = Phase.AFTER
    while scope.after:
        await scope.after.pop(0)()


def drop_after(scope: OperationScope) -> None:
    """Drop the callbacks of a render that request data ended: the live run that follows collects its own."""
    while scope.after:
        work = scope.after.pop()
        if isinstance(work, _Callback):
            work.drop()


class AfterCallbacks:
    """The callbacks of answers that are out, running in the background until a shutdown waits for them."""

    def __init__(self) -> None:
        self._tasks = PendingTasks()

    def begin(self, scope: OperationScope) -> None:
        """Start the scope's callbacks, and return at once."""
        if scope.after:
            self._tasks.begin(run_after(scope))

    def tasks(self) -> list[asyncio.Task[Any]]:
        """The callbacks of this event loop that are running."""
        return self._tasks.tasks()
