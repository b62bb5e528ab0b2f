"""Requests that run code begin a few at a time, so that a hit, answered where it is read, waits for a few only.

The event loop would begin all that came together in one turn: a hundred stale answers, each a fraction of a
millisecond, would delay whatever is read after them by all of that.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from contextvars import Context

MOST_IN_A_TURN = 4
"""Requests that begin in one turn of the event loop; with more, the loop would look at its sockets less often."""


class Turns:
    """The requests of one server that wait to begin, in the order in which they came."""

    __slots__ = ("_begun", "_waiting")

    def __init__(self) -> None:
        self._begun = 0
        self._waiting: deque[tuple[Callable[[], None], Context]] = deque()

    def take(self, begin: Callable[[], None], context: Context, loop: asyncio.AbstractEventLoop) -> None:
        """Call `begin` now, or in `context` in a later turn of the loop."""
        if self._begun == MOST_IN_A_TURN:
            self._waiting.append((begin, context))
            return
        if not self._begun:
            loop.call_soon(self._next, loop)
        self._begun += 1
        begin()

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        self._begun = min(len(self._waiting), MOST_IN_A_TURN)
        if self._begun:
            loop.call_soon(self._next, loop)
        for _ in range(self._begun):
            begin, context = self._waiting.popleft()
            context.run(begin)
