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
except ImportError:  # Windows has no flock: `StoreFolder` says what to do
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.0002, 0.01
_STOPPED_SECONDS = 0.25
"""How long a stop of the holder may last before nobody waits for it."""
_WORDS = struct.Struct("=64I")
_TID = 0x3FFFFFFF
"""The bits of a futex that name its holder; the others say that somebody waits, or that the holder died."""


class LockTimeout(lmdb.Error):
    """Another process or thread has held the write lock for too long."""


class WriteLock:
    """Held around each write transaction, by one thread of one process at a time.

    LMDB's own lock can only be waited for, and whoever waits stands still as long as its holder does. So each
    process takes this one first, which can be tried for: a flock on the data file. The kernel gives it back when its
    holder dies. What isn't Millpond takes LMDB's lock only; that one is looked at as well, once it is known
    where it is.

    Args:
        data: the data file.
        lock: LMDB's lock file.
        readonly: nothing is going to be written.
    """

    def __init__(self, data: Path, lock: Path, *, readonly: bool) -> None:
        self._data = os.open(data, (os.O_RDONLY if readonly else os.O_RDWR) | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            # Kept open as long as LMDB's environment: closing it would end the locks that LMDB has on that file.
            self._lock = os.open(lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except BaseException:
            os.close(self._data)
            raise
        self._threads = threading.Lock()
        self._word: int | None = None
        self._candidates: set[int] = set()
        self._vain_at: int | None = None
        self.files = (_identity(self._data), _identity(self._lock))
        """Device and inode of both, which nobody else can have while they are open."""

    def take(self) -> bool:
        """Take it if it is free; never waits."""
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
        self._vain_at = None
        return True

    def give(self) -> None:
        fcntl.flock(self._data, fcntl.LOCK_UN)
        self._threads.release()

    @contextlib.contextmanager
    def held(self, seconds: float, last_transaction: Callable[[], int]) -> Iterator[None]:
        """Take it, and give it back; this thread waits meanwhile. See `tries`.

        Raises:
            LockTimeout: another has had it for too long.
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
        """Pauses between tries to take it, in seconds: for `seconds`, or as long as its holder isn't stopped.

        Who has waited in vain speaks for all: until there is another transaction, nobody else waits.

        Args:
            seconds: to wait at most.
            last_transaction: tells the number of the last one.

        Raises:
            LockTimeout: the time is over.
        """
        began, transaction = time.monotonic(), last_transaction()
        look_at, pause = began + _STOPPED_SECONDS, _PAUSE_SECONDS
        while self._vain_at != transaction and (now := time.monotonic()) < began + seconds:
            if now >= look_at:
                look_at = now + _STOPPED_SECONDS
                if _is_stopped(self._holder()):
                    break
            yield pause
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        self._vain_at = transaction
        raise LockTimeout(f"{self.describe_holder()} has been in a write transaction for too long")

    def note_held(self) -> None:
        """Look where in its file LMDB's lock may be; in a write transaction, by the thread that began it."""
        if self._word is None:
            thread = threading.get_native_id()
            self._candidates = {at for at, word in self._words() if word & _TID == thread}

    def note_free(self) -> None:
        """Find where it is; after that transaction.

        The number of the thread may by chance be that of a transaction, or how many readers there are: small numbers
        are usual in containers. Of those words none is 0 afterwards.
        """
        if self._word is None and self._candidates:
            freed = [at for at, word in self._words() if at in self._candidates and word == 0]
            # Behind it come the readers, which have the number of their process in them.
            self._word = min(freed, default=None)
            self._candidates = set()

    def _words(self) -> Iterator[tuple[int, int]]:
        """The first words of LMDB's lock file, with how far into it they are."""
        words = _WORDS.unpack(os.pread(self._lock, _WORDS.size, 0).ljust(_WORDS.size, b"\0"))
        return ((4 * at, word) for at, word in enumerate(words))

    def data_bytes(self) -> int:
        """How long the data file is, with what was allocated behind its end."""
        return os.fstat(self._data).st_size

    def disk_bytes(self) -> int:
        """What the file's disk has left for this user."""
        about = os.fstatvfs(self._data)
        return about.f_bavail * about.f_frsize

    def allocate(self, start: int, count: int) -> None:
        """Take disk for a part of the data file that holds nothing yet; does nothing where the system can't.

        Raises:
            OSError: there is none.
        """
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._data, start, count)

    def close(self) -> None:
        """Let go of the files; after LMDB has."""
        os.close(self._data)
        os.close(self._lock)

    def _holding_thread(self) -> int | None:
        """The thread that has LMDB's lock, of whatever process; None: nobody, or it can't be told."""
        if self._word is None:
            return None
        return int.from_bytes(os.pread(self._lock, 4, self._word), sys.byteorder) & _TID or None

    def _holder(self) -> int | None:
        """The process that has either lock, as far as the system tells."""
        thread = self._holding_thread()
        return _process_of(thread) if thread is not None else _flock_holder(self._data)

    def describe_holder(self) -> str:
        """Who has it, for a message."""
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
    """The process that a thread belongs to; None where the system doesn't tell."""
    try:
        status = Path(f"/proc/{thread}/status").read_text()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("Tgid:")), None)


def _is_stopped(process: int | None) -> bool:
    if process is None:
        return False
    try:
        said = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    # Behind the name, which may have any characters in it.
    return said.rpartition(")")[2].split()[0] in "Tt"


def _flock_holder(file: int) -> int | None:
    """Who has a file locked exclusively, from the kernel's list: `1: FLOCK ADVISORY WRITE 4711 08:02:131 0 EOF`."""
    inode = str(os.fstat(file).st_ino)
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return None
    held = (fields for line in lines if (fields := line.split())[1:4] == ["FLOCK", "ADVISORY", "WRITE"])
    return next((int(fields[4]) for fields in held if fields[5].rpartition(":")[2] == inode), None)
