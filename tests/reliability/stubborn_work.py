"""Work for workers that doesn't do what it is told."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from millpond.serve.processes.worker import Started, WorkerReport


def count(trace: Path) -> int:
    """How many processes have begun, this one included."""
    with trace.open("a") as file:
        file.write("x")
    return trace.stat().st_size


@dataclass(frozen=True)
class Deaf:
    """Serves, and hears neither SIGTERM nor SIGINT."""

    def __call__(self, sockets: Sequence[socket.socket], started: Callable[[], None]) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)

        async def serve() -> None:
            started()
            await asyncio.sleep(60)

        asyncio.run(serve())
        return 0


@dataclass(frozen=True)
class Never:
    """Can't even start."""

    trace: Path

    def __call__(self, sockets: Sequence[socket.socket], started: Callable[[], None]) -> int:
        count(self.trace)
        sys.exit(3)


@dataclass(frozen=True)
class Mortal:
    """The loop of the first process of all is ended by an exit, while a thread of it runs for long. The second process
    is killed while it starts. The third is well."""

    trace: Path

    def __call__(self, sockets: Sequence[socket.socket], started: Callable[[], None]) -> int:
        number = count(self.trace)
        if number == 2:
            signal.raise_signal(signal.SIGKILL)

        async def serve() -> None:
            started()
            if number == 1:
                asyncio.get_running_loop().run_in_executor(None, time.sleep, 60)
                asyncio.get_running_loop().call_later(0.1, sys.exit, 4)
            await asyncio.sleep(60)

        asyncio.new_event_loop().run_until_complete(serve())
        return 0


@dataclass(frozen=True)
class Stuck:
    """The first process of all serves, and then does nothing but one thing; a thread of it is well all the while."""

    trace: Path
    report: WorkerReport | None = None

    def __call__(self, sockets: Sequence[socket.socket], started: Started) -> int:
        first = count(self.trace) == 1

        async def serve() -> None:
            started(self.report)
            await asyncio.sleep(0.1)
            if first:
                time.sleep(60)  # noqa: ASYNC251 - that is what it is about
            await asyncio.sleep(60)

        asyncio.run(serve())
        return 0


@dataclass(frozen=True)
class Slow:
    """The first process of all is killed once it serves. The second hangs while it starts. The third is well."""

    trace: Path

    def __call__(self, sockets: Sequence[socket.socket], started: Callable[[], None]) -> int:
        number = count(self.trace)
        if number == 2:
            time.sleep(60)

        async def serve() -> None:
            started()
            if number == 1:
                asyncio.get_running_loop().call_later(1, signal.raise_signal, signal.SIGKILL)
            await asyncio.sleep(60)

        asyncio.run(serve())
        return 0


@dataclass(frozen=True)
class Limited:
    """The first `well` processes of all serve until they are told to end; those after them can't start."""

    trace: Path
    well: int

    def __call__(self, sockets: Sequence[socket.socket], started: Callable[[], None]) -> int:
        if count(self.trace) > self.well:
            return 3

        async def serve() -> None:
            ending = asyncio.Event()
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, ending.set)
            started()
            await ending.wait()

        asyncio.run(serve())
        return 0


@dataclass(frozen=True)
class Killed:
    """Is killed before it serves."""

    def __call__(self, sockets: Sequence[socket.socket], started: Callable[[], None]) -> int:
        signal.raise_signal(signal.SIGKILL)
        return 0
