"""The chain of awaits that a task is suspended in, and its frames."""

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
    """Whether a task awaits work in a thread, which goes on even if the task is cancelled.

    False while it still waits for a free thread. Tasks that it has started, and awaits, aren't looked into.
    """
    codes = [frame.f_code for frame in frames_of(task.get_coro())]
    if any(code.co_qualname.startswith(LIMITER) for code in codes):
        return False
    return any(code in (anyio.to_thread.run_sync.__code__, asyncio.to_thread.__code__) for code in codes)


def frames_of(awaitable: object) -> list[FrameType]:
    """The frames of the coroutines and generators that `awaitable` is suspended in, outermost first."""
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
    """The coroutine or generator inside of `anext(…)`, `asend(…)` and `__await__()`, which have no attribute for it."""
    if asyncio.isfuture(awaitable):
        return None
    inner = (it for it in gc.get_referents(awaitable) if inspect.isasyncgen(it) or inspect.iscoroutine(it))
    return next(inner, None)
