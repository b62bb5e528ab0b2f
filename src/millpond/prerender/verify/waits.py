"""What the tasks of a render wait for, found from their frames: a cache, a thread, each other, or the outside world."""

from __future__ import annotations

import asyncio
import linecache
import os
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
import anyio.to_thread
import fastapi
import starlette

from millpond.internals.stack_names import MEETING_FILES, MEETINGS
from millpond.render.await_chain import frames_of
from millpond.render.user_code import user_place

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

    from millpond.errors import Place


class WaitKind(Enum):
    """What a task waits for."""

    FILL = "a cache"
    """A cache that is being filled; the task goes on when it is."""
    THREAD = "a thread"
    """A thread of the pool. It computes, or itself waits for a task."""
    MEETING = "a meeting"
    """Another task, through a lock, an event, a queue or a task group."""
    OUTSIDE = "the outside"


class TaskWait(NamedTuple):
    """One task's wait, and the user's line that waits."""

    kind: WaitKind
    what: str
    place: Place | None


_OURS = Path(__file__).parents[2]
_CACHE = f"{_OURS / 'cache'}{os.sep}"
_ANYIO = str(Path(anyio.__file__).parent)
_FRAMEWORK = tuple(f"{folder}{os.sep}" for folder in (_OURS, *fastapi.__path__, *starlette.__path__))
_IN_ASYNCIO = tuple(
    str(Path(asyncio.__file__).with_name(f"{name}.py"))
    for name in ("locks", "queues", "taskgroups", "tasks", "timeouts")
)


def waits(task: asyncio.Task[Any], project: Path) -> TaskWait:
    """What an unfinished task waits for, at a moment when no callback is ready to run."""
    frames = frames_of(task.get_coro())
    if any(frame.f_code.co_filename.startswith(_CACHE) for frame in frames):
        return TaskWait(WaitKind.FILL, "", None)
    if any(frame.f_code is anyio.to_thread.run_sync.__code__ for frame in frames):
        return TaskWait(WaitKind.THREAD, "", None)
    place, below = _user_part(frames, project)
    kind = WaitKind.MEETING if all(_is_meeting(frame) for frame in below) else WaitKind.OUTSIDE
    return TaskWait(kind, _name(below, place, project), place)


def blamed(of_all: Iterable[TaskWait]) -> TaskWait:
    """The wait that ends a render: the first one for the outside world, or else the first.

    If that task has no place in user code, the place is taken from another task, which probably awaits it.
    """
    everyone = list(of_all)
    first = next((wait for wait in everyone if wait.kind is WaitKind.OUTSIDE), everyone[0])
    if first.place is not None:
        return first
    return first._replace(place=next((wait.place for wait in everyone if wait.place is not None), None))


def _user_part(frames: list[FrameType], project: Path) -> tuple[Place | None, list[FrameType]]:
    """The innermost line of user code, and the frames that it awaits."""
    for position in range(len(frames) - 1, -1, -1):
        place = user_place(frames[position], project, only_innermost=True)
        if place is not None:
            return place, frames[position + 1 :]
    return None, frames


def _is_meeting(frame: FrameType) -> bool:
    code = frame.f_code
    if code.co_filename in _IN_ASYNCIO:
        return code is not asyncio.sleep.__code__
    if code.co_filename.startswith(_ANYIO):
        return code.co_filename in MEETING_FILES or code.co_qualname.startswith(MEETINGS)
    return code.co_filename.startswith(_FRAMEWORK)


def _name(below: list[FrameType], place: Place | None, project: Path) -> str:
    """The name of the awaited function, such as `asyncio.sleep`; or the source of the line if there is none."""
    if below:
        plumbing = (*_FRAMEWORK, _ANYIO) if place is None else ()
        called = next((frame for frame in below if not frame.f_code.co_filename.startswith(plumbing)), below[-1])
        return f"{called.f_globals.get('__name__', '').partition('.')[0]}.{called.f_code.co_qualname}"
    line = linecache.getline(str(project / place.file), place.line or 0).strip() if place is not None else ""
    return line.removeprefix("return ").partition("await ")[2] or line or "something outside"
