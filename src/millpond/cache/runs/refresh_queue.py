"""How many entries are refreshed in the background at once, and which come first."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from typing import Any

MOST_WAITING = 10_000
"""Keys that wait; a further one is noted when it is asked for again."""


class Keyed(Protocol):
    @property
    def key(self) -> str: ...


R = TypeVar("R", bound=Keyed)


class _Waiting(Generic[R]):
    __slots__ = ("asked", "read")

    def __init__(self, read: R) -> None:
        self.read, self.asked = read, 0


class RefreshQueue(Generic[R]):
    """The refreshes of one event loop.

    A stale entry is served while it waits for its turn, so nobody waits for it. Without a bound, a site whose pages go
    stale together would render all of them at once, and an unrelated hit would wait for its turn among them.

    Args:
        at_once: how many run at a time.
        begin: starts one; None if there is nothing to do any more: it runs already, or the entry is fresh.
    """

    def __init__(self, at_once: int, begin: Callable[[R], asyncio.Task[Any] | None]) -> None:
        self._at_once, self._begin = at_once, begin
        self._running: dict[asyncio.Task[Any], str] = {}
        self._keys: set[str] = set()
        """Of those that run."""
        self._waiting: dict[str, _Waiting[R]] = {}
        self._turns: list[tuple[int, int, str]] = []
        """A heap: how often a key was asked for, negative; the number of the turn; the key."""
        self._numbers = itertools.count()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def ask(self, read: R) -> None:
        """Refresh an entry now, or once those that are asked for more often have been."""
        key = read.key
        if key in self._keys:
            return
        if len(self._running) < self._at_once and not self._waiting:
            self._start(read)
            return
        waiting = self._waiting.get(key)
        if waiting is None:
            if len(self._waiting) >= MOST_WAITING:
                return
            waiting = self._waiting[key] = _Waiting(read)
        waiting.asked += 1
        if waiting.asked & (waiting.asked - 1) == 0:  # at each power of two: the heap stays small
            heapq.heappush(self._turns, (-waiting.asked, next(self._numbers), key))
        self._go_on()

    def clear(self) -> None:
        """Let none of those that wait begin: the process ends, and their entries stay stale."""
        self._waiting.clear()
        self._turns.clear()

    def _go_on(self) -> None:
        while self._waiting and len(self._running) < self._at_once:
            waiting = self._waiting.pop(heapq.heappop(self._turns)[2], None)
            if waiting is not None:
                self._start(waiting.read)
        if not self._waiting:
            self._turns.clear()  # former turns of keys that had one since

    def _start(self, read: R) -> None:
        task = self._begin(read)
        if task is None or task.done():
            return
        self._running[task] = read.key
        self._keys.add(read.key)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._keys.discard(self._running.pop(task))
        self._go_on()
