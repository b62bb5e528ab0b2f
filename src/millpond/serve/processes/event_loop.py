"""Event loops for commands: which implementation, and how a command runs in one."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any, TypeVar

from millpond.render.resilient_loop import ResilientLoop
from millpond.serve.processes.process_exit import THREAD_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


def fastest_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """A factory of event loops: uvloop's if it is installed."""
    try:
        import uvloop
    except ImportError:
        return default_loop()
    return _resilient(uvloop.Loop)


def default_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """A factory of asyncio's own event loops."""
    if sys.platform == "win32":
        return _resilient(asyncio.ProactorEventLoop)
    return _resilient(asyncio.SelectorEventLoop)


def _resilient(loop: type[asyncio.AbstractEventLoop]) -> type[asyncio.AbstractEventLoop]:
    return type(loop.__name__, (ResilientLoop, loop), {})


def run_loop(work: Coroutine[Any, Any, T], loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None) -> T:
    """`asyncio.run`, but without waiting minutes for a thread that hangs in a handler.

    In a loop made by this module a SystemExit in another task doesn't end `work`.

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
    """Whether the threads of the loop's default pool end in time; closing a loop would wait minutes for them."""
    closing = asyncio.create_task(asyncio.get_running_loop().shutdown_default_executor())
    ended, _ = await asyncio.wait({closing}, timeout=THREAD_TIMEOUT)
    return bool(ended)
