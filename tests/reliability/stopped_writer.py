"""A process that uses a store and stops itself in the midst of a write transaction, as often as it is told to.

Run as a program: `stopped_writer.py FOLDER`. For each line that it reads it stops once, and then says a line itself.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import lmdb

from millpond.errors import StoreError
from millpond.stores.lmdb.store import LmdbStore


class StoppedWriter:
    """That process; a context manager. It goes on when that is left.

    Args:
        store: the folder of the store.
    """

    def __init__(self, store: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(store)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.pid = self._process.pid
        self._stopped = False

    def __enter__(self) -> StoppedWriter:
        self._hear()
        return self

    def __exit__(self, *_: object) -> None:
        if self._stopped:
            os.kill(self.pid, signal.SIGCONT)
        self._process.communicate(timeout=30)

    def stop(self) -> None:
        """Returns when it is stopped: in a write transaction, unless it couldn't begin one."""
        assert self._process.stdin is not None
        self._process.stdin.write("stop\n")
        os.waitpid(self.pid, os.WUNTRACED)
        self._stopped = True

    def go_on(self) -> None:
        """Returns when it has ended the transaction."""
        os.kill(self.pid, signal.SIGCONT)
        self._stopped = False
        self._hear()

    def _hear(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline()


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def _stop(_: object = None) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


async def _obey(folder: Path) -> None:
    store = LmdbStore(folder, max_bytes=1 << 30, clock=time.time)
    await store.open()
    _say("ready")
    for _ in sys.stdin:
        store._follow()
        try:
            store._transactions.write(_stop)
        except (lmdb.Error, StoreError):
            _stop()
        _say("done")
    await store.close()


if __name__ == "__main__":
    asyncio.run(_obey(Path(sys.argv[1])))
