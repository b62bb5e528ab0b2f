"""The lines around a place in the project's source, in development."""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from millpond.render.failures.masking import masked

if TYPE_CHECKING:
    from pathlib import Path

    from millpond.errors import Place

_BEFORE, _AFTER = 1, 4
_LONGEST_FILE = 1024 * 1024
_LONGEST_LINE = 200


class SourceLine(NamedTuple):
    """One line."""

    number: int
    text: str
    is_here: bool


def source_around(place: Place | None, project: Path) -> list[SourceLine]:
    """A line and its neighbours; none where the place has no line, or is outside of the project."""
    if place is None or place.line is None:
        return []
    file = (project / place.file).resolve()
    try:
        if not file.is_relative_to(project.resolve()) or file.stat().st_size > _LONGEST_FILE:
            return []
        with file.open(encoding="utf-8", errors="replace") as lines:
            first = max(1, place.line - _BEFORE)
            found = list(islice(lines, first - 1, place.line + _AFTER))
    except OSError:  # it was deleted meanwhile
        return []
    return [
        SourceLine(number, masked(text.rstrip("\n")[:_LONGEST_LINE], os.environ), number == place.line)
        for number, text in enumerate(found, first)
    ]
