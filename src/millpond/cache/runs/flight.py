"""Single flight: concurrent callers of the same work share one run of it."""

from __future__ import annotations

import asyncio
import math
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from millpond.cache.clean_context import CleanContext, crossing
from millpond.errors import CancelledCallError, CircularWaitError
from millpond.render.pending_tasks import ended

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

T = TypeVar("T")
R = TypeVar("R")


class Flight(Generic[T]):
    """One run of some work, and the callers that wait for it.

    The task itself never fails: errors are kept here. So asyncio never warns about an exception that was "never
    retrieved", and a SystemExit reaches the callers rather than the event loop.
    """

    def __init__(self, key: str, name: str, *, background: bool, patient: bool = False) -> None:
        self.key = key
        self.name = name
        self.background = background
        self.patient = background or patient
        """Whether it was started for no caller, or by such a flight: nobody waits for what it waits for."""
        self.waits_for: list[Flight[Any]] = []
        self.callers = 0
        self.heard = False
        self.ended = False
        self.task: asyncio.Task[T | None]
        self.error: BaseException | None = None
        self.traceback: TracebackType | None = None

    async def fly(self, work: Callable[[], Awaitable[T]], table: dict[str, Flight[T]]) -> T | None:
        innermost.set(self)
        try:
            return await work()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - it is raised again by every caller
            self.error, self.traceback = error, error.__traceback__
            return None
        finally:
            # Not in a done callback: those run later, and no caller may join work that has ended.
            self.leave(table)
            self.ended = True
            # The task has the context, and this the task: a circle, which only a long collection of all would end.
            if innermost.get() is self:  # work that a closed loop has left ends in whatever context it is collected
                innermost.set(None)

    def leave(self, table: dict[str, Flight[T]]) -> None:
        if table.get(self.key) is self:
            del table[self.key]

    def way_to(self, other: Flight[Any]) -> list[str] | None:
        """The names of the flights from this one to `other`, for which it waits; None if it doesn't wait for it."""
        if other is self:
            return [self.name]
        for next_one in self.waits_for:
            way = next_one.way_to(other)
            if way is not None:
                return [self.name, *way]
        return None

    def failure(self) -> BaseException | None:
        """The error of a flight that has ended; None if it succeeded, or was cancelled on request."""
        if self.task.cancelled():
            return None if self.task.cancelling() else self._cancelled()
        return self.error

    def _cancelled(self) -> CancelledCallError:
        return CancelledCallError(f"{self.name} was cancelled before it had a result; call it again.")

    def result(self) -> T:
        if self.task.cancelled():
            raise self._cancelled()
        if self.error is not None:
            # Reset the traceback: otherwise each of a thousand callers would make it longer for the next one.
            raise self.error.with_traceback(self.traceback)
        return self.task.result()  # type: ignore[return-value]  # None only after an error, raised above


innermost: ContextVar[Flight[Any] | None] = crossing(ContextVar("millpond_flight", default=None))
"""The flight whose work this code is part of."""


