"""What a task awaits, told by the frames of its chain of awaits."""

from __future__ import annotations

import asyncio
import gc
import inspect
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from millpond.internals.stack_names import LIMITER

if TYPE_CHECKING:
    from types import FrameType


def in_a_thread(task: asyncio.Task[Any]) -> bool:
    """Whether what a task waits for runs in a thread, which goes on whatever becomes of the task.

    Not while it only waits for a thread to be free. What its own tasks wait for isn't seen.
    """
    codes = [frame.f_code for frame in frames_of(task.get_coro())]
    if any(code.co_qualname.startswith(LIMITER) for code in codes):
        return False
    return any(code in (anyio.to_thread.run_sync.__code__, asyncio.to_thread.__code__) for code in codes)


def frames_of(awaitable: object) -> list[FrameType]:
    """The frames of a chain of awaits, outermost first."""
    frames: list[FrameType] = []
    while awaitable is not None:
        if inspect.iscoroutine(awaitable):
            frame, awaitable = awaitable.cr_frame, awaitable.cr_await
        elif inspect.isasyncgen(awaitable):
            frame, awaitable = awaitable.ag_frame, awaitable.ag_await
        elif inspect.isgenerator(awaitable):
            frame, awaitable = awaitable.gi_frame, awaitable.gi_yieldfrom
        else:
            frame, awaitable = None, _wrapped_in(awaitable)
        if frame is not None:
            frames.append(frame)
    return frames


def _wrapped_in(awaitable: object) -> object:
    """What `anext(…)`, `asend(…)` and `__await__()` have inside; they have no attribute for it."""
    if asyncio.isfuture(awaitable):
        return None
    inner = (it for it in gc.get_referents(awaitable) if inspect.isasyncgen(it) or inspect.iscoroutine(it))
    return next(inner, None)
