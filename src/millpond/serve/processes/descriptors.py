"""File descriptors: as many as the system gives, and one clear line when there are no more."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import sys
import time
from typing import TYPE_CHECKING, Any

if sys.platform != "win32":
    import resource  # now: once the files have run out no module can be imported

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("millpond.serve")

_SAY_AGAIN = 10.0
"""Seconds between two lines."""
_OUT = (errno.EMFILE, errno.ENFILE)
_RETRY = "BaseSelectorEventLoop._start_serving"
"""What asyncio calls a second after an accept that failed; it complains of servers that were closed meanwhile."""


def limit() -> int | None:
    """How many files this process may have open; None where the system doesn't say."""
    if sys.platform == "win32":
        return None
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def raise_limit() -> None:
    """Have as many as whoever runs the process may have: the hard limit, for it and those that it starts."""
    if sys.platform == "win32":
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # some systems name a hard limit that they don't give
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Descriptors:
    """Whether there are some left.

    Nobody else says so. uvloop closes the connections that it can't have, without a word; asyncio logs a traceback for
    each try to accept one.

    Args:
        connections: how many are open.
        clock: seconds.
    """

    def __init__(self, connections: Callable[[], int], clock: Callable[[], float] = time.monotonic) -> None:
        self._connections, self._clock = connections, clock
        self._said: float | None = None
        self._missing = False

    def look(self) -> None:
        """Log when there are none left, now and then, and once when there are some again."""
        try:
            os.close(os.dup(2))
        except OSError as error:
            if error.errno in _OUT:
                self._say()
            return
        if self._missing:
            self._missing, self._said = False, None
            log.warning("there are file descriptors again")

    def replace_tracebacks(self) -> None:
        """From now on an accept of this event loop that fails for want of them is told as `look` does."""
        loop = asyncio.get_running_loop()
        former = loop.get_exception_handler()

        def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            error, message = context.get("exception"), context.get("message", "")
            if isinstance(error, OSError) and error.errno in _OUT and "accept" in message:
                self._say()
            elif _RETRY in message:
                return
            elif former is not None:
                former(loop, context)
            else:
                loop.default_exception_handler(context)

        loop.set_exception_handler(handle)

    def _say(self) -> None:
        self._missing = True
        now = self._clock()
        if self._said is not None and now - self._said < _SAY_AGAIN:
            return
        self._said = now
        log.error(
            "out of file descriptors: %d connections open, limit %s; new ones wait or are closed. "
            "Raise the limit with ulimit -n, or with LimitNOFILE= in a unit of systemd.",
            self._connections(),
            limit(),
        )
