"""Who renders which page: positions in a list, each of which is claimed once."""

from __future__ import annotations

import math
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

try:
    import fcntl
except ImportError:  # Windows has no flock: builds have one process there, see `can_share`
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DIGITS = 8
"""Bytes of the number."""


def can_share() -> bool:
    """Whether this system has what several processes need to share a build."""
    return fcntl is not None


class NumberFile:
    """A number in a file, which processes change one after the other. If one is killed, the kernel frees its lock.

    Args:
        path: the file; it is created if missing, with the number 0.
    """

    _file = -1
    """Until it is open."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode=0o600)

    def __del__(self) -> None:
        if self._file >= 0:
            os.close(self._file)

    @property
    def value(self) -> int:
        """The number now."""
        return int.from_bytes(os.pread(self._file, _DIGITS, 0), "big")

    @value.setter
    def value(self, number: int) -> None:
        os.pwrite(self._file, number.to_bytes(_DIGITS, "big"), 0)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within the block no other process is in such a block."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    @property
    def is_held(self) -> bool:
        """Whether a process, which is alive, is in such a block; a thread of this one, too."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self._file, fcntl.LOCK_UN)
        return False


class Claims:
    """Hands out the positions of a list in their order.

    Args:
        count: how many there are.
    """

    def __init__(self, count: int) -> None:
        self._count, self._next = count, 0
        self._shared: NumberFile | None = None
        self._processes = 1

    def share(self, number: NumberFile, processes: int) -> None:
        """Go on by a number that other processes claim by, too.

        Args:
            number: the next position; it is set by whoever shares first, before others know it.
            processes: how many claim by it.
        """
        self._shared, self._processes = number, processes

    @property
    def next(self) -> int:
        """The position that is claimed next; the count when all are claimed."""
        return self._next if self._shared is None else self._shared.value

    def claim(self, place: int, places: int) -> int | None:
        """The next position, or None: there is none for this place.

        The last positions are left to all processes alike: one that renders eight pages at a time would have the others
        wait for it.

        Args:
            place: which of the renders that a process has at a time asks, from 0.
            places: how many it has at a time.
        """
        if self._shared is None:
            return self._claimed(place, places)
        with self._shared.held():
            self._next = self._shared.value
            position = self._claimed(place, places)
            self._shared.value = self._next
            return position

    def _claimed(self, place: int, places: int) -> int | None:
        position, left = self._next, self._count - self._next
        share = math.ceil(left / self._processes)
        if place >= min(places, share):
            return None
        self._next += 1
        return position
