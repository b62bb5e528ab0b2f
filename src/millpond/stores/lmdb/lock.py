"""The write lock of an embedded store, acquired with a timeout."""

from __future__ import annotations

import contextlib
import os
import struct
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import lmdb

try:
    import fcntl
except ImportError:  # Windows has no flock: `StoreFolder` raises an error that says what to do
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 0.0002, 0.01
_STOPPED_SECONDS = 0.25
"""Seconds between checks whether the holder is stopped (SIGSTOP): then waiting ends."""
_WORDS = struct.Struct("=64I")
_TID = 0x3FFFFFFF
"""The bits of a futex with its holder's thread id; the other bits mean that a thread waits, or that the holder died."""


class LockTimeout(lmdb.Error):
    """Another process or thread has held the write lock too long."""


class WriteLock:
    """Held around each write transaction, by one thread of one process at a time.

    LMDB's own lock can only be acquired by blocking, without a timeout. So each process first takes this lock, which
    can be acquired without blocking: a flock on the data file. The kernel releases it when its holder dies. Programs
    other than Millpond take only LMDB's lock, so that one is checked, too, once its position in the file is known.

    Args:
        data: the data file.
        lock: LMDB's lock file.
        readonly: nothing will be written.
    """

    def __init__(self, data: Path, lock: Path, *, readonly: bool) -> None:
        self._data = os.open(data, (os.O_RDONLY if readonly else os.O_RDWR) | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            # Kept open as long as LMDB's environment: closing it would release LMDB's own locks on that file.
            self._lock = os.open(lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except BaseException:
            os.close(self._data)
            raise
        self._threads = threading.Lock()
        self._word: int | None = None
        self._candidates: set[int] = set()
        self._timed_out_at: int | None = None
        self.files = (_identity(self._data), _identity(self._lock))
        """Device and inode of both files; no other file can have them while these are open."""

    def take(self) -> bool:
        """Acquire the lock if it is free; never blocks."""
        if not self._threads.acquire(blocking=False):
            return False
        try:
            fcntl.flock(self._data, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._threads.release()
            return False
        if self._holding_thread() is not None:
            self.give()
            return False
        self._timed_out_at = None
        return True

    def give(self) -> None:
        fcntl.flock(self._data, fcntl.LOCK_UN)
        self._threads.release()

    @contextlib.contextmanager
    def held(self, seconds: float, last_transaction: Callable[[], int]) -> Iterator[None]:
        """Acquire the lock, and release it on exit; blocks this thread. See `tries`.

        Raises:
            LockTimeout: another thread or process has held it too long.
        """
        if not self.take():
            for pause in self.tries(seconds, last_transaction):
                time.sleep(pause)
                if self.take():
                    break
        try:
            yield
        finally:
            self.give()

    def tries(self, seconds: float, last_transaction: Callable[[], int]) -> Iterator[float]:
        """Pauses between attempts to acquire the lock, in seconds: for `seconds`, or until its holder is stopped.

        After one timeout no other thread of this process waits until another transaction was committed.

        Args:
            seconds: the maximum time to wait.
            last_transaction: returns the number of the last transaction.

        Raises:
            LockTimeout: the time is up.
        """
        began, transaction = time.monotonic(), last_transaction()
        look_at, pause = began + _STOPPED_SECONDS, _PAUSE_SECONDS
        while self._timed_out_at != transaction and (now := time.monotonic()) < began + seconds:
            if now >= look_at:
                look_at = now + _STOPPED_SECONDS
                if _is_stopped(self._holder()):
                    break
            yield pause
            pause = min(2 * pause, _MAX_PAUSE_SECONDS)
        self._timed_out_at = transaction
        raise LockTimeout(f"{self.describe_holder()} has been in a write transaction for too long")

    def note_held(self) -> None:
        """Find where LMDB's lock may be in its lock file; in a write transaction, in the thread that began it."""
        if self._word is None:
            thread = threading.get_native_id()
            self._candidates = {at for at, word in self._words() if word & _TID == thread}

    def note_free(self) -> None:
        """Determine where the lock is; call it after that transaction.

        The thread id may equal the number of a transaction or of readers, as small numbers are usual in containers. But
        only the word of the lock is 0 afterwards.
        """
        if self._word is None and self._candidates:
            freed = [at for at, word in self._words() if at in self._candidates and word == 0]
            # The reader table follows it, and contains process ids.
            self._word = min(freed, default=None)
            self._candidates = set()

    def _words(self) -> Iterator[tuple[int, int]]:
        """The first words of LMDB's lock file, with their byte offsets."""
        words = _WORDS.unpack(os.pread(self._lock, _WORDS.size, 0).ljust(_WORDS.size, b"\0"))
        return ((4 * at, word) for at, word in enumerate(words))

    def data_bytes(self) -> int:
        """The length of the data file, including what was allocated after its end."""
        return os.fstat(self._data).st_size

    def disk_bytes(self) -> int:
        """The free bytes on the file's disk for this user."""
        about = os.fstatvfs(self._data)
        return about.f_bavail * about.f_frsize

    def allocate(self, start: int, count: int) -> None:
        """Allocate disk space for an unused part of the data file; does nothing if the system can't.

        Raises:
            OSError: there is no space.
        """
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._data, start, count)

    def close(self) -> None:
        """Close the files; call it after LMDB has closed its own."""
        os.close(self._data)
        os.close(self._lock)

    def _holding_thread(self) -> int | None:
        """The thread, of any process, that holds LMDB's lock; None: it is free, or its holder is unknown."""
        if self._word is None:
            return None
        return int.from_bytes(os.pread(self._lock, 4, self._word), sys.byteorder) & _TID or None

    def _holder(self) -> int | None:
        """The process that holds either lock; None if the system doesn't say."""
        thread = self._holding_thread()
        return _process_of(thread) if thread is not None else _flock_holder(self._data)

    def describe_holder(self) -> str:
        """The holder, for a message."""
        holder = self._holder()
        if holder is None:
            return "another process"
        if holder == os.getpid():
            return "another thread of this process"
        return f"process {holder}{', which is stopped (SIGSTOP),' if _is_stopped(holder) else ''}"


def _identity(file: int) -> tuple[int, int]:
    about = os.fstat(file)
    return about.st_dev, about.st_ino


def _process_of(thread: int) -> int | None:
    """The process that a thread belongs to; None if the system doesn't say."""
    try:
        status = Path(f"/proc/{thread}/status").read_text()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("Tgid:")), None)


def _is_stopped(process: int | None) -> bool:
    if process is None:
        return False
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    # The state follows the name, which may contain any characters.
    return status.rpartition(")")[2].split()[0] in "Tt"


def _flock_holder(file: int) -> int | None:
    """The process with an exclusive flock on a file, from the kernel's list of locks.

    One line of it: `1: FLOCK ADVISORY WRITE 4711 08:02:131 0 EOF`.
    """
    inode = str(os.fstat(file).st_ino)
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return None
    held = (fields for line in lines if (fields := line.split())[1:4] == ["FLOCK", "ADVISORY", "WRITE"])
    return next((int(fields[4]) for fields in held if fields[5].rpartition(":")[2] == inode), None)
