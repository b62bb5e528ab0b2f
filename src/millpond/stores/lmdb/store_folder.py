"""The folder of an embedded store: which processes have it open, and whether its data file can be trusted."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

from lmdb.verify import VerifyError, verify

from millpond.config.ownership import whose
from millpond.errors import StoreError

try:
    import fcntl
except ImportError:  # Windows has no flock: `StoreFolder` raises an error that says what to do
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger("millpond.stores")

DATA, ENGINE_LOCK, LOCK, ASIDE = "data.mdb", "lock.mdb", "store.lock", "data.mdb.aside"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PATIENCE_SECONDS = 10.0
_OPEN, _CLOSED, _DAMAGED = "open", "closed", "damaged"


class StoreFolder:
    """One process's claim on the folder of a store.

    `store.lock` is locked (flock) by every process that has the store open: shared, or exclusively by a process that
    is alone. Only such a process may check the file, move it aside, or drop leases. The lock file records the state in
    which the store was left: a file that wasn't synced before the machine went down is not trusted, since only some of
    its pages may have reached the disk. (On a system that can't tell boots apart, it is trusted.)

    The three files belong together: processes that share only some of them would overwrite each other's data. So the
    lock file records which the other two are, and the next process that opens an incomplete set abandons it.

    Args:
        path: the folder. It is created if missing, for this user only; an existing one keeps its owner and mode.

    Raises:
        StoreError: the folder can't be created or written, or one of the store's names in it isn't a regular file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data, self.engine_lock, self.lock = path / DATA, path / ENGINE_LOCK, path / LOCK
        self._above: int | None = None
        self._crowded = self._broken = False
        try:
            _make(path)
            self._lock = self._opened()
        except OSError as error:
            raise unusable(path, error) from error
        if fcntl is None:
            self.leave()
            raise StoreError("the embedded store needs flock, which this system lacks; keep the cache in memory.")

    @classmethod
    def to_read(cls, path: Path) -> StoreFolder:
        """A claim on an existing store by a process that only reads it.

        Raises:
            StoreError: there is none, or it has to be repaired first.
        """
        refuse_missing(path)
        folder = cls(path)
        reason = folder.distrust() if folder.is_last() else folder.broken()
        if reason is not None:
            folder.leave()
            raise StoreError(f"{folder.data} can't be read: {reason}. Start the application to recreate it.")
        folder._locked(fcntl.LOCK_SH)
        return folder

    @contextlib.contextmanager
    def opening(self, patience: float | None = None) -> Iterator[None]:
        """Within the block this process alone opens or creates the store, so that all processes use the same files.

        Args:
            patience: seconds to wait for another process in the block; None: as long as at a start.

        Raises:
            StoreError: it takes longer, or the folder can't be created.
        """
        for _ in _tries(patience):
            try:
                _make(self.path)
                folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError as error:
                raise unusable(self.path, error) from error
            try:
                if _flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB) and _is_at(folder, self.path):
                    yield
                    return
            finally:
                os.close(folder)
        raise StoreError.of("locked", f"{self.path} is being opened by a process that hangs; end that one first.")

    def claim(self, patience: float | None = None) -> bool:
        """Lock the folder, and return whether this process is alone with it; if so, it must call `join`."""
        for _ in _tries(patience):
            if not _is_at(self._lock, self.lock):
                self._lock_anew()
            if self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
                return True
            self._locked(fcntl.LOCK_SH)
            if self._left()[:2] == [_OPEN, _boot()]:
                if self.broken() is None:
                    return False
                self.break_up()
            # The holder has opened the store only to read it: it may still need a repair.
            self._locked(fcntl.LOCK_UN)
        if self._left()[:1] == [_DAMAGED]:
            raise StoreError(
                f"the store in {self.path} is damaged, and in use; stop all processes that use it, and start again."
            )
        raise StoreError.of("locked", f"{self.path} is locked by a process that only reads it; end that one first.")

    def break_up(self) -> None:
        """Abandon the set of files; processes that have them open notice, and switch to the new set (`is_in_place`)."""
        self.lock.unlink(missing_ok=True)
        self._broken = True

    def join(self) -> None:
        """Record that the store is in use, and let other processes open it.

        Raises:
            StoreError: the folder can't be written.
        """
        try:
            self._record(_OPEN, _boot(), *self._inodes())
        except OSError as error:
            raise unusable(self.path, error) from error
        self._locked(fcntl.LOCK_SH)

    def broken(self) -> str | None:
        """Why the folder's files aren't those that other processes have open, or None."""
        left = self._left()
        if left[:1] != [_OPEN] or left[2:] in ([], self._inodes()):
            return None
        return "its files were replaced while it was in use"

    def is_in_place(self, files: tuple[tuple[int, int], ...]) -> bool:
        """Whether the folder's files are still those that this process has open.

        Args:
            files: device and inode of the data file and of LMDB's lock file.
        """
        return (
            _identity_at(self.data) == files[0]
            and _identity_at(self.engine_lock) == files[1]
            and _identity_at(self.lock) == _identity(os.fstat(self._lock))
        )

    @property
    def may_have_former(self) -> bool:
        """Whether processes may have a former file of this folder open.

        Each process that has a store open holds a lock on the parent folder: nothing else survives the removal of the
        folder itself. True if this process may not read the parent folder.
        """
        return self._above is None or self._crowded

    def look_above(self) -> None:
        """Determine `may_have_former`, and lock the parent folder; call it once, while opening the store."""
        try:
            self._above = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return
        self._crowded = not _flock(self._above, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _flock(self._above, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def distrust(self) -> str | None:
        """Why the existing file can't be used, or None; call it while this process is alone."""
        if not _is_there(self.data) or self.data.stat().st_size == 0:
            return None
        left, now = self._left(), self._closed_now()
        if left == now:
            return None
        if left[:1] == [_OPEN]:
            if left[1:2] != [_boot()]:
                return "the machine went down before it was written to disk"
            if left[2:3] not in ([], self._inodes()[:1]):
                return "another file was put in its place"
        elif left[:1] != [_CLOSED]:
            return "it was found to be damaged" if left else "it is not known how it came here"
        elif len(left) == len(now):
            return "another file was put in its place, or it was changed by something else"
        return _damage(self.path)

    def has_lost(self) -> bool:
        """Whether the folder had a store whose file is gone: its invalidations are lost."""
        return self._broken or bool(self._left())

    def move_aside(self, reason: str) -> None:
        """Rename the file, replacing any that was moved aside before.

        Raises:
            StoreError: the file can't be moved.
        """
        try:
            self._record(_DAMAGED)
            self.unlink_engine_lock()
            os.replace(self.data, self.path / ASIDE)
        except OSError as error:
            raise unusable(self.path, error) from error
        log.warning(
            "%s can't be used: %s. It was moved to %s, and an empty store takes its place. What was invalidated "
            "before is unknown now: the build's answers count as stale.",
            self.data,
            reason,
            ASIDE,
        )

    def unlink_engine_lock(self) -> None:
        """Make LMDB create a new lock file: the content of a former one belongs to a former data file.

        A process that is alone by `store.lock` may share that file with others, if some of the files were removed.
        """
        self.engine_lock.unlink(missing_ok=True)

    def mark_damaged(self) -> None:
        """Record that the file is damaged: the next process that opens it alone moves it aside."""
        if self._left()[:1] != [_DAMAGED]:
            self._record_last(_DAMAGED)

    def close(self, *, synced: bool) -> None:
        """Release the folder; the last process may record that everything was synced to disk."""
        if synced and self._left()[:1] == [_OPEN]:
            self._record_last(*self._closed_now())
        self.leave()

    def is_last(self) -> bool:
        """Whether no other process has the store open; if so, none can open it before `close`."""
        return self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB)

    def leave(self) -> None:
        """Release the lock without recording a state; a forked child does this with its parent's."""
        os.close(self._lock)
        if self._above is not None:
            os.close(self._above)

    def _opened(self) -> int:
        """Open the lock file. Each of the store's names must be a regular file: a link could lead to any other file."""
        for name in (DATA, ENGINE_LOCK, LOCK):
            self._refuse_all_but_files(self.path / name)
        return os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def _refuse_all_but_files(self, path: Path) -> None:
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISREG(mode):
            raise StoreError(f"{path} is {_kind(mode)}, but must be a regular file; remove it.")

    def _lock_anew(self) -> None:
        """Create a lock file after the former was removed; processes that have that one open notice, and switch."""
        try:
            fresh = self._opened()
        except OSError as error:
            raise unusable(self.path, error) from error
        os.close(self._lock)
        self._lock = fresh

    def _locked(self, operation: int) -> bool:
        return _flock(self._lock, operation)

    def _left(self) -> list[str]:
        return os.pread(self._lock, 200, 0).decode(errors="replace").split()

    def _record(self, *words: str) -> None:
        state = " ".join(words).encode()
        # Padded with spaces, so that nothing of a longer former state remains.
        os.pwrite(self._lock, state.ljust(200), 0)
        # Before any page of the store reaches the disk: otherwise a power failure could leave new pages, old state.
        os.fsync(self._lock)

    def _record_last(self, *words: str) -> None:
        try:
            self._record(*words)
        except OSError as error:
            log.warning("%s can't be written: %s", self.lock, error)

    def _closed_now(self) -> list[str]:
        about = self.data.stat()
        # A copy has the size and mtime of the original, and maybe even its inode number, but not its ctime.
        return [_CLOSED, *map(str, (about.st_size, about.st_mtime_ns, about.st_ino, about.st_ctime_ns))]

    def _inodes(self) -> list[str]:
        """The inodes of the data file and of LMDB's lock file."""
        return [str(_identity_at(path)[1]) for path in (self.data, self.engine_lock)]


def refuse_missing(path: Path) -> None:
    """Raises StoreError: the folder has no store."""
    if not _is_there(path / DATA):
        raise StoreError.of("missing", f"there is no store in {path}; start the application once to make it.")


def unusable(path: Path, error: OSError) -> StoreError:
    """The error for a folder that can't be used."""
    is_refused = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
    about = whose(path, (DATA, ENGINE_LOCK, LOCK)) if is_refused else ""
    message = (
        f"the store can't be opened in {path}: {error.strerror or error}. Make that folder writable for the user that "
        f"runs the application, or configure another one.{about}"
    )
    return StoreError.of("read-only", message) if is_refused else StoreError(message)


def _make(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True)
    except FileExistsError:  # it may belong to another user but be writable, as mounted volumes are
        if not path.is_dir():
            raise


def _is_there(path: Path) -> bool:
    """Whether `path` exists.

    Raises:
        StoreError: this process may not access it.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise unusable(path.parent, error) from error
    return True


def _flock(file: int, operation: int) -> bool:
    try:
        fcntl.flock(file, operation)
    except BlockingIOError:
        return False
    return True


def _identity(about: os.stat_result) -> tuple[int, int]:
    return about.st_dev, about.st_ino


def _identity_at(path: Path) -> tuple[int, int]:
    """Device and inode of what is at `path`; (0, 0) if nothing is."""
    try:
        return _identity(os.stat(path, follow_symlinks=False))
    except OSError:
        return (0, 0)


def _is_at(file: int, path: Path) -> bool:
    """Whether an open file is still the one at `path`, following links."""
    try:
        return _identity(os.fstat(file)) == _identity(path.stat())
    except OSError:
        return False


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    return "a folder" if stat.S_ISDIR(mode) else "a special file"


def _damage(path: Path) -> str | None:
    """What is wrong with the file's pages, or None. LMDB maps them unchecked, and may crash on damaged ones."""
    try:
        found: list[str] = verify(str(path))  # type: ignore[no-untyped-call]
    except (VerifyError, OSError) as error:
        return str(error)
    return found[0] if found else None


def _boot() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return "unknown"


def _tries(seconds: float | None) -> Iterator[None]:
    ends = time.monotonic() + (_PATIENCE_SECONDS if seconds is None else seconds)
    yield
    while time.monotonic() < ends:
        time.sleep(0.02)
        yield
