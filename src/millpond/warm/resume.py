"""Which paths a warming has asked for, in a file, so that one that was interrupted goes on where it was."""

from __future__ import annotations

import contextlib
import os
import time
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Self, TextIO

LASTS = 3600.0
"""Seconds for which an interrupted warming may be gone on with: later, what it has asked for may be cold again."""
_FOLDER = "warm"


class Resume:
    """What was done of one warming; a context manager.

    Args:
        folder: the project's folder for what Millpond writes; nothing is kept where it isn't there or not writable.
        what: tells this warming from others: what is asked, and the paths.
        clock: seconds since the epoch.
    """

    def __init__(self, folder: Path, what: Sequence[str], clock: Callable[[], float] = time.time) -> None:
        digest = blake2b("\0".join(what).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
        self._folder, self._path, self._clock = folder, folder / _FOLDER / digest, clock
        self._file: TextIO | None = None
        self.done: frozenset[str] = frozenset()
        """The paths that an interrupted warming has asked for."""

    def __enter__(self) -> Self:
        try:
            if self._clock() - self._path.stat().st_mtime < LASTS:
                self.done = frozenset(self._path.read_text("ascii").split("\n"))
            else:
                self._path.unlink()
        except (OSError, UnicodeDecodeError):
            self.done = frozenset()
        if self._folder.is_dir():
            with contextlib.suppress(OSError):
                self._path.parent.mkdir(mode=0o700, exist_ok=True)
                descriptor = os.open(
                    self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600
                )
                self._file = open(descriptor, "a", encoding="ascii", buffering=1)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def is_kept(self) -> bool:
        """Whether what is done is written down."""
        return self._file is not None

    def note(self, path: str) -> None:
        """A path was asked for."""
        if self._file is not None:
            try:
                self._file.write(f"{path}\n")
            except OSError:  # the disk is full: then this warming can't be gone on with
                self.__exit__()

    def forget(self) -> None:
        """All is done: the next warming begins anew."""
        self.__exit__()
        with contextlib.suppress(OSError):
            self._path.unlink()
