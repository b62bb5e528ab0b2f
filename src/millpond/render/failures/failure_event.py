"""An exception as an event: its message, and where it came by."""

from __future__ import annotations

import os
import traceback
from typing import TYPE_CHECKING

from millpond.render.failures.masking import masked
from millpond.render.user_code import in_project
from millpond.telemetry.journal import Event, Frame

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Literal

_MOST_FRAMES = 30


def failure_event(
    error: BaseException, project: Path, *, at: float, route: str, path: str, served: Literal["older", "500"]
) -> Event:
    """The event for an exception of a handler.

    Args:
        error: what was raised.
        project: the folder whose files are the author's own.
        at: seconds since the epoch.
        route: the pattern of the route.
        path: what was asked for.
        served: what clients got instead.
    """
    frames = tuple(_frames(error, project))
    own = [frame for frame in frames if frame.own]
    message = masked("".join(traceback.format_exception_only(error)).strip().partition(": ")[2], os.environ)
    return Event(
        at=at,
        kind="failure",
        text=message or type(error).__name__,
        error=type(error).__name__,
        route=route,
        path=path,
        place=own[-1].place if own else "",
        frames=frames,
        served=served,
    )


def _frames(error: BaseException, project: Path) -> list[Frame]:
    """Outermost first. Source lines are shown of the project's own files alone."""
    found: list[Frame] = []
    for frame in traceback.extract_tb(error.__traceback__, limit=-_MOST_FRAMES):
        own = in_project(frame.filename, project)
        name = own if own is not None else "/".join(frame.filename.split("/")[-2:])
        source = masked(frame.line or "", os.environ) if own is not None else ""
        found.append(Frame(f"{name}:{frame.lineno}", frame.name, source, own is not None))
    return found
