"""Keeps a minute's figures: one process of the host does, whichever has the lock."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from millpond.telemetry.instruments import INSTRUMENTS, Kind
from millpond.telemetry.minutes import MINUTE, Minutes, grown

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from millpond.telemetry.counters import Series, Value

try:
    import fcntl
except ImportError:  # there is none on Windows
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger("millpond.telemetry")

_GAUGES = frozenset(instrument.name for instrument in INSTRUMENTS if instrument.kind is Kind.GAUGE)


class MinuteKeeper:
    """Adds a minute to the file whenever one has ended, while this process has the lock.

    Args:
        folder: holds the files.
        totals: what all processes have counted.
        clock: seconds since the epoch.
    """

    def __init__(self, folder: Path, totals: Callable[[], dict[Series, Value]], clock: Callable[[], float]) -> None:
        self._folder, self._totals, self._clock = folder, totals, clock
        self._minutes = Minutes(folder)
        self._lock: int | None = None
        self._former: dict[Series, Value] | None = None
        self._ends = 0.0

    def tick(self) -> None:
        """Called each second or so: adds a minute, if one has ended."""
        now = self._clock()
        if now < self._ends:
            return
        if self._lock is None and not self._is_taken_over():
            self._ends = now + MINUTE / 4  # the process that has the lock may have ended by then
            return
        totals = self._totals()
        if self._former is not None:
            try:
                self._minutes.add(grown(self._former, totals, now, _GAUGES))
            except OSError as error:
                log.warning("the figures of this minute can't be written to %s (%s)", self._folder, error.strerror)
        self._former, self._ends = totals, (now // MINUTE + 1) * MINUTE

    def end(self) -> None:
        """Leave it to another process."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = self._former = None

    def _is_taken_over(self) -> bool:
        if fcntl is None:
            return False
        try:
            descriptor = os.open(self._folder / "minutes.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True
