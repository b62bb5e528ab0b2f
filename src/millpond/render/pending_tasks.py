"""Tasks that go on by themselves, whoever waits for them: the callers of a flight, or a shutdown."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine

T = TypeVar("T")

UNWIND_SECONDS = 1.0
"""How long cancelled work has to clean up."""


class PendingTasks:
    """Tasks that nobody awaits: held here until they end, as an event loop doesn't hold them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work` in a task of its own."""
        return self.hold(asyncio.create_task(work))

    def hold(self, task: asyncio.Task[T]) -> asyncio.Task[T]:
        """Hold a task that was started elsewhere."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def tasks(self) -> list[asyncio.Task[Any]]:
        """Those of this event loop that haven't ended."""
        loop = asyncio.get_running_loop()
        return [task for task in self._tasks if task.get_loop() is loop]

    async def drain(self, seconds: float, unwind: float | None = None) -> int:
        """Wait for the tasks of this event loop; see `drain_tasks`."""
        return await drain_tasks(self.tasks, seconds, unwind)


async def ended(task: asyncio.Task[Any], seconds: float | None = None) -> bool:
    """Wait until a task has ended, for at most `seconds`; returns whether it has.

    Whoever waits may be cancelled: the task goes on. Its result and its error are left to the caller. `asyncio.wait`
    does the same for any number of tasks, and takes three times as long; a miss waits twice.
    """
    if task.done():
        return True
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()

    def wake(_: object = None) -> None:
        if not waiter.done():
            waiter.set_result(None)

    timer = None if seconds is None else loop.call_later(seconds, wake)
    task.add_done_callback(wake)
    try:
        await waiter
    finally:
        if timer is not None:
            timer.cancel()
        task.remove_done_callback(wake)
    return task.done()


async def drain_tasks(
    tasks: Callable[[], Collection[asyncio.Task[Any]]], seconds: float, unwind: float | None = None
) -> int:
    """Wait for tasks, those included that begin meanwhile; then cancel the rest.

    Args:
        tasks: those that haven't ended.
        seconds: how long to wait for all of them.
        unwind: seconds to wait for those that were cancelled, UNWIND_SECONDS if not given: work that ignores its
            cancellation, or runs in a thread, doesn't hold up a shutdown.

    Returns:
        How many were cancelled.
    """
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    await asyncio.sleep(0)  # what threads have handed over becomes a task in the loop's next turn
    while (pending := tasks()) and (left := ends - loop.time()) > 0:
        await asyncio.wait(pending, timeout=left)
    late = tasks()
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=UNWIND_SECONDS if unwind is None else unwind)
    return len(late)
