"""A folder that an export writes to."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from millpond.config.ownership import whose
from millpond.errors import CommandError
from millpond.export.export_place import Present
from millpond.export.export_record import LOCK

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from millpond.export.export_record import FileRecord

_UNDER_WAY = ".millpond-export-"
"""How the names of files begin that are being written: what is left of one was killed, and is taken away."""


class ExportFolder:
    """A folder. Files in it have no headers: a server takes these from the manifest, or from files for hosters."""

    is_flat = False
    keeps_headers = False
    at_once = 1

    def __init__(self, folder: Path) -> None:
        """`folder`: absolute; it is made if it is missing."""
        self._folder, self.label = folder, str(folder)

    @contextlib.contextmanager
    def locked(self, *, force: bool) -> Iterator[None]:
        """A lock that ends with the process, however that ends; so `force` breaks none."""
        del force
        with self._told(LOCK):
            self._folder.mkdir(parents=True, exist_ok=True)
            file = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
        try:
            if not _lock(file) or not self._is_there(file):
                raise CommandError(f"another export is writing to {self.label}; wait until it is done.")
            try:
                yield
            finally:
                with contextlib.suppress(OSError):
                    (self._folder / LOCK).unlink()
        finally:
            os.close(file)

    def _is_there(self, file: int) -> bool:
        """Whether an open lock file is still the one in the folder: an export that is done has deleted its own."""
        try:
            return os.stat(self._folder / LOCK).st_ino == os.fstat(file).st_ino
        except FileNotFoundError:
            return False

    def read(self, name: str) -> bytes | None:
        """The content of a file; None if there is none."""
        with self._told(name):
            try:
                return self._path(name).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def present(self) -> dict[str, Present | None]:
        """All files, symbolic links as well: none of them is ever followed out of the folder."""
        found: dict[str, Present | None] = {}
        with self._told(""):
            for folder, folders, files in os.walk(self._folder):
                links = [name for name in folders if (Path(folder) / name).is_symlink()]
                for name in [*files, *links]:
                    path = Path(folder) / name
                    if name.startswith(_UNDER_WAY):
                        path.unlink(missing_ok=True)
                    elif path != self._folder / LOCK:
                        found[path.relative_to(self._folder).as_posix()] = None
        return found

    def present_of(self, name: str) -> Present | None:
        """A file as it is now; None if there is none. A link is nothing that an export has written."""
        path = self._path(name)
        with self._told(name):
            if path.is_symlink():
                return Present(-1, "a link")
            try:
                with path.open("rb") as file:
                    digest, size = sha256(), 0
                    while part := file.read(1024 * 1024):
                        digest.update(part)
                        size += len(part)
            except (FileNotFoundError, NotADirectoryError):
                return None
            except IsADirectoryError:
                return Present(-1, "a folder")
            return Present(size, digest.hexdigest())

    def is_written(self, present: Present, record: FileRecord) -> bool:
        """Whether the content is the same."""
        return present.tag == record.sha256

    def write(self, name: str, content: bytes, headers: dict[str, str]) -> str:
        """Write a file beside its place, and put it there in one step."""
        del headers
        path = self._path(name)
        beside = path.with_name(f"{_UNDER_WAY}{secrets.token_hex(8)}")
        with self._told(name):
            self._make_folder(path.parent)
            try:
                beside.write_bytes(content)
                os.replace(beside, path)
            finally:
                beside.unlink(missing_ok=True)
        return ""

    def delete(self, name: str) -> None:
        """Delete a file, and folders that this leaves empty."""
        path = self._path(name)
        with self._told(name):
            path.unlink(missing_ok=True)
            for parent in path.parents:
                if parent == self._folder:
                    break
                try:
                    parent.rmdir()
                except OSError:  # somebody's file is in it
                    break

    def _make_folder(self, folder: Path) -> None:
        """Raises CommandError: a link stands in the way, which may lead out."""
        for parent in reversed([folder, *folder.parents]):
            if self._folder in parent.parents and parent.is_symlink():
                raise CommandError(f"{parent} is a symbolic link; an export writes to none. Remove it.")
        folder.mkdir(parents=True, exist_ok=True)

    def _path(self, name: str) -> Path:
        pure = PurePosixPath(name)
        if pure.is_absolute() or ".." in pure.parts:  # a manifest that somebody else has written
            raise CommandError(f"the name {name!r} leads out of {self.label}.")
        return self._folder.joinpath(*pure.parts)

    @contextlib.contextmanager
    def _told(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            place = self._folder / name if name else self._folder
            owned = whose(self._folder) if isinstance(error, PermissionError) else ""
            raise CommandError(f"{place} can't be written: {error.strerror or error}.{owned}") from None


def _lock(file: int) -> bool:
    """Lock an open file; False if another process has."""
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
