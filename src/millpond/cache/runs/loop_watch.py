"""Whether an event loop does any work, as threads see it that wait for it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

LOOK_SECONDS = 0.25
"""How long a thread waits before it asks the loop for a sign of life, and between looking for it."""
BLOCKED_SECONDS = 1.0
"""A loop that owes a sign of life for so long is blocked: a handler waits in it, perhaps for the thread that asks."""


def call_soon_in(loop: asyncio.AbstractEventLoop, callback: Callable[..., object], *args: object) -> bool:
    """From another thread, have a loop call something; False if the loop is closed, so that nothing calls it."""
    try:
        loop.call_soon_threadsafe(callback, *args)
    except RuntimeError:
        if not loop.is_closed():
            raise
        return False
    return True


class LoopWatch:
    """Asks one event loop for signs of life."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._asked: float | None = None

    def is_blocked(self) -> bool:
        """Whether the loop owes a sign of life for too long; asks for none."""
        asked = self._asked
        return asked is not None and time.monotonic() - asked >= BLOCKED_SECONDS

    def look(self) -> bool:
        """As `is_blocked`; asks for a sign of life, if the loop owes none. A closed loop can't give any."""
        with self._lock:
            if self._asked is not None:
                return self.is_blocked()
            self._asked = time.monotonic()
        return not call_soon_in(self._loop, self._answer)

    def _answer(self) -> None:
        self._asked = None


class LoopWatches:
    """The watch of each event loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watches: WeakKeyDictionary[asyncio.AbstractEventLoop, LoopWatch] = WeakKeyDictionary()
        self._told: set[object] = set()

    def of(self, loop: asyncio.AbstractEventLoop) -> LoopWatch:
        """The watch of `loop`."""
        with self._lock:
            watch = self._watches.get(loop)
            if watch is None:
                watch = self._watches[loop] = LoopWatch(loop)
            return watch

    def first_time(self, *about: object) -> bool:
        """Whether nobody has been warned about a blocked loop there; from now on somebody has."""
        with self._lock:
            is_new = about not in self._told
            self._told.add(about)
            return is_new
