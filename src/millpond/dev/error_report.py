"""An error as its page shows it: what, where, and the lines around it."""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from millpond.errors import MillpondError, Place
from millpond.prerender.failure import failure_message

if TYPE_CHECKING:
    from collections.abc import Iterator

AROUND = 4
"""Lines shown before and after the place."""

_PLACE = re.compile(r"(?P<file>[^\s:\"']+\.(?:py|toml)):(?P<line>\d+)")


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """What went wrong."""

    message: str
    place: Place | None = None
    lines: tuple[tuple[int, str], ...] = ()
    """Source lines with their numbers."""
    trace: str = ""
    """The user's frames; those of libraries are folded."""


def report_of(error: BaseException, project: Path) -> ErrorReport:
    """The problem that an exception is, for the author of `project`."""
    if isinstance(error, MillpondError):
        message, trace = str(error), ""
        place = _place_in(message, project)
    else:
        message = "".join(traceback.format_exception_only(error)).strip()
        trace = failure_message(error, project)
        place = next(_users_places(error, project), None)
    return ErrorReport(message, place, _lines(place, project), trace)


def _place_in(message: str, project: Path) -> Place | None:
    """Errors name their place in their text, relative to the project."""
    for found in _PLACE.finditer(message):
        if (project / found["file"]).is_file():
            return Place(found["file"], int(found["line"]))
    return None


def _users_places(error: BaseException, project: Path) -> Iterator[Place]:
    """Where in the project the exception came by, innermost first."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(project) and "site-packages" not in path.parts:
            yield Place(path.relative_to(project).as_posix(), frame.lineno)


def _lines(place: Place | None, project: Path) -> tuple[tuple[int, str], ...]:
    if place is None or place.line is None:
        return ()
    try:
        text = (project / place.file).read_text("utf-8", "replace")
    except OSError:  # gone meanwhile: the page does without
        return ()
    numbered = list(enumerate(text.splitlines(), 1))
    return tuple(numbered[max(0, place.line - 1 - AROUND) : place.line + AROUND])
