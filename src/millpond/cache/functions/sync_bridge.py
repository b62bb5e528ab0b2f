"""Synchronous cached functions: read the asynchronous cache from a thread, without needing a second thread."""

from __future__ import annotations

import asyncio
import queue
from typing import TYPE_CHECKING, Any

from millpond.cache.data import DataRead
from millpond.cache.runs.caller_runs import FunctionRun

if TYPE_CHECKING:
    from millpond.cache.data import Filled
    from millpond.cache.functions.call import Call
    from millpond.policy.entry import Entry


class SyncRead(DataRead):
    """A call of a synchronous function, read through the cache."""

    def __init__(self, call: Call) -> None:
        super().__init__(call.cache, call.key, call.name, call.reader, self._run)
        self._call = call
        self._orders: queue.SimpleQueue[FunctionRun | None]
        """Runs for the calling thread to carry out; None: there are no more."""

    async def _run(self, background: bool) -> Filled:
        """Run the function in the calling thread, or for a background refresh in the first free thread."""
        return await self._call.fill(self._in_any_thread if background else self._in_the_calling_thread)

    def on_the_loop(self) -> Entry:
        """For calls from async code. These block the loop anyway, so a function that must run runs in place."""
        entry = self.cache.at_hand(self)
        if entry is not None:
            return entry
        run = self.cache.engine.new_run(background=False)
        made = self.made(self._call.fill_in_place(), run)
        self.cache.engine.keep_soon(self, made, run)
        return made.entry

    def from_a_thread(self, loop: asyncio.AbstractEventLoop) -> Entry:
        """For calls from a thread. It waits for the event loop, which may make it run the function.

        The function runs in the waiting thread itself: with another thread of the pool, a pool full of waiting threads
        would be a deadlock. For the same reason, the waiting thread can also run a refresh that it waits for.
        """
        self._orders = queue.SimpleQueue()
        answer = asyncio.run_coroutine_threadsafe(self._obtain(), loop)
        answer.add_done_callback(lambda _: self._orders.put(None))
        with self.cache.caller_runs.offered(self.key, self._orders):
            while (work := self._orders.get()) is not None:
                work.carry_out()
        result = answer.result()
        if isinstance(result, BaseException):
            raise result
        return result

    async def _obtain(self) -> Entry | BaseException:
        try:
            return await self.cache.obtain(self)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - the calling thread raises it; a SystemExit would end the loop
            return error

    async def _in_the_calling_thread(self) -> Any:
        work = FunctionRun(self._call.run)
        self._orders.put(work)
        return await work.result()

    async def _in_any_thread(self) -> Any:
        return await self.cache.caller_runs.run(self.key, self._call.run)
