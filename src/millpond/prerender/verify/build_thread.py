"""Runs a verified build: in its own thread, with an IdleLoop and an observer of synchronous code."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from millpond.observe.observer import Observer
from millpond.prerender.verify.idle_loop import IdleLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractContextManager
    from pathlib import Path

T = TypeVar("T")


async def in_idle_loop(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `work` in a new IdleLoop in its own thread."""

    def run() -> T:
        with asyncio.Runner(loop_factory=IdleLoop) as runner:
            return runner.run(work())

    return await asyncio.to_thread(run)


def observed(project: Path) -> AbstractContextManager[None]:
    """Within the block, a render ends as soon as it uses an input other than the request (R9.7, D32)."""
    return Observer(project, ends=True).installed()
