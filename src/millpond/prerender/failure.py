"""Failures of a build, as messages for whoever wrote the handler."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from millpond.errors import MillpondError, Place
from millpond.messages import at, counted
from millpond.render.user_code import in_project
from millpond.routes.imports import unset_variable

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Failure:
    """One path, or the listing of a route's parameters, that can't be rendered."""

    file: str
    path: str | None
    """Readable; None when the failure isn't about one path."""
    params: dict[str, str | int | float | list[str]]
    message: str
    """What happened, with the user's part of the traceback."""

    def __str__(self) -> str:
        params = ", ".join(f"{name} = {value!r}" for name, value in self.params.items())
        head = self.file if self.path is None else f"{self.path}  ({self.file}{f'; {params}' if params else ''})"
        return f"{head}\n{self.message}"


def failure_message(error: BaseException, project: Path) -> str:
    """The error as its user needs it: Millpond's own say it all, others come with their frames, ours folded."""
    if isinstance(error, MillpondError):
        return f"  {error}"
    frames = list(_folded(traceback.extract_tb(error.__traceback__), project))
    summary = "".join(traceback.format_exception_only(error)).rstrip()
    return "\n".join([*frames, *(f"  {line}" for line in summary.splitlines())])


def unset_message(error: BaseException, project: Path, reader: str, remedy: str) -> str | None:
    """For a variable of the environment that isn't set: elsewhere it is read at each request, and here at build.

    Args:
        error: what was raised; None is returned when it is about something else.
        project: whose line is named.
        reader: who reads the variable, such as "a static route".
        remedy: what to do instead of setting it.
    """
    variable = unset_variable(error)
    if variable is None:
        return None
    place = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = in_project(frame.f_code.co_filename, project)
        place = place if file is None else Place(file, line)
    return (
        f"{at(place)}{variable} is read at build time by {reader}, and isn't set; "
        f"set it for `millpond build`, or {remedy}."
    )


def _folded(frames: traceback.StackSummary, project: Path) -> Iterator[str]:
    folded = 0
    for frame in frames:
        path = Path(frame.filename)
        if not path.is_relative_to(project) or "site-packages" in path.parts:
            folded += 1
            continue
        if folded:
            yield f"  … {counted(folded, 'frame')} of Millpond, FastAPI and libraries"
            folded = 0
        yield f"  {path.relative_to(project)}:{frame.lineno} in {frame.name}"
        if frame.line:
            yield f"      {frame.line}"
    if folded:
        yield f"  … {counted(folded, 'frame')} of libraries"
