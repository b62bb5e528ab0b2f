"""Work for after the answer is out: after() (R10.2)."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool

from millpond.errors import UsageError
from millpond.render.scope import Phase, Purpose, required

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from millpond.render.scope import Scope

log = logging.getLogger("millpond.after")


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
        except Exception:  # logged here, where an error tracker still knows whose request it was
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
        return await run_in_threadpool(work, *self._args, **self._kwargs)

    def drop(self) -> None:
        if inspect.iscoroutine(self._work):
            self._work.close()  # nobody will await it, and Python would complain


async def run_after(scope: Scope) -> None:
    """Run what `after` collected, in order, with what the callbacks add themselves. Errors are logged (R10.2)."""
    scope.phase = Phase.AFTER
    while scope.after:
        await scope.after.pop(0)()


def drop_after(scope: Scope) -> None:
    """Forget what `after` collected in a render that ended: the live run that follows collects its own."""
    while scope.after:
        work = scope.after.pop()
        if isinstance(work, _Later):
            work.drop()


class Afterwards:
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
