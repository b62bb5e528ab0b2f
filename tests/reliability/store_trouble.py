"""What happens to the embedded store of a running server, while a history is recorded."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from history import History
from served_pond import kill
from stopped_writer import StoppedWriter

from millpond.stores.lmdb.store import LmdbStore

if TYPE_CHECKING:
    from served_pond import Served

_FILES = ("data.mdb", "lock.mdb", "store.lock")
_LONGEST_STOP = 1.5


@dataclass
class Trouble:
    """One fault after the other: workers are stopped and killed, a writer stands still, and files are removed."""

    server: Served
    seed: int
    kills: bool = True
    done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self.store = self.server.folder / ".millpond" / "cache"

    async def run(self, most_seconds: float) -> None:
        """Until it is cancelled; whatever is stopped then goes on.

        Args:
            most_seconds: between two faults.
        """
        kinds = [self._stop_a_worker, self._stop_a_writer, self._remove_all, self._remove_one, self._restore]
        weights = [40, 25, 12, 8, 5]
        if self.kills:
            kinds.append(self._kill_a_worker)
            weights.append(10)
        with StoppedWriter(self.store) as self._writer:
            while True:
                await asyncio.sleep(self._random.uniform(0.05, most_seconds))
                kind = self._random.choices(kinds, weights)[0]
                await kind()
                self.done[kind.__name__.strip("_").replace("_", " ")] += 1

    async def _stop_a_worker(self) -> None:
        """Wherever it is, in a transaction or outside of one."""
        workers = workers_of(self.server)
        if workers:
            await self._stopped(self._random.choice(workers))

    async def _stop_a_writer(self) -> None:
        await asyncio.to_thread(self._writer.stop)
        try:
            await asyncio.sleep(self._random.uniform(0.01, _LONGEST_STOP))
        finally:
            self._writer.go_on()

    async def _stopped(self, pid: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(self._random.uniform(0.01, _LONGEST_STOP))
            finally:
                os.kill(pid, signal.SIGCONT)

    async def _kill_a_worker(self) -> None:
        workers = workers_of(self.server)
        if len(workers) > 1:
            kill(self._random.choice(workers))

    async def _remove_all(self) -> None:
        shutil.rmtree(self.store, ignore_errors=True)

    async def _remove_one(self) -> None:
        (self.store / self._random.choice(_FILES)).unlink(missing_ok=True)

    async def _restore(self) -> None:
        """A copy takes the place of what was there a moment ago."""
        backup = self.store.parent / "backup"
        # By another process: one that has closed LMDB's lock file has lost the locks that it has on it itself.
        copying = await asyncio.create_subprocess_exec(
            "cp", "-a", self.store, backup, stderr=asyncio.subprocess.DEVNULL
        )
        if await copying.wait():  # somebody is about to make it anew
            shutil.rmtree(backup, ignore_errors=True)
            return
        await asyncio.sleep(self._random.uniform(0, 1))
        with suppress(OSError):
            self.store.rename(self.store.parent / "former")
        with suppress(OSError):
            backup.rename(self.store)
        shutil.rmtree(self.store.parent / "former", ignore_errors=True)
        shutil.rmtree(backup, ignore_errors=True)


async def record_troubled_history(
    server: Served, operations: int, seed: int, *, most_seconds: float = 1.0, kills: bool = True
) -> tuple[History, Counter[str]]:
    """A history of so many operations over the workers of one host whose store is in trouble all the while."""
    store = LmdbStore(server.folder / ".millpond" / "cache", max_bytes=1 << 30, clock=time.time)
    await store.open()
    history = History([server], store, seed, troubled=True)
    trouble = Trouble(server, seed, kills=kills)
    causing = asyncio.create_task(trouble.run(most_seconds))
    try:
        await history.run(operations)
        if causing.done():
            causing.result()
    finally:
        causing.cancel()
        await asyncio.wait((causing,))
        await store.close()
    return history, trouble.done


def workers_of(server: Served) -> list[int]:
    """The processes that answer: the server's children, but for the one that `multiprocessing` has for itself."""
    found = []
    for task in Path(f"/proc/{server.process.pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            with suppress(OSError):
                if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.append(int(child))
    return sorted(found)
