"""Event loops for commands: which kind, and how a command runs in one."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any, TypeVar

from millpond.render.resilient_loop import ResilientLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

_PATIENCE = 0.5
"""Seconds for threads that are about to end."""


def fastest_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes event loops: uvloop's where it is installed."""
    try:
        import uvloop
    except ImportError:
        return default_loop()
    return _lasting(uvloop.Loop)


def default_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes asyncio's own event loops."""
    if sys.platform == "win32":
        return _lasting(asyncio.ProactorEventLoop)
    return _lasting(asyncio.SelectorEventLoop)


def _lasting(loop: type[asyncio.AbstractEventLoop]) -> type[asyncio.AbstractEventLoop]:
    return type(loop.__name__, (ResilientLoop, loop), {})


def run_loop(work: Coroutine[Any, Any, T], loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None) -> T:
    """`asyncio.run`, without its wait of minutes for a thread that hangs in a handler.

    In a loop of this module's a SystemExit in some other task doesn't end `work`.

    Args:
        work: what to run.
        loop_factory: makes the loop; `default_loop()` when not given.
    """
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


async def _pool_ends() -> bool:
    """Whether the threads of the loop's own pool end in time; a loop that is closed waits for them for minutes."""
    closing = asyncio.create_task(asyncio.get_running_loop().shutdown_default_executor())
    ended, _ = await asyncio.wait({closing}, timeout=_PATIENCE)
    return bool(ended)
