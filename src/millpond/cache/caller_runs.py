"""Threads that wait for a result lend themselves to the work: it never waits for a thread while they hold them all."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from queue import SimpleQueue


_THREADS = 40
"""In which functions are refreshed, apart from the pool of handlers: those that hang leave handlers all of theirs."""
_of_loop: RunVar[CapacityLimiter] = RunVar("millpond_refresh_threads")


class FunctionRun:
    """One run of a function, by whichever thread takes it first."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._context = contextvars.copy_context()
        self._taken = threading.Lock()
        self._result: Future[tuple[Any, BaseException | None]] = Future()

    def carry_out(self) -> None:
        """Run it in this thread, unless another has taken it or nobody wants it any more."""
        if not self._taken.acquire(blocking=False) or not self._result.set_running_or_notify_cancel():
            return
        try:
            value, error = self._context.run(self._function), None
        except BaseException as raised:  # noqa: BLE001 - the caller of the function gets it, whatever it is
            value, error = None, raised
        # A value in any case: as a future's exception a StopIteration would be refused, and waited for for ever.
        self._result.set_result((value, error))

    async def result(self) -> Any:
        """What the function returned.

        Raises:
            BaseException: whatever it raised; RuntimeError for a StopIteration, as from any coroutine.
        """
        value, error = await asyncio.wrap_future(self._result)
        if error is not None:
            raise error
        return value


class CallerRuns:
    """Which threads wait for which keys, and what is to be run for them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._offers: dict[str, list[SimpleQueue[FunctionRun | None]]] = {}
        self._open: dict[str, FunctionRun] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @contextmanager
    def offered(self, key: str, orders: SimpleQueue[FunctionRun | None]) -> Iterator[None]:
        """Meanwhile what is to be run for `key` is also put into `orders`."""
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
        """Run `function` in a thread of the pool, or in one that waits for `key`: whichever is free first."""
        work = FunctionRun(function)
        with self._lock:
            self._open[key] = work
            offers = list(self._offers.get(key, ()))
        for orders in offers:
            orders.put(work)
        pooled = asyncio.create_task(to_thread.run_sync(work.carry_out, limiter=_threads()))
        self._tasks.add(pooled)
        pooled.add_done_callback(self._tasks.discard)
        try:
            return await work.result()
        finally:
            with self._lock:
                if self._open.get(key) is work:
                    del self._open[key]
            pooled.cancel()  # gives up its place in the queue for a thread; a thread that runs is not stopped


def _threads() -> CapacityLimiter:
    try:
        return _of_loop.get()
    except LookupError:
        _of_loop.set(threads := CapacityLimiter(_THREADS))
        return threads
