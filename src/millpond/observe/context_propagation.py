"""Work that is handed over to a thread or a task: whose it is, where no frame of its own tells."""

from __future__ import annotations

import contextvars
import functools
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from millpond.internals import stack_names
from millpond.observe.stack import function_of

if TYPE_CHECKING:
    from types import FrameType

    from millpond.errors import Place
    from millpond.render.scope import Scope

_MOST = 10_000
"""Pieces of work that are remembered; the oldest is forgotten first."""

NAMES = frozenset(name.rpartition(".")[2] for _, name in stack_names.HANDS_OVER)
"""What they are called."""

_RUN_IN = frozenset({stack_names.WORK_ITEM, stack_names.WORKER_CONTEXT, stack_names.WORKER_THREAD, stack_names.THREAD})
"""Functions of a thread's own machinery that call the work."""

_MOST_WRAPPED = 8

_CARRIERS = frozenset({"anyio", "asgiref", "asyncio", "concurrent", "starlette"})
"""Packages that only carry what they are given to a thread or a task."""


class HandOver(NamedTuple):
    """Who gave the work."""

    scope: Scope
    place: Place | None
    """The user's line."""
    carried: bool
    """Whether only carriers stand between that line and the hand-over."""


class HandedOver(NamedTuple):
    """What a hand-over is going to call."""

    function: Any
    arguments: tuple[Any, ...]
    """Those that go by position."""


class HandOvers:
    """What was handed over while somebody observes."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, tuple[object, HandOver]] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, work: object, given: HandOver) -> None:
        """Remember who gave `work`. It is held meanwhile, so that no other object has its identity."""
        with self._lock:
            self._known[id(work)] = (work, given)
            self._known.move_to_end(id(work))
            if len(self._known) > _MOST:
                self._known.popitem(last=False)

    def of(self, work: object) -> HandOver | None:
        """Who gave it, if a render did."""
        found = self._known.get(id(work))
        return None if found is None else found[1]


def is_known(frame: FrameType) -> bool:
    """Whether the function of a frame hands work over."""
    return function_of(frame) in stack_names.HANDS_OVER


def given_in(frame: FrameType) -> Any:
    """The work that the function of a frame hands over; None when it isn't one that does."""
    argument = stack_names.HANDS_OVER.get(function_of(frame))
    return None if argument is None else frame.f_locals.get(argument)


def work_in(frame: FrameType) -> HandedOver:
    """What the function of a frame hands over, out of what only wraps it: a partial, a run in a context.

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
    return HandedOver(function, arguments)


def runs_work(frame: FrameType) -> bool:
    """Whether a frame is a thread's own machinery, which calls what was handed over: that was told already."""
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
    """Whether a frame belongs to what only carries work."""
    module: str = frame.f_globals.get("__name__", "")
    return module.partition(".")[0] in _CARRIERS
