"""A `router.py` that no route hears."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from millpond.policy.segment import DISTINCTIVE_NAMES
from millpond.routes.exports import lines_of
from millpond.routes.options.option_values import OF_FOLDERS
from millpond.routes.scan import lonely_routers

if TYPE_CHECKING:
    from pathlib import Path


def lonely_hints(app_dir: Path, project: Path) -> list[str]:
    """A hint for each `router.py` that says something, and has no route below it."""
    return [
        f"{router.file}: no route is in this folder, or below it, so what it says reaches none; remove it, or add one."
        for router in lonely_routers(app_dir, project)
        if _says_something(router.path)
    ]


def _says_something(path: Path) -> bool:
    """Whether a `router.py` defines options; other frameworks' layouts have such a file, too, with routes in it."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return False
    return bool(lines_of(tree, {*OF_FOLDERS, *DISTINCTIVE_NAMES}))
