"""Work for workers that doesn't do what it is told."""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Deaf:
    """Serves, and doesn't hear SIGTERM."""

    def __call__(self, sockets: Sequence[socket.socket], started: Callable[[], None]) -> int:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        started()
        time.sleep(60)
        return 0


@dataclass(frozen=True)
class Once:
    """The first process of all serves, and dies; the others can't even start."""

    trace: Path

    def __call__(self, sockets: Sequence[socket.socket], started: Callable[[], None]) -> int:
        with self.trace.open("a") as file:
            file.write("x")
        if self.trace.stat().st_size == 1:
            started()
            time.sleep(1)
        sys.exit(3)
