"""An event loop that outlives `sys.exit()` in a task or a callback."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator

log = logging.getLogger("millpond.render")


class ResilientLoop(asyncio.AbstractEventLoop):
    """A mixin for event loop classes: the loop runs until the work that it was given has ended.

    asyncio lets a SystemExit or KeyboardInterrupt of any task or callback out of the loop, which ends everything else
    that the loop was doing. Not every task can be guarded: middleware and libraries start tasks of their own. But the
    loop can be run again from where it stopped, and whoever awaits the failed task gets its error.
    """

    def run_until_complete(self, future: Generator[Any, None, Any] | Awaitable[Any]) -> Any:
        """As asyncio's. What the work itself raises is raised, and so is a Ctrl-C."""
        work = asyncio.ensure_future(cast("Awaitable[Any]", future), loop=self)
        while True:
            try:
                return super().run_until_complete(work)
            except (SystemExit, KeyboardInterrupt) as error:
                if work.done():
                    return work.result()
                # `asyncio.Runner` cancels the work on the first Ctrl-C, before it raises anything.
                if isinstance(error, KeyboardInterrupt) and _is_cancelled(work):
                    raise
                log.exception(
                    "a task or a callback of the application raised %s; nothing else ends with it",
                    type(error).__name__,
                )


def _is_cancelled(work: asyncio.Future[Any]) -> bool:
    return isinstance(work, asyncio.Task) and work.cancelling() > 0
