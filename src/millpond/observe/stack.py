"""The stack of a use: across greenlets, up to the end of the thread or of the event loop's turn."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from millpond.internals.stack_names import turn_of_the_loop
from millpond.render import threads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_TURN_OF_THE_LOOP = turn_of_the_loop()
_ENDS = (_TURN_OF_THE_LOOP, asyncio.run.__code__, asyncio.Runner.run.__code__)
_MODULES = frozenset({id(vars(asyncio.events)), id(vars(asyncio.runners))})
"""Of the code of _ENDS. While there is an audit hook, reading the code of a frame is slow, unlike its globals."""
_CARRYING = vars(threads)


def outwards(frame: FrameType | None) -> Iterator[FrameType]:
    """The frames from `frame` on outwards, to the end of the thread, or of the event loop's turn.

    Whoever runs the loop has asked for nothing, and what carries a context along to a thread asks for nothing, either.
    """
    greenlets = sys.modules.get("greenlet")
    greenlet = greenlets.getcurrent() if greenlets is not None else None
    while frame is not None:
        if frame.f_globals is not _CARRYING:
            yield frame
        if id(frame.f_globals) in _MODULES and frame.f_code in _ENDS:
            return
        frame = frame.f_back
        if frame is None and greenlet is not None and greenlet.parent is not None:
            greenlet = greenlet.parent
            frame = greenlet.gr_frame


def function_of(frame: FrameType) -> tuple[str, str]:
    """The module and the qualified name of the function that a frame runs."""
    return frame.f_globals.get("__name__", ""), frame.f_code.co_qualname


def is_turn_of_the_loop(frame: FrameType) -> bool:
    """Whether a frame is the one that the steps of all tasks run in."""
    return id(frame.f_globals) in _MODULES and frame.f_code is _TURN_OF_THE_LOOP


def is_in_a_loop() -> bool:
    """Whether this thread runs an event loop: then the context tells which render it works for."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
