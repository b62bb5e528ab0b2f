"""When an application runs: started by a lifespan, or by its first request; stopped by the end of that lifespan."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from millpond.app.construction.loggers import enable_loggers
from millpond.app.events.event_log import EventLog
from millpond.app.runtime import assemble, data_cache_of
from millpond.app.served_build import build_to_serve
from millpond.cache.fetching.loop_clients import close_client
from millpond.render.failures.failure_log import FailureLog
from millpond.telemetry.spans import Spans

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import Scope

    from millpond.app.context import AppContext
    from millpond.app.runtime import Runtime
    from millpond.app.served_build import ServedBuild
    from millpond.config.cron_config import CronConfig
    from millpond.cron.record import CronRun
    from millpond.stores.contract import Store
    from millpond.telemetry.counting import Counting

_ROUNDS = 3
"""How often what background work has started meanwhile is waited for in turn."""


class Runtimes:
    """The runtimes of one application: one as a rule.

    What a runtime waits for belongs to its event loop. A test client without `with` has a new loop for each request,
    and tests may ask one application from two loops at once; so each loop has a runtime, and all have one store.

    Args:
        store: the application's store.
        on_start: called with a runtime that has been assembled.
    """

    def __init__(self, store: Callable[[AppContext], Store], on_start: Callable[[Runtime], None]) -> None:
        self.store_of, self._on_start = store, on_start
        self._runtimes: WeakKeyDictionary[asyncio.AbstractEventLoop, Runtime] = WeakKeyDictionary()
        self._starting: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[Runtime]] = WeakKeyDictionary()
        self._opened: tuple[Store, asyncio.AbstractEventLoop] | None = None
        self._served: tuple[bool, ServedBuild] | None = None
        """What is served until the end of the lifespan, or, without one, as long as the application exists; and whether
        in a test."""
        self.state: dict[str, Any] = {}
        """What the application's lifespan yields for `request.state`, while it lasts."""
        self._counting: Counting | None = None
        """What counts together with other processes, while anything runs."""
        self._failures: FailureLog | None = None
        self._events: EventLog | None = None
        self._rests = False
        self._lifespans: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()
        """How many lifespans are entered in each event loop."""
        self.has_lifespan = False
        """Whether somebody will wait at the end of a lifespan, for all that runs in the background."""
        self.first: Runtime | None = None
        """The runtime that was started first, of those that still run."""

    def here(self) -> Runtime | None:
        """The runtime of the running event loop; None before it has started."""
        first, loop = self.first, asyncio.get_running_loop()
        return first if first is not None and first.loop is loop else self._runtimes.get(loop)

    async def begin(self, context: AppContext) -> Runtime:
        """Start in the running event loop, unless it has been.

        Raises:
            BuildError: the build doesn't match these routes or this version.
            StoreError: the store can't be opened.
        """
        running, loop = self.here(), asyncio.get_running_loop()
        if running is not None:
            return running
        starting = self._starting.get(loop)
        if starting is None or starting.done():
            # A request may have called this: what is started here outlives it, and others may wait for it, too.
            starting = asyncio.create_task(self._start(context), context=context.clean.copy())
            self._starting[loop] = starting
        return await asyncio.shield(starting)

    async def _start(self, context: AppContext) -> Runtime:
        enable_loggers()  # an async `register`, a lifespan or main.py may have configured logging
        loop = asyncio.get_running_loop()
        for other, runtime in list(self._runtimes.items()):
            if other.is_closed():
                self._forget(runtime)
        await self._open(self.store_of(context), loop)
        if context.counting is not None and not context.isolated:
            self._counting = context.counting
            self._counting.begin(loop)
        try:
            store = self.store_of(context)
            events = self._events_of(context)
            if events is not None:
                events.watch(store)
            data = data_cache_of(context, store)
            if self._served is None or self._served[0] is not context.isolated:
                self._served = context.isolated, await build_to_serve(context, store, data)
            runtime = assemble(context, store, self._served[1], data, self._failures_of(context), events)
        except BaseException:
            await self._close()
            raise
        self._runtimes[loop] = runtime
        if self._counting is not None and events is not None:
            events.serves(runtime.served)
        self._count()
        if self.first is None:  # what calls Millpond outside of handlers uses this one
            self.first = runtime
            if not self._rests:
                runtime.activate()
        self._on_start(runtime)
        return runtime

    def _failures_of(self, context: AppContext) -> FailureLog | None:
        """What hears of handlers that fail, in all event loops; None: nobody does."""
        counting = context.counting
        if self._failures is None and counting is not None:
            self._failures = FailureLog(lambda: counting.journal, context.project, context.clock)
        return self._failures

    def _events_of(self, context: AppContext) -> EventLog | None:
        """What hears of evictions, purges, crons and builds, in all event loops; None: nobody does."""
        if self._events is None and context.counting is not None:
            self._events = EventLog(context.counting, context.clock, Spans(context.tracing.provider))
        return self._events

    def cron_ended(self, cron: CronConfig, run: CronRun) -> None:
        """A run of a cron has ended, or was skipped."""
        if self._events is not None:
            self._events.cron_ended(cron, run)

    def rest(self, *, rests: bool) -> None:
        """Whether calls outside of handlers leave these alone, now and when they have started."""
        if self.first is not None and rests is not self._rests:
            if rests:
                self.first.deactivate()
            else:
                self.first.activate()
        self._rests = rests

    def restart(self) -> None:
        """Have the next request start anew, on whatever store it is given. Work in the background must have ended."""
        for runtime in list(self._runtimes.values()):
            self._forget(runtime)
        self._opened = self._served = None

    async def _open(self, store: Store, loop: asyncio.AbstractEventLoop) -> None:
        """Open the store, in this loop if that of whoever opened it is gone: its housekeeping has gone with it."""
        if self._opened is not None and (self._opened[0] is not store or self._opened[1].is_closed()):
            await self._close()
        if self._opened is None:
            await store.open()
            self._opened = store, loop

    async def _close(self) -> None:
        """Close the store, unless another runtime uses it."""
        opened = self._opened
        if opened is not None and not self._runtimes:
            self._opened = None
            if self._counting is not None:
                self._counting.end()
                self._counting = None
            await opened[0].close()

    def _forget(self, runtime: Runtime) -> None:
        if self._runtimes.get(runtime.loop) is runtime:
            del self._runtimes[runtime.loop]
        self._count()
        if self.first is runtime:
            runtime.deactivate()
            self.first = next((other for other in self._runtimes.values() if not other.loop.is_closed()), None)
            if self.first is not None and not self._rests:
                self.first.activate()

    def _count(self) -> None:
        self.has_lifespan = any(self._lifespans.values()) and len(self._runtimes) == 1

    @contextlib.asynccontextmanager
    async def running(self, context: AppContext) -> AsyncIterator[Runtime]:
        """Within the block the application runs; at its end, work in the background gets time to end.

        Raises:
            BuildError: as `begin`.
            StoreError: as `begin`.
        """
        runtime, loop = await self.begin(context), asyncio.get_running_loop()
        self._lifespans[loop] = self._lifespans.get(loop, 0) + 1
        self._count()
        try:
            yield runtime
        finally:
            self._lifespans[loop] -= 1
            self._count()
            if not self._lifespans[loop]:  # the outermost, where one is entered within another
                await self._end(self.here() or runtime, context.config.server.shutdown_timeout)

    async def _end(self, runtime: Runtime, seconds: float) -> None:
        self._forget(runtime)
        if not self._runtimes:
            self._served = None
        try:
            await runtime.shut_down(seconds)
        finally:
            await close_client()
            await self._close()

    async def settle(self, seconds: float, scope: Scope) -> None:
        """Let what a test's request has started in the background end, as its event loop may end with the request.

        With a lifespan there is somebody who waits at its end. Below a mount without one there is nobody, but there the
        loop is a server's.
        """
        runtime = self.here()
        if runtime is None or self._lifespans.get(runtime.loop):
            return
        if "asgi" in scope and not (self._served is not None and self._served[0]):
            return
        for _ in range(_ROUNDS):
            if not (tasks := runtime.tasks()):
                return
            await asyncio.wait(tasks, timeout=seconds)
