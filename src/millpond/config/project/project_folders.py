"""Which folders of a project hold its own code, and which are tools'."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_FOREIGN = {"__pycache__", "node_modules", "site-packages", "venv"}


def is_foreign(folder: str) -> bool:
    """Whether a folder is a tool's: hidden ones are, but for `.well-known`, which may hold routes (RFC 8615).

    Args:
        folder: its name alone.
    """
    return folder in _FOREIGN or (folder.startswith(".") and folder != ".well-known")


def below(folder: Path) -> Callable[[str], str | None]:
    """A function that makes an absolute path relative to `folder`; None: the path is neither below it nor the folder.

    It compares strings: it is asked about each module of a process, of which there are thousands.
    """
    itself = os.path.normcase(os.path.abspath(folder))
    root = os.path.join(itself, "")

    def relative(path: str) -> str | None:
        normal = os.path.normcase(path)
        if normal.startswith(root):
            return path[len(root) :]
        return "" if normal == itself else None

    return relative
