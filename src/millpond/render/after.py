"""Work for after the answer is out: after() (R10.2)."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import logging
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool

from millpond.errors import UsageError
from millpond.render.escape import contained, ends_this_task
from millpond.render.scope import Phase, Purpose, enter, required

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
        scope.after.append(_Awaited(work))
    elif callable(work):
        context = contextvars.copy_context()
        scope.after.append(lambda: _call(context, work, args, kwargs))
    else:
        raise UsageError(f"after() takes a function or an awaitable, not {type(work).__name__}.")


class _Awaited:
    """An awaitable that was given to `after`."""

    def __init__(self, work: Awaitable[object]) -> None:
        self.work = work

    async def __call__(self) -> None:
        await self.work

    def drop(self) -> None:
        if inspect.iscoroutine(self.work):
            self.work.close()  # nobody will await it, and Python would complain


async def _call(
    context: contextvars.Context, work: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    if inspect.iscoroutinefunction(work):
        # A task, as nothing else runs a coroutine in a context.
        running = contained(functools.partial(work, *args, **kwargs), "an after() callback")
        await asyncio.get_running_loop().create_task(running, context=context)
        return
    result = await run_in_threadpool(context.run, work, *args, **kwargs)
    if inspect.isawaitable(result):
        await result


async def run_after(scope: Scope) -> None:
    """Run what `after` collected, in order, with what the callbacks add themselves.

    Errors are logged (R10.2), whatever they are: nobody is left to tell, and the callbacks that follow are to run.
    """
    scope.phase = Phase.AFTER
    enter(scope)  # for awaitables, which run in this task's context; a function brings the handler's
    while scope.after:
        work = scope.after.pop(0)
        try:
            await work()
        except BaseException as error:
            if ends_this_task(error):
                raise
            log.exception("an after() callback failed")


def drop_after(scope: Scope) -> None:
    """Forget what `after` collected in a render that ended: the live run that follows collects its own."""
    while scope.after:
        work = scope.after.pop()
        if isinstance(work, _Awaited):
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
