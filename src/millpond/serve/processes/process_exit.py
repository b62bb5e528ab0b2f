"""How a process exits: also where a thread hangs, by a second signal, and when its parent is gone."""

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

_PATIENCE = 0.5
"""Seconds for threads that are about to end."""


def exit_code_of(error: SystemExit) -> int:
    """The exit code that Python would use; it would print what is no number."""
    if error.code is None or isinstance(error.code, int):
        return error.code or 0
    return 1


def exit_process(code: int) -> NoReturn:
    """End the process with `code`."""
    logging.raiseExceptions = False  # what is still logged while the interpreter is taken down reaches nobody
    if _left_behind():
        # The interpreter waits for these threads, which lets idle ones of a pool end and runs what is registered with
        # atexit. Others may never end: a handler that ran out of time can't be stopped in its thread.
        threading.Thread(target=_exit_if_it_hangs, args=(code,), daemon=True).start()
    sys.exit(code)


def _exit_if_it_hangs(code: int) -> None:
    if _left_behind():
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def exit_at_once(number: int) -> NoReturn:
    """End the process now, as a signal came a second time; for a signal handler.

    The exit code is what shells report of a process that a signal ended. The store survives it.
    """
    with contextlib.suppress(Exception):  # the signal may have come while a line was written
        log.warning("%s came once more: ended at once", signal.Signals(number).name)
    os._exit(128 + number)


def exit_orphaned(seconds: float) -> NoReturn:
    """End this process, whose parent is gone: by SIGTERM, and at once after `seconds`.

    Where the event loop hangs, nobody else would end it, and its port would stay taken. For a daemon thread.
    """
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(seconds)
    os._exit(1)


@contextlib.contextmanager
def repeated_signals(*, exits: bool) -> Iterator[None]:
    """Within the block, in which the process is ending, further SIGTERMs and SIGINTs end it at once, or are ignored."""
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
        thread.join(_PATIENCE / len(threads))
    return [thread for thread in threads if thread.is_alive()]
