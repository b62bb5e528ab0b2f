"""Round robin among the clients that sent more than is answered at once: one of them in each turn of the event loop.

So a turn takes no longer however many such clients there are: a loop may accept only one new connection in each turn.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from contextvars import Context


class RoundRobin:
    """The clients of one server that wait to be resumed."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Callable[[], None], Context]] = deque()

    def schedule(self, resume: Callable[[], None], context: Context, loop: asyncio.AbstractEventLoop) -> None:
        """Call `resume` in `context`, after all that wait already."""
        self._waiting.append((resume, context))
        if len(self._waiting) == 1:
            loop.call_soon(self._next, loop)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        resume, context = self._waiting[0]
        try:
            context.run(resume)
        finally:
            self._waiting.popleft()
            if self._waiting:
                loop.call_soon(self._next, loop)
