"""Who renders which page: positions in a list, each of which is claimed once."""

from __future__ import annotations

import math
from typing import Protocol

from millpond.errors import BuildError

_SECONDS_TO_CLAIM = 10.0


class Lock(Protocol):
    """A lock of several processes."""

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool: ...

    def release(self) -> None: ...


class SharedNumber(Protocol):
    """A number in memory that several processes share, as `multiprocessing.Value` makes it."""

    value: int

    def get_lock(self) -> Lock: ...


class Claims:
    """Hands out the positions of a list in their order.

    Args:
        count: how many there are.
    """

    def __init__(self, count: int) -> None:
        self._count, self._next = count, 0
        self._shared: SharedNumber | None = None
        self._processes = 1

    def share(self, number: SharedNumber, processes: int) -> None:
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

        Raises:
            BuildError: a process was ended while it claimed one.
        """
        if self._shared is None:
            return self._claimed(place, places)
        lock = self._shared.get_lock()
        if not lock.acquire(timeout=_SECONDS_TO_CLAIM):
            raise BuildError("a process of the build was ended while it took a page; nothing was written.")
        try:
            self._next = self._shared.value
            position = self._claimed(place, places)
            self._shared.value = self._next
            return position
        finally:
            lock.release()

    def _claimed(self, place: int, places: int) -> int | None:
        position, left = self._next, self._count - self._next
        share = math.ceil(left / self._processes)
        if place >= min(places, share):
            return None
        self._next += 1
        return position
