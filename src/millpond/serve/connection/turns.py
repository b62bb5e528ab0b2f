"""Who goes on next, of the clients that sent more than is answered at once: one in each turn of the event loop.

So a turn takes no longer, however many they are; an event loop may accept no more than one new client in each.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from contextvars import Context


class Turns:
    """Those of one server."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Callable[[], None], Context]] = deque()

    def wait(self, go_on: Callable[[], None], context: Context, loop: asyncio.AbstractEventLoop) -> None:
        """Call `go_on` in `context`, when all that wait already have had their turn."""
        self._waiting.append((go_on, context))
        if len(self._waiting) == 1:
            loop.call_soon(self._next, loop)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        go_on, context = self._waiting[0]
        try:
            context.run(go_on)
        finally:
            self._waiting.popleft()
            if self._waiting:
                loop.call_soon(self._next, loop)
