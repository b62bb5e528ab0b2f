"""An event loop that handles I/O, timers and threads only when no callback is ready, built on asyncio's public API.

asyncio calls its selector with a timeout of 0 while callbacks are ready, and with another timeout when it is about to
block. At that moment a verified render that hasn't finished is waiting for something. What has arrived in the meantime
(bytes, a timer, a thread's result) is delivered afterwards: a fast upstream must count as an upstream, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import selectors
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, Unpack, cast

from millpond.render.resilient_loop import ResilientLoop
from millpond.render.scopes.current_scope import current

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Iterator, Sized

    from millpond.render.scopes.scope import Scope
    from millpond.render.scopes.shared_scope import SharedScope

    Look = Callable[[], bool]
    """Called when the loop is about to block; returns whether there is something to run now."""

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class IdleSelector(selectors.DefaultSelector):
    """A selector that calls back before it blocks. While looks are registered it reports I/O only if none is ready."""

    def __init__(self, looks: Sized, before_waiting: Look) -> None:
        super().__init__()
        self._looks, self._before_waiting = looks, before_waiting

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Select as usual, except while looks are registered."""
        if timeout is not None and timeout <= 0:
            return [] if self._looks else super().select(timeout)
        return [] if self._before_waiting() else super().select(timeout)


@dataclass(slots=True)
class _Arrival:
    """A callback from a timer or a thread."""

    callback: Callable[..., object]
    args: tuple[Any, ...]
    context: contextvars.Context
    scope: Scope | None = None
    """The verified render that waits for it."""
    handle: asyncio.Handle | None = None

    def run(self) -> None:
        if self.handle is None or not self.handle.cancelled():
            self.callback(*self.args)


class StartedTasks:
    """The tasks that a render has started and that haven't ended, in the order of their start."""

    def __init__(self, render: SharedScope) -> None:
        self._render = render
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def __iter__(self) -> Iterator[asyncio.Task[Any]]:
        return iter(self._tasks)

    def note(self, task: asyncio.Task[Any]) -> None:
        self._tasks[task] = None
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        if self._render.has_ended and not task.cancelled():
            task.exception()  # retrieved, so that asyncio doesn't log it: the render has ended


class IdleLoop(ResilientLoop, asyncio.SelectorEventLoop):
    """A loop that calls looks whenever it would block, and that records the tasks that a render starts."""

    def __init__(self) -> None:
        self._looks: dict[Look, Scope] = {}
        self._noted: dict[Scope, StartedTasks] = {}
        self._held: list[_Arrival] = []
        super().__init__(IdleSelector(self._looks, self._before_waiting))
        self.set_task_factory(self._start)

    @contextlib.contextmanager
    def noting_tasks_of(self, render: SharedScope) -> Iterator[StartedTasks]:
        """Within the block, record the tasks that `render` starts."""
        self._noted[render] = started = StartedTasks(render)
        try:
            yield started
        finally:
            del self._noted[render]

    @contextlib.contextmanager
    def watched_by(self, look: Look, scope: Scope) -> Iterator[None]:
        """Within the block, call `look` whenever the loop would block.

        Timers of the scope's render are held back, and so are the results of threads that it started, except for those
        of the thread pool: what the render does must not depend on how long other work takes.
        """
        self._looks[look] = scope
        try:
            yield
        finally:
            del self._looks[look]

    def call_soon(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """As in any loop; each step of a task is observed, even if the previous one ended the profiler."""
        return super().call_soon(_observed, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """As in any loop; a timer of a verified render counts as the outside world."""
        scope = _watched()
        if scope is None:
            return super().call_at(when, callback, *args, context=context)
        arrival = _Arrival(callback, args, context or contextvars.copy_context(), scope)
        arrival.handle = handle = super().call_at(when, self._arrive, arrival)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """As in any loop; a callback from another thread counts as the outside world.

        So does a call from the loop's own thread: asyncio makes one if a thread has ended before its result is awaited.
        """
        _observe_again()
        arrival = _Arrival(callback, args, context or contextvars.copy_context())
        arrival.handle = handle = super().call_soon_threadsafe(self._arrive, arrival)
        return handle

    def interrupt(self, task: asyncio.Task[Any]) -> None:
        """Cancel a task from another thread, whatever is verified: no render waits for this."""
        super().call_soon_threadsafe(task.cancel)

    def run_in_executor(self, executor: Any, func: Callable[[Unpack[Ts]], T], *args: *Ts) -> asyncio.Future[T]:
        """As in any loop; a verified render gets the result once its look is no longer registered."""
        result = super().run_in_executor(executor, func, *args)
        scope = _watched()
        if scope is None:
            return result
        passed_on: asyncio.Future[T] = self.create_future()
        arrival = _Arrival(_pass_on, (result, passed_on), contextvars.copy_context(), scope)
        result.add_done_callback(lambda _: self._arrive(arrival))
        passed_on.add_done_callback(lambda done: done.cancelled() and result.cancel())
        return passed_on

    def _arrive(self, arrival: _Arrival) -> None:
        self._held.append(arrival)
        if not self._looks:
            self._deliver()

    def _deliver(self) -> bool:
        held, self._held = self._held, []
        for arrival in held:
            if any(arrival.scope is scope for scope in self._looks.values()):
                self._held.append(arrival)
            else:
                self.call_soon(arrival.run, context=arrival.context)
        return len(self._held) < len(held)

    def _before_waiting(self) -> bool:
        if any([look() for look in self._looks]):  # noqa: C419 - every look is called
            return True
        return self._deliver()

    def _start(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Generator[Any, None, Any] | Coroutine[Any, Any, Any],
        **options: Any,
    ) -> asyncio.Task[Any]:
        # Before Python 3.12 coroutines could be generators. Tasks accept them, but some versions' types don't.
        task: asyncio.Task[Any] = asyncio.Task(cast("Coroutine[Any, Any, Any]", coroutine), loop=loop, **options)
        scope = _watched()
        started = None if scope is None else self._noted.get(scope)
        if started is not None:
            started.note(task)
        return task


def _watched() -> Scope | None:
    scope = current()
    return scope if scope is not None and scope.is_prerender else None


def _pass_on(result: asyncio.Future[T], to: asyncio.Future[T]) -> None:
    if result.cancelled():
        to.cancel()
    elif (error := result.exception()) is not None:
        if not to.done():
            to.set_exception(error)
    elif not to.done():
        to.set_result(result.result())


def _observed(callback: Callable[[Unpack[Ts]], object], *args: *Ts) -> None:
    _observe_again()
    callback(*args)


def _observe_again() -> None:
    """Set the thread's profiler again: an exception raised by a profiler removes it."""
    profile = threading.getprofile()
    if profile is not None:
        sys.setprofile(profile)


async def cancel_all(first: asyncio.Task[Any], started: StartedTasks, seconds: float) -> None:
    """Cancel tasks and wait until they have cleaned up, so that connections go back to their pools.

    Args:
        first: the task of the render.
        started: the tasks that it started; their cleanup may start more.
        seconds: how long to wait for all of them.
    """
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    while (left := [task for task in (first, *started) if not task.done()]) and loop.time() < ends:
        for task in left:
            if not task.cancelling():
                task.cancel()
        await asyncio.wait(left, timeout=ends - loop.time(), return_when=asyncio.FIRST_COMPLETED)
    if first.done() and not first.cancelled():
        first.exception()  # retrieved, so that asyncio doesn't log it: the caller raises it from the result
