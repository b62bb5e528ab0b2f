"""Event loops that are left, and processes that end, also where a thread hangs."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine, Iterator

T = TypeVar("T")

log = logging.getLogger("millpond.serve")

PATIENCE = 0.5
"""Seconds for threads that are about to end."""


def run_loop(work: Coroutine[Any, Any, T], loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None) -> T:
    """`asyncio.run`, without its wait of minutes for a thread that hangs in a handler.

    In a loop that `loop_factory` doesn't make, a SystemExit of some task doesn't end `work`.
    """
    import asyncio  # here, as each command ends by way of this module, and `--help` needs no loop

    from millpond.serve.processes.event_loop import default_loop

    runner = asyncio.Runner(loop_factory=loop_factory or default_loop())
    hangs = False

    async def settled() -> T:
        nonlocal hangs
        try:
            return await work
        finally:
            hangs = not await _pool_ends()

    try:
        return runner.run(settled())
    finally:
        if not hangs:
            runner.close()


def code_of(error: SystemExit) -> int:
    """The exit code that Python would end with; what is no number it would print."""
    if error.code is None or isinstance(error.code, int):
        return error.code or 0
    return 1


def leave(code: int) -> NoReturn:
    """End the process with `code`."""
    logging.raiseExceptions = False  # what is still logged while the interpreter is taken down reaches nobody
    if _left_behind():
        # The interpreter waits for these threads. Idle ones of a pool end then, and what is registered with atexit
        # runs; others may never end: a handler that ran out of time can't be stopped in its thread.
        threading.Thread(target=_end_if_it_hangs, args=(code,), daemon=True).start()
    sys.exit(code)


def _end_if_it_hangs(code: int) -> None:
    if _left_behind():
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def end_at_once(number: int) -> NoReturn:
    """End the process now, by a signal that came once more; for a signal handler.

    The exit code is what shells report of a process that a signal ended. What is stored bears it.
    """
    with contextlib.suppress(Exception):  # the signal may have come in the midst of a write
        log.warning("%s came once more: ended at once", signal.Signals(number).name)
    os._exit(128 + number)


def end_orphaned(seconds: float) -> NoReturn:
    """End this process, whose parent is gone: as by SIGTERM, and after so many seconds at once.

    Nobody else would, where the event loop hangs, and the port would stay taken. For a thread that is a daemon.
    """
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(seconds)
    os._exit(1)


@contextlib.contextmanager
def further_signals(*, hurry: bool) -> Iterator[None]:
    """Within the block, which is the end of the process, SIGTERM and SIGINT end it at once, or are ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = (lambda number, _: end_at_once(number)) if hurry else signal.SIG_IGN
    former = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler_before in former.items():
            signal.signal(number, handler_before)


async def _pool_ends() -> bool:
    """Whether the threads of the loop's own pool end in time; a loop that is closed waits for them for minutes."""
    import asyncio

    closing = asyncio.create_task(asyncio.get_running_loop().shutdown_default_executor())
    ended, _ = await asyncio.wait({closing}, timeout=PATIENCE)
    return bool(ended)


def _left_behind() -> list[threading.Thread]:
    threads = [t for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]
    for thread in threads:
        thread.join(PATIENCE / len(threads))
    return [thread for thread in threads if thread.is_alive()]
