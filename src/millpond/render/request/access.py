"""Who reads a request, and what follows: the run that the reading code belongs to decides, not the request's own run.

User code may keep a request in a global or a closure, where a shared render or a cached function finds it: what they
make of it would go to other visitors.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import fastapi

from millpond import routes
from millpond.render.scopes.current_scope import current
from millpond.render.scopes.dynamic_use import named
from millpond.render.scopes.scope import Phase
from millpond.render.scopes.told_read import told_read

if TYPE_CHECKING:
    from types import FrameType

_HANDLER_WRAPPER = str(Path(__file__).parents[1] / "handler.py")
_RUNS_HANDLERS = tuple(f"{folder}{os.sep}" for folder in (*fastapi.__path__, *routes.__path__))


def is_shared_work() -> bool:
    """Whether this code runs in a shared render or in a cached function."""
    reader = current()
    return reader is not None and reader.for_others


def in_running_shared_work() -> bool:
    """Whether this code runs in a shared render, or in a cached function, that hasn't ended yet."""
    reader = current()
    return reader is not None and reader.for_others and reader.phase is Phase.HANDLER


def refuse_in_function(api: str, key: object = None) -> None:
    """Refuse a read of part of a request in a cached function, whose result would be that request's own (R5.24).

    Args:
        api: what messages call the part.
        key: what is read of it, where it is a mapping.

    Raises:
        UsageError: a cached function runs here.
    """
    reader = current()
    if reader is not None and reader.in_function:
        reader.refuse_in_function(named(api, key))


def refuse_in_shared_work(api: str, key: object = None) -> None:
    """As `refuse_in_function`; and a shared render that reads a visitor's request ends (R3.9).

    Raises:
        UsageError: a cached function runs here.
        DynamicAccess: a shared render does.
    """
    reader = current()
    if reader is None:
        return
    if reader.for_others:
        reader.record_foreign_access(named(api, key))
    elif reader.reads is not None and not read_by_tracer(sys._getframe(1)):  # noqa: SLF001 - the documented way
        reader.note(told_read(api, key))


def read_by_tracer(frame: FrameType | None) -> bool:
    """Whether an error tracker or tracer around the handler reads: what it reads is no part of the answer.

    Sentry wraps `fastapi.routing.get_request_handler`, and reads the length and the cookies of each request before the
    handler runs. So a read is a tracer's if, going outwards from `frame`, Millpond's wrapper around FastAPI's handler
    comes before the code that runs handlers. In a thread the wrapper isn't on the stack: there every read is the
    handler's.

    Args:
        frame: of the code that reads.
    """
    while frame is not None:
        file = frame.f_code.co_filename
        if file == _HANDLER_WRAPPER:
            return True
        if file.startswith(_RUNS_HANDLERS):
            return False
        frame = frame.f_back
    return False
