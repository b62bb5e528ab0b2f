"""The files of a project whose change causes a reload."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from millpond.config.project.project_folders import is_foreign
from millpond.routes.metadata_file import metadata_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIGURATION = ("millpond.toml", "pyproject.toml")

Digests = dict[str, bytes]
"""The digest of each file, by its path relative to the project."""


def is_watched(relative: str) -> bool:
    """Whether a change of a file causes a reload: Python, configuration, `.env`, or a metadata file such as
    app/icon.png.

    It doesn't know where the routes are: that, only the module says that makes the application.

    `relative`: the file's path relative to the project. Files in folders such as node_modules aren't watched.
    """
    *folders, name = relative.split(os.sep)
    if any(is_foreign(folder) for folder in folders):
        return False
    if folders and metadata_file(name, at_root=True) is not None:  # main.py may call the routes' folder as it likes
        return True
    return name.endswith((".py", ".env")) or name.startswith(".env.") or name in CONFIGURATION


def digests_of(project: Path) -> Digests:
    """The digests of the files now. A file that is written again with the same content causes no reload."""
    found = {}
    for path in _walk(str(project)):
        try:
            if not os.path.isfile(path):  # a pipe, from which a password manager answers, is read by its reader alone
                continue
            with open(path, "rb") as file:
                found[os.path.relpath(path, project)] = hashlib.file_digest(file, "sha256").digest()
        except OSError:  # gone, or unreadable: its import will say so
            continue
    return found


def changed(before: Digests, after: Digests) -> list[str]:
    """The files that differ, were added or were removed, in order."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def _walk(project: str) -> Iterator[str]:
    for folder, folders, names in os.walk(project):
        folders[:] = [name for name in folders if not is_foreign(name)]
        for name in names:
            path = os.path.join(folder, name)
            if is_watched(os.path.relpath(path, project)):
                yield path
