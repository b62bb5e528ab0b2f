"""Event loops that are left, and processes that end, also where a thread hangs."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

PATIENCE = 0.5
"""Seconds for threads that are about to end."""


def run_loop(work: Coroutine[Any, Any, T], loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None) -> T:
    """`asyncio.run`, without its wait of minutes for a thread that hangs in a handler.

    In a loop that `loop_factory` doesn't make, a SystemExit of some task doesn't end `work`.
    """
    import asyncio  # here, as each command ends by way of this module, and `--help` needs no loop

    from millpond.serve.event_loop import default_loop

    runner = asyncio.Runner(loop_factory=loop_factory or default_loop())
    try:
        return runner.run(_settled(work))
    finally:
        if not _left_behind():
            runner.close()


def code_of(error: SystemExit) -> int:
    """The exit code that Python would end with; what is no number it would print."""
    if error.code is None or isinstance(error.code, int):
        return error.code or 0
    return 1


def leave(code: int) -> NoReturn:
    """End the process with `code`."""
    logging.raiseExceptions = False  # what is still logged while the interpreter is taken down reaches nobody
    if not _left_behind():
        sys.exit(code)
    # The interpreter would wait for these threads, and they may never end: a handler that ran out of time can't be
    # stopped in its thread.
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


async def _settled(work: Coroutine[Any, Any, T]) -> T:
    import asyncio

    try:
        return await work
    finally:
        closing = asyncio.create_task(asyncio.get_running_loop().shutdown_default_executor())
        await asyncio.wait({closing}, timeout=PATIENCE)


def _left_behind() -> list[threading.Thread]:
    threads = [t for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]
    for thread in threads:
        thread.join(PATIENCE / len(threads))
    return [thread for thread in threads if thread.is_alive()]
