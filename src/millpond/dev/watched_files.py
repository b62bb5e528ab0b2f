"""The files of a project whose change asks for a reload."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from millpond.routes.metadata_file import metadata_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_APP = "app"
CONFIGURATION = ("millpond.toml", "pyproject.toml")

_FOREIGN = {"__pycache__", "node_modules", "site-packages", "venv"}

Contents = dict[str, bytes]
"""The digest of each file, by its path relative to the project."""


def counts(relative: str) -> bool:
    """Whether a file, relative to the project, is one: Python, configuration, or a metadata file such as app/icon.png.

    None is below a foreign folder.
    """
    *folders, name = relative.split(os.sep)
    if any(_foreign(folder) for folder in folders):
        return False
    if folders[:1] == [_APP] and metadata_file(name, at_root=True) is not None:
        return True
    return name.endswith(".py") or (not folders and name in CONFIGURATION)


def contents(project: Path) -> Contents:
    """What the files hold now. A file that is written again with the same text hasn't changed: no reload loops."""
    found = {}
    for path in _walk(str(project)):
        try:
            with open(path, "rb") as file:
                found[os.path.relpath(path, project)] = hashlib.file_digest(file, "sha256").digest()
        except OSError:  # gone, or unreadable: whoever imports it will say so
            continue
    return found


def changed(before: Contents, after: Contents) -> list[str]:
    """The files that differ, in order; those that came or went, too."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def _walk(project: str) -> Iterator[str]:
    for folder, folders, names in os.walk(project):
        folders[:] = [name for name in folders if not _foreign(name)]
        for name in names:
            path = os.path.join(folder, name)
            if counts(os.path.relpath(path, project)):
                yield path


def _foreign(folder: str) -> bool:
    """`.well-known` may hold routes (RFC 8615); other hidden folders are tools' own."""
    return folder in _FOREIGN or (folder.startswith(".") and folder != ".well-known")
