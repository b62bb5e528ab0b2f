"""How a process exits, even if a thread hangs, on a second signal, or when its parent is gone."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger("millpond.serve")

THREAD_TIMEOUT = 0.5
"""Seconds to wait for threads that are about to end."""


def exit_code_of(error: SystemExit) -> int:
    """The exit code that Python would use; unlike Python, a code that isn't a number is not printed."""
    if error.code is None or isinstance(error.code, int):
        return error.code or 0
    return 1


def exit_process(code: int) -> NoReturn:
    """End the process with `code`."""
    logging.raiseExceptions = False  # streams may be closed already when something logs during interpreter shutdown
    if _left_behind():
        # The interpreter waits for these threads, so that idle ones of a pool end, and runs the atexit handlers. Other
        # threads may never end: a handler that timed out can't be stopped in its thread.
        threading.Thread(target=_exit_if_it_hangs, args=(code,), daemon=True).start()
    sys.exit(code)


def _exit_if_it_hangs(code: int) -> None:
    if _left_behind():
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def exit_at_once(number: int) -> NoReturn:
    """Exit now because a signal was received a second time; for a signal handler.

    The exit code is the one that shells report for a process ended by that signal. The store survives it.
    """
    with contextlib.suppress(Exception):  # the signal may have interrupted the writing of a log line
        log.warning("received %s again: exiting immediately", signal.Signals(number).name)
    os._exit(128 + number)


def exit_orphaned(seconds: float) -> NoReturn:
    """End this process because its parent is gone: by SIGTERM, and after `seconds` immediately.

    If the event loop hangs, nothing else would end the process, and its port would stay in use. For a daemon thread.
    """
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(min(seconds, threading.TIMEOUT_MAX))  # it may be inf
    os._exit(1)


@contextlib.contextmanager
def repeated_signals(*, exits: bool) -> Iterator[None]:
    """Within the block, while the process is ending, further SIGTERMs and SIGINTs exit immediately or are ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = (lambda number, _: exit_at_once(number)) if exits else signal.SIG_IGN
    former = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler_before in former.items():
            signal.signal(number, handler_before)


def _left_behind() -> list[threading.Thread]:
    threads = [t for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]
    for thread in threads:
        thread.join(THREAD_TIMEOUT / len(threads))
    return [thread for thread in threads if thread.is_alive()]
