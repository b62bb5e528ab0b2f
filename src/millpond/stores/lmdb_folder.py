"""The folder of an embedded store: who has it open, and whether what it holds can be trusted."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from lmdb.verify import VerifyError, verify

from millpond.errors import StoreError

try:
    import fcntl
except ImportError:  # Windows has no flock: `Folder` says what to do
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger("millpond.stores")

DATA, LOCK, ASIDE = "data.mdb", "store.lock", "data.mdb.aside"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PATIENCE_SECONDS = 10.0
_OPEN, _CLOSED, _DAMAGED = "open", "closed", "damaged"


class Folder:
    """One process's claim on the folder of a store.

    `store.lock` is locked (flock) by every process that has the store open: shared, or exclusively while one is
    alone with it. Only who is alone may judge the file, move it aside, or forget leases. What the lock file says
    is how the store was left: a file that wasn't synced before the machine went down is not trusted, since the disk
    may have got some of its pages and not others. (Where the system doesn't tell one boot from another, it is.)

    Raises:
        StoreError: the folder can't be made or written, or another process keeps it to itself.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path / DATA
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.chmod(0o700)
            self._lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise unusable(path, error) from error
        if fcntl is None:
            self.leave()
            raise StoreError("the embedded store needs flock, which this system lacks; keep the cache in memory.")

    @classmethod
    def to_read(cls, path: Path) -> Folder:
        """A claim on a store that is there, by who only looks into it.

        Raises:
            StoreError: there is none, or it has to be mended first.
        """
        if not (path / DATA).exists():
            raise StoreError(f"there is no store in {path}; start the application once to make it.")
        folder = cls(path)
        reason = folder.distrust() if folder.is_last() else None
        if reason is not None:
            folder.leave()
            raise StoreError(f"{folder.data} can't be read: {reason}. Start the application to make it anew.")
        folder._locked(fcntl.LOCK_SH)
        return folder

    def claim(self) -> bool:
        """Lock the folder, and say whether this process is alone with it; `join` must follow then."""
        for _ in _tries():
            if self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
                return True
            self._locked(fcntl.LOCK_SH)
            if self._left() == [_OPEN, _boot()]:
                return False
            # Whoever holds it has not opened the store to write, but looks into it: it may still need mending.
            self._locked(fcntl.LOCK_UN)
        if self._left()[:1] == [_DAMAGED]:
            raise StoreError(f"the store in {self.path} is damaged, and in use; stop all that use it, and start again.")
        raise StoreError(f"{self.path} is kept by another process that only looks into it; end that one first.")

    def join(self) -> None:
        """Say that the store is in use, and let others in.

        Raises:
            StoreError: the folder can't be written.
        """
        try:
            self._leave_word(_OPEN, _boot())
        except OSError as error:
            raise unusable(self.path, error) from error
        self._locked(fcntl.LOCK_SH)

    def distrust(self) -> str | None:
        """Why the file that is there can't be used, or None. To be asked by who is alone."""
        if not self.data.exists() or self.data.stat().st_size == 0:
            return None
        left = self._left()
        if left == self._closed_now():
            return None
        if left[:1] == [_OPEN]:
            if left[1:] != [_boot()]:
                return "the machine went down before it was written to disk"
        elif left[:1] != [_CLOSED]:
            return "it was found to be damaged" if left else "it is not known how it came here"
        return _damage(self.path)

    def has_lost(self) -> bool:
        """Whether there was a store here whose file is gone: what it knew of invalidations is not known now."""
        return bool(self._left())

    def move_aside(self, reason: str) -> None:
        """Keep the file under another name, in place of any that was moved before.

        Raises:
            StoreError: the folder doesn't let it be moved.
        """
        try:
            self._leave_word(_DAMAGED)
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

    def mark_damaged(self) -> None:
        """Let the next process that is alone move the file aside."""
        if self._left()[:1] != [_DAMAGED]:
            self._leave_last_word(_DAMAGED)

    def close(self, *, synced: bool) -> None:
        """Let go; who is the last one may say that all has been written to disk."""
        if synced and self._left()[:1] == [_OPEN]:
            self._leave_last_word(*self._closed_now())
        self.leave()

    def is_last(self) -> bool:
        """Whether nobody else has the store open; nobody can come before `close`, then."""
        return self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB)

    def leave(self) -> None:
        """Give the lock back, with nothing said. A forked child lets go of its parent's so."""
        os.close(self._lock)

    def _locked(self, operation: int) -> bool:
        try:
            fcntl.flock(self._lock, operation)
        except BlockingIOError:
            return False
        return True

    def _left(self) -> list[str]:
        return os.pread(self._lock, 200, 0).decode(errors="replace").split()

    def _leave_word(self, *words: str) -> None:
        said = " ".join(words).encode()
        # Shorter words must not leave the end of longer ones: spaces are no words.
        os.pwrite(self._lock, said.ljust(200), 0)
        # Before any page of the store can reach the disk: else a power cut leaves new pages under an old word.
        os.fsync(self._lock)

    def _leave_last_word(self, *words: str) -> None:
        try:
            self._leave_word(*words)
        except OSError as error:
            log.warning("%s can't be written: %s", self.path / LOCK, error)

    def _closed_now(self) -> list[str]:
        about = self.data.stat()
        return [_CLOSED, str(about.st_size), str(about.st_mtime_ns)]


def unusable(path: Path, error: OSError) -> StoreError:
    """What to say of a folder that the system refuses."""
    return StoreError(
        f"the store can't be opened in {path}: {error.strerror or error}. Make that folder writable for the user who "
        "runs the application, or name another one."
    )


def _damage(path: Path) -> str | None:
    """What is wrong with the file's pages. The engine maps them unseen, and may crash on what isn't sound."""
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


def _tries() -> Iterator[None]:
    ends = time.monotonic() + _PATIENCE_SECONDS
    yield
    while time.monotonic() < ends:
        time.sleep(0.02)
        yield
