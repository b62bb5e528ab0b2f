"""The folder `public/`: its files by their URLs, listed once or looked up each time."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from millpond.routes.path import canonical, split
from millpond.routes.public.public_file import EXTENSIONS, PublicFile, is_servable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from millpond.policy.entry import Coding


class PublicFiles(Protocol):
    """Finds a file by its URL."""

    def get(self, path: str, /) -> PublicFile | None:
        """The file of a canonical path below the application; None if there is none."""


class PublicListing(NamedTuple):
    """All files of the folder."""

    folder: str
    """Relative to the project, with slashes; "" where none is configured."""
    files: Mapping[str, PublicFile]
    """By their canonical paths."""
    notes: list[str]
    """What was left out, and why."""

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(each.size for each in self.files.values())

    def facts(self) -> dict[str, str | int] | None:
        """For JSON: the folder, and how much is in it; None if there is nothing."""
        return {"folder": self.folder, "files": len(self.files), "bytes": self.bytes} if self.files else None


class _Found(NamedTuple):
    names: tuple[str, ...]
    path: Path
    size: int


class PublicFolder:
    """A folder whose files are served as they are.

    A symbolic link may lead to a file or a folder inside of it. One that leads out is left out: it would publish what
    nobody has put there.

    Args:
        folder: which need not exist.
        project: the project's folder.
    """

    def __init__(self, folder: Path, project: Path) -> None:
        self.folder, self._project = folder, project
        self._shown = folder.relative_to(project).as_posix()

    def listed(self) -> PublicListing:
        """The files that are there now."""
        notes: list[str] = []
        found = {each.names: each for each in self._walk(str(self.folder), (), frozenset(), notes)}
        files = {}
        for names, each in found.items():
            sizes = {
                coding: found[*names[:-1], names[-1] + extension].size
                for coding, extension in EXTENSIONS.items()
                if (*names[:-1], names[-1] + extension) in found
            }
            files[canonical(names)] = self._file(each, sizes)
        return PublicListing(self._shown, files, notes)

    def get(self, path: str, /) -> PublicFile | None:
        """The file of a canonical path, as it is now; None if there is none."""
        names = tuple(split(path.encode("ascii")))
        found = self._look(names)
        if found is None:
            return None
        sizes: dict[Coding, int] = {}
        for coding, extension in EXTENSIONS.items():
            beside = self._look((*names[:-1], names[-1] + extension))
            if beside is not None:
                sizes[coding] = beside.size
        return self._file(found, sizes)

    def holds(self, path: Path) -> bool:
        """Whether a file really lies in this folder, symbolic links followed."""
        return _is_inside(os.path.realpath(path), os.path.realpath(self.folder))

    def _file(self, found: _Found, sizes: Mapping[Coding, int]) -> PublicFile:
        smaller = sorted((size, coding) for coding, size in sizes.items() if size < found.size)
        file = "/".join((self._shown, *found.names))
        return PublicFile(found.path, file, found.size, tuple(coding for _, coding in smaller))

    def _look(self, names: tuple[str, ...]) -> _Found | None:
        if not is_servable(names):
            return None
        path = self.folder.joinpath(*names)
        try:
            told = path.stat()
        except (OSError, ValueError):  # not there, or a name that no file can have
            return None
        is_file = stat.S_ISREG(told.st_mode) and self.holds(path)
        return _Found(names, path, told.st_size) if is_file else None

    def _walk(self, folder: str, names: tuple[str, ...], above: frozenset[str], notes: list[str]) -> Iterator[_Found]:
        """The files below `folder`, which has `names` below the whole one, and really lies in those `above`."""
        real, root = os.path.realpath(folder), os.path.realpath(self.folder)
        if real in above:  # a symbolic link to a folder that it lies in
            return
        try:
            with os.scandir(folder) as listing:
                children = sorted(listing, key=lambda child: child.name)
        except FileNotFoundError:
            return
        except OSError as error:
            notes.append(f"{self._named(names)} can't be read, so it isn't served: {error.strerror}")
            return
        for child in children:
            inside = (*names, child.name)
            try:
                yield from self._child(child, inside, root, above | {real}, notes)
            except OSError as error:  # removed meanwhile, or a link whose end can't be looked at
                notes.append(f"{self._named(inside)} can't be read, so it isn't served: {error.strerror}")

    def _child(
        self, child: os.DirEntry[str], names: tuple[str, ...], root: str, above: frozenset[str], notes: list[str]
    ) -> Iterator[_Found]:
        if child.is_symlink() and not _is_inside(f"{os.path.realpath(child.path)}{os.sep}", root):
            notes.append(f"{self._named(names)} leads out of {self._shown}/, so it isn't served")
        elif child.is_dir():
            if is_servable((*names, "file")):
                yield from self._walk(child.path, names, above, notes)
        elif child.is_file() and is_servable(names):
            if _is_text("/".join(names)):
                yield _Found(names, Path(child.path), child.stat().st_size)
            else:
                notes.append(f"{self._named(names)} has a name that isn't UTF-8, so no URL has it")

    def _named(self, names: tuple[str, ...]) -> str:
        return "/".join((self._shown, *names)).encode("utf-8", "backslashreplace").decode()


def _is_inside(path: str, folder: str) -> bool:
    """Whether a path is below a folder; with a separator at its end, it may be the folder."""
    return path.startswith(folder.rstrip(os.sep) + os.sep)


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
