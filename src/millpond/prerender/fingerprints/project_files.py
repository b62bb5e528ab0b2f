"""The files of a project besides its Python code that answers may be made of: templates, texts and data."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from millpond.config import FILE_NAME
from millpond.config.project.project_folders import below, is_foreign

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

MOST_FILES = 20_000
"""In a project with more, none is looked at; see `ProjectFiles.are_too_many`."""
_MOST_BYTES = 32 * 1024 * 1024
"""Of a larger file its size and time count, which may differ where its content doesn't."""
_CODE = {".py", ".pyc", ".pyi"}
_WRITTEN_BY_SERVERS = {".db", ".db3", ".lock", ".log", ".mdb", ".pid", ".sock", ".sqlite", ".sqlite3"}
_DATABASE_PARTS = ("-journal", "-shm", "-wal")
_FOLDERS_OF_SERVERS = {"cache", "instance", "log", "logs", "media", "run", "storage", "temp", "tmp", "uploads", "var"}
"""Folders that servers write into, by their usual names."""
_OTHER_FOLDERS = {"test", "tests"}
_CONFIGURATION = {FILE_NAME, "pyproject.toml"}
_ENVIRONMENT = "pyvenv.cfg"
"""The file that tells that a folder is a virtual environment."""


@dataclass
class ProjectFiles:
    """The files of one project, and what they hold now.

    Args:
        project: its folder.
        app_dir: the folder of its routes, relative to it, with slashes; "" if there is none.
    """

    project: Path
    app_dir: str
    _digests: dict[str, str] = field(default_factory=dict)

    @property
    def are_too_many(self) -> bool:
        """Whether there are more than can be looked at: then nothing is known to be unchanged."""
        return len(self._files) > MOST_FILES

    def relative(self, paths: Iterable[str]) -> set[str]:
        """Those of some absolute paths that belong to these files, relative to the project."""
        relative_path = below(self.project)
        found = {(relative_path(path) or "").replace(os.sep, "/") for path in paths}
        return found & self._known

    def mentioned(self, parts: Collection[str]) -> set[str]:
        """The files and folders that code may mean by these parts of paths.

        A file's name means the whole folder that it is in, as templates include each other; a suffix means all files
        with it.
        """
        return {each for part in self._by_part.keys() & set(parts) for each in self._by_part[part]}

    def files_in(self, names: Iterable[str]) -> set[str]:
        """All files that some files and folders stand for."""
        return {file for name in names for file in self._within(name)}

    def digest(self, name: str) -> str:
        """What a file holds, or all files of a folder or with a suffix; absolute, or relative to the project."""
        known = self._digests.get(name)
        if known is None:
            parts = [f"{file}\0{_digest(self.project / file)}" for file in self._within(name)]
            known = self._digests[name] = hashlib.sha256(
                "\0".join(parts).encode("utf-8", "surrogateescape")
            ).hexdigest()
        return known

    def _within(self, name: str) -> list[str]:
        if name.startswith("*"):
            return [file for file in self._files if file.endswith(name[1:])]
        if name in self._known or not (self.project / name).is_dir():
            return [name]
        return [file for file in self._files if file.startswith(f"{name.rstrip('/')}/")]

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self._files)

    @cached_property
    def _files(self) -> list[str]:
        return sorted(_listed(self.project))

    @cached_property
    def _by_part(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for file in self._files:
            folder, _, name = file.rpartition("/")
            found[name].add(file if folder in ("", self.app_dir) else folder)
            suffix = os.path.splitext(name)[1]
            if suffix:
                found[suffix].add(f"*{suffix}")
            while folder and folder != self.app_dir:
                found[folder.rpartition("/")[2]].add(folder)
                folder = folder.rpartition("/")[0]
        return found


def _listed(project: Path) -> Iterator[str]:
    """At most one more than `MOST_FILES`."""
    count = 0
    for folder, folders, names in os.walk(project):
        if _ENVIRONMENT in names:
            folders.clear()
            continue
        folders[:] = sorted(each for each in folders if not _is_left_out(each))
        relative = Path(folder).relative_to(project).as_posix()
        for name in names:
            if _counts(name):
                yield name if relative == "." else f"{relative}/{name}"
                count += 1
                if count > MOST_FILES:
                    return


def _is_left_out(folder: str) -> bool:
    return is_foreign(folder) or folder in _FOLDERS_OF_SERVERS or folder in _OTHER_FOLDERS


def _counts(name: str) -> bool:
    suffix = os.path.splitext(name)[1].lower()
    if name.startswith(".") or name in _CONFIGURATION or name.endswith(_DATABASE_PARTS):
        return False
    return suffix not in _CODE and suffix not in _WRITTEN_BY_SERVERS


def _digest(path: Path) -> str:
    try:
        found = path.stat()
        if found.st_size > _MOST_BYTES:
            return f"{found.st_size} {found.st_mtime_ns}"
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:  # gone, or not for this user: so it is at the next build, unless that changes
        return ""
