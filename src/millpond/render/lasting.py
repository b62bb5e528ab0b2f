"""An event loop that a `sys.exit()` in a user's task or callback doesn't end."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator

log = logging.getLogger("millpond.render")


class LastingLoop(asyncio.AbstractEventLoop):
    """In front of a class of event loops: goes on until the work that it was given has ended.

    asyncio lets a SystemExit or KeyboardInterrupt of any task or callback out of the loop, and with it everything that
    the loop was doing ends. Tasks that a user's code, its middleware or a library started can't all be watched; but the
    loop can be run again where it stopped, with everybody who waits for such a task told of its error.
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
                # A Ctrl-C has cancelled the work before it raises anything: it is how `asyncio.Runner` hears the first.
                if isinstance(error, KeyboardInterrupt) and _is_cancelled(work):
                    raise
                log.exception(
                    "a task or a callback of the application raised %s; nothing else ends with it",
                    type(error).__name__,
                )


def _is_cancelled(work: asyncio.Future[Any]) -> bool:
    return isinstance(work, asyncio.Task) and work.cancelling() > 0
