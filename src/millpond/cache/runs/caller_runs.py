"""Threads that wait for a result can run the work themselves, so an exhausted thread pool can't cause a deadlock."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

from millpond.cache.runs.loop_watch import LoopWatches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from queue import SimpleQueue


_THREADS = 40
"""Threads that refresh functions, apart from the handlers' pool: functions that hang can't exhaust that one."""
_of_loop: RunVar[CapacityLimiter] = RunVar("millpond_refresh_threads")


class FunctionRun:
    """One run of a function, by the first thread that takes it."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._context = contextvars.copy_context()
        self._taken = threading.Lock()
        self._result: Future[tuple[Any, BaseException | None]] = Future()

    def carry_out(self) -> None:
        """Run it in this thread, unless another thread has taken it or it was cancelled."""
        if not self._taken.acquire(blocking=False) or not self._result.set_running_or_notify_cancel():
            return
        try:
            value, error = self._context.run(self._function), None
        except BaseException as raised:  # noqa: BLE001 - it is raised again in the caller
            value, error = None, raised
        # Errors are passed as values: a future refuses StopIteration as its exception, and callers would wait forever.
        self._result.set_result((value, error))

    async def result(self) -> Any:
        """What the function returned.

        Raises:
            BaseException: raised by the function; RuntimeError for a StopIteration, as from any coroutine.
        """
        value, error = await asyncio.wrap_future(self._result)
        if error is not None:
            raise error
        return value


class CallerRuns:
    """Matches runs of functions with the threads that wait for their keys."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._offers: dict[str, list[SimpleQueue[FunctionRun | None]]] = {}
        self._open: dict[str, FunctionRun] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.watches = LoopWatches()

    @contextmanager
    def offered(self, key: str, orders: SimpleQueue[FunctionRun | None]) -> Iterator[None]:
        """Within the block, runs for `key` are also put into `orders`, the queue of a waiting thread."""
        with self._lock:
            self._offers.setdefault(key, []).append(orders)
            work = self._open.get(key)
        if work is not None:
            orders.put(work)
        try:
            yield
        finally:
            with self._lock:
                self._offers[key].remove(orders)
                if not self._offers[key]:
                    del self._offers[key]

    async def run(self, key: str, function: Callable[[], Any]) -> Any:
        """Run `function` in a thread of the pool, or in a thread that waits for `key`: in the first free one."""
        work = FunctionRun(function)
        with self._lock:
            self._open[key] = work
            offers = list(self._offers.get(key, ()))
        for orders in offers:
            orders.put(work)
        pooled = self.pool(work)
        try:
            return await work.result()
        finally:
            with self._lock:
                if self._open.get(key) is work:
                    del self._open[key]
            pooled.cancel()  # leaves the queue for a thread; doesn't stop a running thread

    def pool(self, work: FunctionRun) -> asyncio.Task[None]:
        """Have the first free thread of the pool carry it out."""
        pooled = asyncio.create_task(to_thread.run_sync(work.carry_out, limiter=_threads()))
        self._tasks.add(pooled)
        pooled.add_done_callback(self._tasks.discard)
        return pooled


def _threads() -> CapacityLimiter:
    try:
        return _of_loop.get()
    except LookupError:
        _of_loop.set(threads := CapacityLimiter(_THREADS))
        return threads
