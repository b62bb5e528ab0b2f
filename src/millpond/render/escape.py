"""What escapes from a handler, and is neither an answer nor an ordinary error."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from asyncio import Task

T = TypeVar("T")

MEANT_FOR_THE_LOOP = (asyncio.CancelledError, KeyboardInterrupt, GeneratorExit)


class Escaped(Exception):
    """A handler raised something that would pass every `except Exception`: it is an error like any other.

    Unconverted, a `sys.exit()` in a handler would end the server, and one odd error the whole build.
    """


def escaped(error: BaseException) -> Escaped:
    """`error` as an Exception, with the traceback that it had."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Escaped(f"the handler raised {text}").with_traceback(error.__traceback__)


def result_of(task: Task[T]) -> T:
    """The result of a task that has ended and that nobody of ours cancelled.

    Raises:
        Escaped: the handler raised CancelledError; passed on, it would look as if the caller had been cancelled.
        Exception: whatever the task raised.
    """
    try:
        return task.result()
    except asyncio.CancelledError as error:
        raise escaped(error) from error
