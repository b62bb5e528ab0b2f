"""The source of Python 3.11: the profiler's events. They are slow, so they are on only where the user's code runs."""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
import threading
from typing import TYPE_CHECKING, Any

from starlette.responses import StreamingResponse

from millpond.internals.pictex_copies import copied_within
from millpond.metadata.drawing import pictures_work
from millpond.metadata.library_work import looked_away_by
from millpond.observe import calls, context_propagation
from millpond.observe import python_functions as known

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from contextlib import AbstractContextManager
    from types import FrameType

    from millpond.observe.use import CallListener

_NAMES = known.NAMES | context_propagation.NAMES

_listeners: list[CallListener] = []


def _profile(frame: FrameType, event: str, function: Any) -> None:
    if not _listeners:
        sys.setprofile(None)  # the thread, of a pool, has outlived the build that it began in
    elif event == "c_call":
        if function.__name__ in calls.NAMES and not calls.is_asyncios(frame.f_code):
            for listener in _listeners:
                listener.called(function, getattr(function, "__self__", None), frame)
    elif event == "call" and frame.f_code.co_name in _NAMES:
        for listener in _listeners:
            listener.begun(frame)


class _Window(threading.local):
    """The time in which this thread's calls are reported; overlapping windows are one."""

    def __init__(self) -> None:
        self._open = 0
        self._former: Any = None

    def __enter__(self) -> None:
        if not self._open:
            self._former = sys.getprofile()
            sys.setprofile(_profile)
        self._open += 1

    def __exit__(self, *_: object) -> None:
        self._open -= 1
        if not self._open:
            sys.setprofile(self._former)


_window = _Window()


@contextlib.contextmanager
def _looking_away() -> Iterator[None]:
    if sys.getprofile() is not _profile:
        yield
        return
    sys.setprofile(None)
    try:
        yield
    finally:
        sys.setprofile(_profile)


class ProfilingSource:
    """Reports calls of threads that begin while it is installed, and of this one while a window is open."""

    def __init__(self, listener: CallListener) -> None:
        self._listener = listener

    @contextlib.contextmanager
    def installed(self, *, throughout: bool) -> Iterator[None]:
        """Report calls within the block.

        What the listener raises ends it for a thread; an IdleLoop begins it again.
        """
        former = threading.getprofile()
        _listeners.append(self._listener)
        threading.setprofile(_profile)
        try:
            with (
                looked_away_by(_looking_away),
                copied_within(pictures_work),
                _window if throughout else contextlib.nullcontext(),
            ):
                yield
        finally:
            threading.setprofile(former)
            _listeners.remove(self._listener)

    def render(self, *, whole: bool) -> AbstractContextManager[None]:
        """A window around it, with `whole`."""
        return _window if whole else contextlib.nullcontext()

    def handler(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """One with a window around it, and around the body that it streams."""

        @functools.wraps(call)
        def observed(*args: Any, **kwargs: Any) -> Any:
            with _window:
                result = call(*args, **kwargs)
            return _awaited(result) if inspect.iscoroutine(result) else _with_window(result)

        return observed


async def _awaited(result: Awaitable[Any]) -> Any:
    with _window:
        answer = await result
    return _with_window(answer)


def _with_window(answer: Any) -> Any:
    if isinstance(answer, StreamingResponse):
        answer.body_iterator = _observed(answer.body_iterator)
    return answer


async def _observed(body: Any) -> AsyncIterator[Any]:
    with _window:
        async for chunk in body:
            yield chunk
