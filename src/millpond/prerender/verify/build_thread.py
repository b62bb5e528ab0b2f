"""Runs a verified build: in its own thread, with an IdleLoop and an observer of synchronous code."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from millpond.observe.observer import Observer
from millpond.prerender.verify.idle_loop import IdleLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractContextManager
    from pathlib import Path

T = TypeVar("T")

_SECONDS_TO_END = 3.0
"""For what runs in the thread, once it is cancelled; a handler that blocks its loop isn't waited for any longer."""


async def in_idle_loop(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `work` in a new IdleLoop in its own thread. If this is cancelled, so is `work`, which gets time to end."""
    running: Future[Callable[[], None]] = Future()

    async def told() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if isinstance(loop, IdleLoop) and task is not None:
            running.set_result(partial(loop.interrupt, task))
        return await work()

    def run() -> T:
        with asyncio.Runner(loop_factory=IdleLoop) as runner:
            return runner.run(told())

    thread = asyncio.create_task(asyncio.to_thread(run))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        if running.done() and not thread.done():
            with contextlib.suppress(RuntimeError):  # its loop has just been closed
                running.result()()
            await asyncio.wait({thread}, timeout=_SECONDS_TO_END)
        raise


def observed(project: Path) -> AbstractContextManager[None]:
    """Within the block, a render ends as soon as it uses an input other than the request (R9.7, D32)."""
    return Observer(project, ends=True).installed()
