"""What all processes of a host have counted: each writes a file of its own, and whoever is asked adds them up.

A process claims the first file that no other has, and goes on from what is in there: so a worker that takes the place
of another continues its counts, and the sums never fall. Who is killed loses what it has counted since it wrote last,
about a second.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from typing import TYPE_CHECKING

import msgspec

from millpond.telemetry.counters import Series, Spread, added
from millpond.telemetry.instruments import BY_NAME, PROCESSES

try:
    import fcntl
except ImportError:  # there is none on Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from millpond.telemetry.counters import Counters, Value

log = logging.getLogger("millpond.telemetry")

MOST_FILES = 256
"""Processes of one host that count together; a further one counts for itself."""
WRITE_SECONDS = 1.0
_SHARE_OF_TIME = 0.005
"""How much of its time a process writes at most: with very many routes it writes less often."""
_MAX_BYTES = 16 * 1024 * 1024
_VERSION = 1


class _Spread(msgspec.Struct, array_like=True):
    total: float
    buckets: list[int]


class _Written(msgspec.Struct):
    """What a file holds."""

    version: int
    counted: list[tuple[str, list[str], float | _Spread]]
    gauges: list[tuple[str, list[str], float]]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Written)


class CounterFiles:
    """The files of one application on one host.

    Args:
        folder: holds them; it is made when it is needed.
        counters: of this process.
        each_second: called after each time that they are written.
    """

    def __init__(self, folder: Path, counters: Counters, each_second: Callable[[], None] = lambda: None) -> None:
        self._folder, self._counters, self._each_second = folder, counters, each_second
        self._number: int | None = None
        self._lock: int | None = None
        """The descriptor that keeps others from this process's file."""
        self._timer: asyncio.TimerHandle | None = None
        self._is_warned = False
        self._last = b""
        """What was written last."""

    def open(self) -> None:
        """Claim a file, and go on from what is in it. Where the folder can't be written, this process counts alone."""
        if self._lock is not None:
            return
        if fcntl is None:
            self._warn("this system has no flock: each process counts for itself")
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            claimed = self._claim()
        except OSError as error:
            self._warn(f"{self._folder} can't be written ({error.strerror}): each process counts for itself")
            return
        if claimed is None:
            self._warn(f"{MOST_FILES} processes count in {self._folder}: this one counts for itself")
            return
        self._number, self._lock = claimed
        self._counters.go_on()
        written = self._read(self._number)
        if written is not None:
            self._counters.include(_series_of(written), BY_NAME)
        self.write()  # now it counts as a process, too

    def keep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write each second, in that event loop."""
        if self._lock is not None and self._timer is None:
            self._timer = loop.call_later(WRITE_SECONDS, self._write_and_go_on, loop)

    def close(self) -> None:
        """Write for the last time, and leave the file to others."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lock is not None:
            counted = self._counters.counted()
            if self.write():
                self._counters.leave(counted)
            os.close(self._lock)
            self._lock = self._number = None

    def write(self) -> bool:
        """Write what this process has counted; returns whether the file has it."""
        if self._number is None:
            return False
        content = _encoder.encode(_written(self._counters.counted(), self._counters.gauges()))
        if content == self._last:
            return True
        path = self._path(self._number)
        try:
            path.with_suffix(".new").write_bytes(content)
            path.with_suffix(".new").replace(path)
        except OSError as error:
            self._warn(f"{path} can't be written ({error.strerror}): what was counted isn't seen by other processes")
            return False
        self._last = content
        return True

    def totals(self) -> dict[Series, Value]:
        """What all processes have counted, as of a second ago, and this one now; gauges of those that run.

        What is told is written before: otherwise the next answer, of another process, might have less of this one, and
        whoever reads it would take that for a restart.
        """
        self.write()
        counted: list[dict[Series, Value]] = [self._counters.counted()]
        gauges: list[dict[Series, Value]] = [{**self._counters.gauges()}]
        running = 1
        for number in self._others():
            written = self._read(number)
            if written is None:
                continue
            counted.append(dict(_series_of(written)))
            if self._is_claimed(number):
                running += 1
                gauges.append({Series(name, tuple(values)): value for name, values, value in written.gauges})
        return {**added(counted), **added(gauges), Series(PROCESSES.name, ()): running}

    def _claim(self) -> tuple[int, int] | None:
        for number in range(MOST_FILES):
            descriptor = os.open(self._lock_path(number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
            except OSError:
                os.close(descriptor)
                raise
            else:
                return number, descriptor
        return None

    def _is_claimed(self, number: int) -> bool:
        try:
            descriptor = os.open(self._lock_path(number), os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _others(self) -> Iterator[int]:
        with contextlib.suppress(FileNotFoundError):
            for path in sorted(self._folder.glob("*.counters")):
                if path.stem.isdecimal() and int(path.stem) != self._number:
                    yield int(path.stem)

    def _read(self, number: int) -> _Written | None:
        """What a file holds; None where there is none, or none that this version can read."""
        try:
            with self._path(number).open("rb") as file:
                written = _decoder.decode(file.read(_MAX_BYTES))
        except (OSError, msgspec.DecodeError):
            return None
        return written if written.version == _VERSION else None

    def _path(self, number: int) -> Path:
        return self._folder / f"{number}.counters"

    def _lock_path(self, number: int) -> Path:
        return self._folder / f"{number}.lock"

    def _write_and_go_on(self, loop: asyncio.AbstractEventLoop) -> None:
        began = time.perf_counter()
        self.write()
        self._each_second()
        took = time.perf_counter() - began
        self._timer = loop.call_later(max(WRITE_SECONDS, took / _SHARE_OF_TIME), self._write_and_go_on, loop)

    def _warn(self, message: str) -> None:
        if not self._is_warned:
            self._is_warned = True
            log.warning("%s", message)


def _written(counted: dict[Series, Value], gauges: dict[Series, float]) -> _Written:
    return _Written(
        _VERSION,
        [
            (name, list(values), _Spread(value.total, list(value.buckets)) if isinstance(value, Spread) else value)
            for (name, values), value in counted.items()
        ],
        [(name, list(values), value) for (name, values), value in gauges.items()],
    )


def _series_of(written: _Written) -> Iterator[tuple[Series, Value]]:
    for name, values, value in written.counted:
        if isinstance(value, _Spread):
            yield Series(name, tuple(values)), Spread(sum(value.buckets), value.total, tuple(value.buckets))
        else:
            yield Series(name, tuple(values)), value
