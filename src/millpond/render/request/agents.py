"""Agents around a handler, as error trackers put them there: what they read of a request is no part of its answer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import fastapi

from millpond import routes

if TYPE_CHECKING:
    from types import FrameType

_SEAM = str(Path(__file__).parents[1] / "handler.py")
_RUNS_HANDLERS = tuple(f"{folder}{os.sep}" for folder in (*fastapi.__path__, *routes.__path__))


def read_by_agent(frame: FrameType | None) -> bool:
    """Whether `frame` was called in between the seam and what runs handlers: neither by the handler, nor for it.

    Sentry puts itself into `fastapi.routing.get_request_handler`, and asks each request for its length and its cookies
    before the handler does anything. In a thread the seam isn't on the stack: there every read is the handler's.
    """
    while frame is not None:
        file = frame.f_code.co_filename
        if file == _SEAM:
            return True
        if file.startswith(_RUNS_HANDLERS):
            return False
        frame = frame.f_back
    return False