class Flights(Generic[T]):
    """Single flight within a process, separately for each event loop (R4.13; docs/design.md, One render per key).

    The work runs in its own task and in a clean context, not in a caller's. When a caller is cancelled, the work and
    the other callers continue. Any BaseException that the work raises reaches every caller.

    Args:
        on_error: called with the name and the error of a flight that failed in the background, or after all of its
            callers had been cancelled.
        clean: the context for the work; by default, the one in which this object is created.
    """

    def __init__(self, on_error: Callable[[str, BaseException], None], clean: CleanContext | None = None) -> None:
        self._on_error = on_error
        self._clean = CleanContext() if clean is None else clean
        self._lock = threading.Lock()
        self._tables: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Flight[T]]] = WeakKeyDictionary()

    def is_under_way(self, key: str, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether there is a flight of `key` in an event loop; from any thread."""
        with self._lock:
            return key in self._tables.get(loop, ())

    async def run_within(
        self, seconds: float, key: str, work: Callable[[], Awaitable[T]], name: str = ""
    ) -> tuple[T, bool] | None:
        """As `run`; None if it takes longer than `seconds`, and goes on. A caller that nobody waits for has the time.

        Raises:
            BaseException: as `run`.
        """
        caller = _caller()
        if seconds == math.inf or (caller is not None and caller.patient):
            return await self.run(key, work, name)
        try:
            async with asyncio.timeout(seconds) as limit:
                return await self.run(key, work, name)
        except TimeoutError:
            if not limit.expired():
                raise
            return None

    async def run(self, key: str, work: Callable[[], Awaitable[T]], name: str = "") -> tuple[T, bool]:
        """The result of `work`, or of the running flight of `key`; and whether this call joined such a flight.

        Args:
            key: identifies the work.
            work: makes the result.
            name: the name for messages; by default the key.

        Raises:
            CircularWaitError: the running flight itself waits for this caller.
            CancelledCallError: the work was cancelled, but this caller was not.
            BaseException: raised by the work.
        """
        table = self._table()
        flight = table.get(key)
        joined = flight is not None
        caller = _caller()
        if flight is None:
            flight = self._start(table, key, work, name, background=False)
        elif caller is not None:
            _refuse_circle(caller, flight)
        return await self._result(flight, caller), joined

    async def alone(self, key: str, work: Callable[[], Awaitable[R]], name: str = "") -> R:
        """The result of `work` for this caller only, in a clean context. It can't be joined, and ends with this caller.

        Args:
            key: identifies the work.
            work: makes the result.
            name: the name for messages; by default the key.

        Raises:
            CancelledCallError: the work was cancelled, but this caller was not.
            BaseException: raised by the work.
        """
        unshared: dict[str, Flight[R]] = {}
        flight = self._start(unshared, key, work, name, background=False)
        try:
            return await self._result(flight, _caller())
        finally:
            flight.task.cancel()  # no effect if the work has ended

    async def _result(self, flight: Flight[R], caller: Flight[Any] | None) -> R:
        flight.callers += 1
        if caller is not None:
            caller.waits_for.append(flight)
        try:
            # Not `await task`: cancelling this caller would cancel the task. Unlike shield(), this distinguishes this
            # caller's cancellation from that of the work, and leaves no callback on the task.
            await ended(flight.task)
            flight.heard = True
        finally:
            if caller is not None:
                caller.waits_for.remove(flight)
            flight.callers -= 1
            self._report_unheard(flight)
        return flight.result()

    def begin(self, key: str, work: Callable[[], Awaitable[T]], name: str = "") -> asyncio.Task[T | None] | None:
        """Start `work` in the background, unless a flight of `key` is running; returns its task if it started."""
        table = self._table()
        if key in table:
            return None
        return self._start(table, key, work, name, background=True).task

    def _start(
        self, table: dict[str, Flight[R]], key: str, work: Callable[[], Awaitable[R]], name: str, *, background: bool
    ) -> Flight[R]:
        caller = _caller()
        patient = caller is not None and caller.patient
        flight: Flight[R] = Flight(key, name or key.replace("\0", " "), background=background, patient=patient)
        flight.task = task = self._clean.begin(lambda: flight.fly(work, table), name=f"flight {key}")
        if not task.done():  # an eager task factory may have run it to its end already
            table[key] = flight
        task.add_done_callback(lambda _: self._land(table, flight))
        return flight

    def _land(self, table: dict[str, Flight[R]], flight: Flight[R]) -> None:
        flight.leave(table)  # a task that was cancelled before its first step never ran `fly`
        if flight.background:
            self._report(flight)
        else:
            self._report_unheard(flight)

    def _report_unheard(self, flight: Flight[Any]) -> None:
        if flight.task.done() and not flight.callers and not flight.heard and not flight.background:
            flight.heard = True
            self._report(flight)

    def _report(self, flight: Flight[Any]) -> None:
        failure = flight.failure()
        if failure is not None:
            self._on_error(flight.name, failure)

    def tasks(self) -> list[asyncio.Task[T | None]]:
        """The flights of this event loop, but for the one that this code is part of."""
        current = asyncio.current_task()
        return [flight.task for flight in self._table().values() if flight.task is not current]

    def _table(self) -> dict[str, Flight[T]]:
        loop = asyncio.get_running_loop()
        with self._lock:
            table = self._tables.get(loop)
            if table is None:
                # Running tasks of a closed loop keep that loop alive, so drop their table.
                for closed in [other for other in self._tables if other.is_closed()]:
                    del self._tables[closed]
                table = self._tables[loop] = {}
            return table


def _caller() -> Flight[Any] | None:
    """The flight that this code is part of, unless it has ended: `after` callbacks run later and aren't part of it."""
    flight = innermost.get()
    return None if flight is None or flight.ended else flight


def _refuse_circle(caller: Flight[Any], wanted: Flight[Any]) -> None:
    way = wanted.way_to(caller)
    if way is not None:
        circle = " → ".join([*way, wanted.name])
        raise CircularWaitError(f"{wanted.name} is part of a circular wait: {circle}; read the data directly.")
