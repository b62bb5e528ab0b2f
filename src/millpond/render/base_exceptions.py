"""Exceptions of a user's code that aren't `Exception`s: SystemExit, KeyboardInterrupt, a stray CancelledError."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from millpond.errors import UnexpectedExitError

if TYPE_CHECKING:
    from asyncio import Task
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

CANCELLATION = (asyncio.CancelledError, GeneratorExit)
"""How coroutines are ended from outside. KeyboardInterrupt isn't: Ctrl-C cancels the main task (`asyncio.Runner`), or
the server handles it. A KeyboardInterrupt that a handler raises is the handler's own."""


def as_exception(error: BaseException, who: str = "the handler") -> UnexpectedExitError:
    """`error` as an Exception, with its traceback.

    Unconverted, a `sys.exit()` in a handler would end the server, and in a page the whole build.

    Args:
        error: what was raised.
        who: whose code raised it, for the message.
    """
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return UnexpectedExitError(f"{who} raised {text}").with_traceback(error.__traceback__)


def is_cancellation(error: BaseException) -> bool:
    """Whether `error` ends the running task on somebody's request.

    A CancelledError that nobody asked for is the user's own error, like any other exception.
    """
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is None or task.cancelling() > 0
    return isinstance(error, GeneratorExit)


async def contained(work: Callable[[], Awaitable[T]], who: str) -> T:
    """The result of a user's `work`, for a task of its own: a task that raises SystemExit would end the event loop.

    Args:
        work: is called and awaited.
        who: whose code it is, for the message.

    Raises:
        UnexpectedExitError: the work raised something that isn't an Exception.
        Exception: what the work raised.
        asyncio.CancelledError: the task was cancelled.
    """
    try:
        return await work()
    except Exception:
        raise
    except BaseException as error:
        if is_cancellation(error):
            raise
        raise as_exception(error, who) from error


def result_of(task: Task[T]) -> T:
    """The result of a task that has ended, and that Millpond didn't cancel.

    Raises:
        UnexpectedExitError: the handler raised CancelledError itself. Passed on as it is, it would look as if the
            caller had been cancelled.
        Exception: what the task raised.
    """
    try:
        return task.result()
    except asyncio.CancelledError as error:
        raise as_exception(error) from error
