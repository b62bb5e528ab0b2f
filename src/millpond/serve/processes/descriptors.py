"""File descriptors: the limit is raised to what the system allows, and a shortage is logged in one clear line."""

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
    import resource  # at import time: without free file descriptors no module can be imported

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("millpond.serve")

_LOG_INTERVAL = 10.0
"""Seconds between two log lines."""
_SHORTAGE = (errno.EMFILE, errno.ENFILE)
_RETRY = "BaseSelectorEventLoop._start_serving"
"""asyncio calls it a second after an accept that failed; it logs an error if the server was closed meanwhile."""


def limit() -> int | None:
    """How many files this process may have open; None if the system has no such limit."""
    if sys.platform == "win32":
        return None
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def raise_limit() -> None:
    """Raise the soft limit of this process and its children to the hard limit."""
    if sys.platform == "win32":
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # some systems report a hard limit that they then refuse
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Descriptors:
    """Logs when file descriptors run out.

    uvloop closes connections that it can't accept without logging anything; asyncio logs a traceback for each attempt.

    Args:
        connections: returns how many are open.
        clock: seconds.
    """

    def __init__(self, connections: Callable[[], int], clock: Callable[[], float] = time.monotonic) -> None:
        self._connections, self._clock = connections, clock
        self._logged_at: float | None = None
        self._is_short = False

    def look(self) -> None:
        """Log every few seconds that there are none left, and once when there are some again."""
        try:
            os.close(os.dup(2))
        except OSError as error:
            if error.errno in _SHORTAGE:
                self._log_shortage()
            return
        if self._is_short:
            self._is_short, self._logged_at = False, None
            log.warning("file descriptors are available again")

    def replace_tracebacks(self) -> None:
        """In this event loop, log an accept that fails because of the limit in the same way as `look`."""
        loop = asyncio.get_running_loop()
        former = loop.get_exception_handler()

        def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            error, message = context.get("exception"), context.get("message", "")
            if isinstance(error, OSError) and error.errno in _SHORTAGE and "accept" in message:
                self._log_shortage()
            elif _RETRY in message:
                return
            elif former is not None:
                former(loop, context)
            else:
                loop.default_exception_handler(context)

        loop.set_exception_handler(handle)

    def _log_shortage(self) -> None:
        self._is_short = True
        now = self._clock()
        if self._logged_at is not None and now - self._logged_at < _LOG_INTERVAL:
            return
        self._logged_at = now
        log.error(
            "out of file descriptors: %d connections open, limit %s; new ones wait or are closed. "
            "Raise the limit with ulimit -n, or with LimitNOFILE= in a systemd unit.",
            self._connections(),
            limit(),
        )
