"""What escapes from a user's code, and is neither an answer nor an ordinary error."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from asyncio import Task
    from collections.abc import Awaitable, Callable

from millpond.errors import UnexpectedExitError

T = TypeVar("T")

MEANT_FOR_THE_LOOP = (asyncio.CancelledError, GeneratorExit)
"""Not KeyboardInterrupt: Ctrl-C cancels the main task (`asyncio.Runner`) or is the server's to hear. One that comes out
of a handler was raised there."""


def escaped(error: BaseException, who: str = "the handler") -> UnexpectedExitError:
    """`error` as an Exception, with the traceback that it had; `who` raised it.

    Unconverted, a `sys.exit()` in a handler would end the server, and one odd error the whole build.
    """
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return UnexpectedExitError(f"{who} raised {text}").with_traceback(error.__traceback__)


def ends_this_task(error: BaseException) -> bool:
    """Whether `error` is how somebody ends the task that runs; everything else that comes out of a user's code is an
    error like any other, a CancelledError that nobody asked for, too."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is None or task.cancelling() > 0
    return isinstance(error, GeneratorExit)


async def contained(work: Callable[[], Awaitable[T]], who: str) -> T:
    """What a user's `work` comes to, for a task of its own: a task that raises SystemExit would end the loop.

    Raises:
        UnexpectedExitError: in the place of whatever would pass an `except Exception`.
        Exception: what the work raised.
    """
    try:
        return await work()
    except Exception:
        raise
    except BaseException as error:
        if ends_this_task(error):
            raise
        raise escaped(error, who) from error


def result_of(task: Task[T]) -> T:
    """The result of a task that has ended and that nobody of ours cancelled.

    Raises:
        UnexpectedExitError: the handler raised CancelledError; passed on, it would look as if the caller had been
            cancelled.
        Exception: whatever the task raised.
    """
    try:
        return task.result()
    except asyncio.CancelledError as error:
        raise escaped(error) from error
