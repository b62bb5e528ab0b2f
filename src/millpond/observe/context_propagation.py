"""Work that was submitted to a thread or a task: which render submitted it, where the stack doesn't show it."""

from __future__ import annotations

import contextvars
import functools
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from millpond.internals import stack_names
from millpond.observe.stack import function_of
from millpond.stores.bounded_dict import BoundedDict

if TYPE_CHECKING:
    from types import FrameType

    from millpond.errors import Place
    from millpond.render.scopes.scope import Scope

_MOST = 10_000
"""Submissions that are remembered; the oldest are forgotten first."""

NAMES = frozenset(name.rpartition(".")[2] for _, name in stack_names.HANDS_OVER)
"""What they are called."""

_RUN_IN = frozenset({stack_names.WORK_ITEM, stack_names.WORKER_CONTEXT, stack_names.WORKER_THREAD, stack_names.THREAD})
"""Functions of a thread's own machinery that call the work."""

_MOST_WRAPPED = 8

_CARRIERS = frozenset({"anyio", "asgiref", "asyncio", "concurrent", "starlette"})
"""Packages that only pass work on to a thread or a task."""


class Submission(NamedTuple):
    """The render and the line that submitted some work."""

    scope: Scope
    place: Place | None
    """The user's line."""
    carried: bool
    """Whether only such packages are between that line and the submission."""


class SubmittedCall(NamedTuple):
    """The function that submitted work is going to call."""

    function: Any
    arguments: tuple[Any, ...]
    """Those that go by position."""


class Submissions:
    """The work that was submitted while an observer is installed."""

    def __init__(self) -> None:
        self._known: BoundedDict[int, tuple[object, Submission]] = BoundedDict(_MOST)
        self._lock = threading.RLock()  # reentrant, as garbage collection may run code that submits work

    def note(self, work: object, given: Submission) -> None:
        """Remember who submitted `work`. A reference is kept, so that its id isn't reused."""
        with self._lock:
            self._known.keep(id(work), (work, given))

    def of(self, work: object) -> Submission | None:
        """Who submitted it, if a render did."""
        with self._lock:
            found = self._known.get(id(work))
        return None if found is None else found[1]


def is_known(frame: FrameType) -> bool:
    """Whether the function of a frame submits work."""
    return function_of(frame) in stack_names.HANDS_OVER


def given_in(frame: FrameType) -> Any:
    """The work that the function of a frame submits; None for any other function."""
    argument = stack_names.HANDS_OVER.get(function_of(frame))
    return None if argument is None else frame.f_locals.get(argument)


def work_in(frame: FrameType) -> SubmittedCall:
    """What the function of a frame submits, unwrapped from partials and `Context.run`.

    A function in C that is called by another one in C, as these do, is told by no event: not by the profiler's, and
    not by sys.monitoring's. Here it can still be seen.
    """
    function: Any = given_in(frame)
    arguments = tuple(frame.f_locals.get("args", ()))
    if isinstance(function, threading.Thread):
        function, arguments = stack_names.work_of_thread(function)
    for _ in range(_MOST_WRAPPED):
        if isinstance(function, functools.partial):
            arguments, function = (*function.args, *arguments), function.func
        elif isinstance(getattr(function, "__self__", None), contextvars.Context) and arguments:
            function, arguments = arguments[0], arguments[1:]
        else:
            break
    return SubmittedCall(function, arguments)


def runs_work(frame: FrameType) -> bool:
    """Whether a frame is a thread's own machinery calling submitted work, which has been reported already."""
    return frame.f_code.co_name == "run" and function_of(frame) in _RUN_IN


def taken_in(frame: FrameType) -> Any:
    """The work that a frame of a thread's own machinery runs; None for any other frame."""
    if frame.f_code.co_name != "run":
        return None
    function = function_of(frame)
    if function == stack_names.WORK_ITEM:
        return stack_names.work_of(frame.f_locals.get("self"))
    if function == stack_names.WORKER_THREAD:
        return frame.f_locals.get("func")
    if function == stack_names.THREAD:
        return frame.f_locals.get("self")
    return None


def carries(frame: FrameType) -> bool:
    """Whether a frame belongs to a package that only passes work on."""
    module: str = frame.f_globals.get("__name__", "")
    return module.partition(".")[0] in _CARRIERS
