"""Which code on the stack the project's author wrote."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import fastapi
import starlette

from millpond.errors import Place

if TYPE_CHECKING:
    from types import FrameType

_FRAMEWORK = tuple(
    f"{folder}/"
    for folder in (Path(__file__).parents[1], *fastapi.__path__, *starlette.__path__, Path(os.__file__).parent)
)
_INSTALLED = ("/site-packages/", "/dist-packages/")


def user_place(frame: FrameType | None, project: Path, *, only_innermost: bool = False) -> Place | None:
    """The file and line of the innermost frame that runs the project's code; None when no frame does.

    Args:
        frame: where the search begins; it goes outwards from there.
        project: the project's folder.
        only_innermost: look at `frame` alone.
    """
    while frame is not None:
        file = in_project(frame.f_code.co_filename, project)
        if file is not None:
            return Place(file, frame.f_lineno)
        frame = None if only_innermost else frame.f_back
    return None


def in_project(file: str, project: Path) -> str | None:
    """The path within the project of a file that its author wrote; None for any other file.

    A virtual environment, or Python itself, may lie inside the project.
    """
    root = f"{str(project).rstrip('/')}/"
    return file[len(root) :] if file.startswith(root) and is_users_file(file) else None


def is_users_file(file: str) -> bool:
    """Whether a file is neither installed, nor part of Python, Millpond or FastAPI."""
    return not file.startswith(_FRAMEWORK) and not any(part in file for part in _INSTALLED)
