"""The part of an event loop that tells the time, with a clock that is moved."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Timers:
    """Timers are called by `move`; all else is the running loop's."""

    def __init__(self) -> None:
        self.now = 100.0
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._cancelled: set[int] = set()
        self._number = itertools.count()

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], object]) -> Any:
        number = next(self._number)
        heapq.heappush(self._due, (when, number, callback))

        class Handle:
            def cancel(_) -> None:  # noqa: N805
                self._cancelled.add(number)

        return Handle()

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Any:
        return self.call_at(self.now + delay, partial(callback, *args))

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Any = None) -> asyncio.Handle:
        return asyncio.get_running_loop().call_soon(callback, *args, context=context)

    def create_task(self, work: Any) -> asyncio.Task[Any]:
        return asyncio.get_running_loop().create_task(work)

    def move(self, seconds: float) -> None:
        ends = self.now + seconds
        while self._due and self._due[0][0] <= ends:
            self.now, number, callback = heapq.heappop(self._due)
            if number not in self._cancelled:
                callback()
        self.now = ends

    @property
    def waiting(self) -> int:
        return sum(number not in self._cancelled for _, number, _ in self._due)
