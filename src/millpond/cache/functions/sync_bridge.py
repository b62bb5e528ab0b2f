"""Synchronous cached functions: read the asynchronous cache from a thread, without needing a second thread."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from millpond.cache.data import DataRead
from millpond.cache.read import Fate
from millpond.cache.runs.caller_runs import FunctionRun
from millpond.cache.runs.loop_watch import LOOK_SECONDS, call_soon_in
from millpond.messages import at

if TYPE_CHECKING:
    from concurrent.futures import Future

    from millpond.cache.data import Filled
    from millpond.cache.functions.call import Call
    from millpond.cache.runs.loop_watch import LoopWatch
    from millpond.policy.entry import Entry


log = logging.getLogger("millpond.cache")


class SyncRead(DataRead):
    """A call of a synchronous function, read through the cache."""

    def __init__(self, call: Call) -> None:
        super().__init__(call.cache, call.key, call.name, call.reader, self._run)
        self._call, self.unreadable = call, call.unreadable
        self._orders: queue.SimpleQueue[FunctionRun | None] = queue.SimpleQueue()
        """Runs for the calling thread to carry out; None: there are no more."""
        self._leaving = threading.Lock()
        self._has_left = False
        """Whether the calling thread takes no more."""

    async def _run(self, background: bool) -> Filled:
        """Run the function in the calling thread, or for a background refresh in the first free thread."""
        return await self._call.fill(self._in_any_thread if background else self._in_the_calling_thread)

    def on_the_loop(self, loop: asyncio.AbstractEventLoop) -> Entry:
        """For calls from async code. These block the loop anyway, so a function that must run runs in place."""
        self.awaits_due = False
        return self.cache.at_hand(self) or self._made_by_one(loop, None)

    def _made_by_one(self, loop: asyncio.AbstractEventLoop, keeping: asyncio.AbstractEventLoop | None) -> Entry:
        """Run the function in this thread. While several processes build, one of them does, and the others wait for it.

        Args:
            loop: the one that uses the cache, and that is blocked.
            keeping: as in `ReadThrough.keep_soon`.
        """
        store = self.cache.blocking
        if store is None or self.cache.engine.flights.is_under_way(self.key, loop):  # that flight needs the loop to end
            return self.made_in_place(keeping)
        with store.held(self.key):
            return self.cache.at_hand(self, keeping) or self.made_in_place(keeping)

    def from_a_thread(self, loop: asyncio.AbstractEventLoop) -> Entry:
        """For calls from a thread. It waits for the event loop, which may make it run the function.

        The function runs in the waiting thread itself: with another thread of the pool, a pool full of waiting threads
        would be a deadlock. For the same reason, the waiting thread can also run a refresh that it waits for. And a
        handler on the loop may wait for this thread, so what is at hand needs no loop, and a blocked one isn't waited
        for.
        """
        entry = self.cache.at_hand(self, loop)
        if entry is not None:
            return entry
        watch = self.cache.caller_runs.watches.of(loop)
        if watch.is_blocked():
            self.awaits_due = False
            return self.cache.at_hand(self, loop) or self._made_by_one(loop, loop)
        obtaining = self._obtain()
        try:
            answer = asyncio.run_coroutine_threadsafe(obtaining, loop)
        except RuntimeError:  # the loop was closed meanwhile
            obtaining.close()
            return self.made_in_place(loop)
        answer.add_done_callback(lambda _: self._orders.put(None))
        with self.cache.caller_runs.offered(self.key, self._orders):
            is_answered = self._take_orders(watch)
        if not is_answered:
            self._leave(answer, loop)
            return self.made_in_place(loop)
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

    def _take_orders(self, watch: LoopWatch) -> bool:
        """Carry out what is ordered, until there is a result; False: the loop is blocked, and there is none."""
        while True:
            try:
                work = self._orders.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                if watch.look():
                    return False
            else:
                if work is None:
                    return True
                work.carry_out()

    def _leave(self, answer: Future[Entry | BaseException], loop: asyncio.AbstractEventLoop) -> None:
        """Wait no longer; other threads carry out what was ordered meanwhile."""
        answer.cancel()
        with self._leaving:
            self._has_left = True
        with suppress(queue.Empty):
            while True:
                if (work := self._orders.get_nowait()) is not None:
                    call_soon_in(loop, self.cache.caller_runs.pool, work)
        place = self._call.place()
        if self.cache.caller_runs.watches.first_time(self.name, place):
            log.warning(
                "%s%s was called in a thread while the event loop was blocked, and runs there, perhaps in others, too. "
                "An async handler that waits for threads blocks the loop: await asyncio.to_thread(…).",
                at(place),
                self.name,
            )

    def made_in_place(self, loop: asyncio.AbstractEventLoop | None) -> Entry:
        """Run the function in this thread; `loop` as in `ReadThrough.keep_soon`."""
        engine = self.cache.engine
        run = engine.new_run(background=False)
        with self.span_of_fill(run):
            made = self.made(self._call.fill_in_place(), run)
        if self.cache.blocking is not None and made.fate is Fate.REPLACE:
            self.cache.blocking.keep(made.entry)
        engine.keep_soon(self, made, run, loop)
        return made.entry

    async def _in_the_calling_thread(self) -> Any:
        with self._leaving:
            work = None if self._has_left else FunctionRun(self._call.run)
            if work is not None:
                self._orders.put(work)
        return await (self._in_any_thread() if work is None else work.result())

    async def _in_any_thread(self) -> Any:
        return await self.cache.caller_runs.run(self.key, self._call.run)
