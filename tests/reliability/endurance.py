"""A long run against a small store: nothing may grow."""

from __future__ import annotations

import asyncio
import random
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

from served_pond import wire

from millpond.stores.lmdb.inspection import LmdbInspection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from served_pond import Served, Wire

MAX_BYTES = 2 * 1024 * 1024
CLIENTS = 8
_TAGS = 2000
_MEMORY_SLACK, _FILE_SLACK = 4 * 1024 * 1024, 1024 * 1024


@dataclass
class Sample:
    at: float
    entries: int
    stored_bytes: int
    file_bytes: int
    memory: list[int]
    """Bytes of each worker's own: what it shares with others, the mapped file above all, is left out."""


@dataclass
class Endurance:
    """Random reads, invalidations and parameters that nobody asked for before."""

    server: Served
    seconds: float
    pids: Sequence[int]
    max_bytes: int = MAX_BYTES
    requests: int = 0
    samples: list[Sample] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    async def run(self) -> None:
        ends = time.monotonic() + self.seconds
        await asyncio.gather(self._sample(ends), *(self._client(ends, seed) for seed in range(CLIENTS)))
        most = max(sample.stored_bytes for sample in self.samples)
        if most > self.max_bytes:
            self.wrong.append(f"the entries counted {most} bytes, and max_bytes is {self.max_bytes}")

    async def _client(self, ends: float, seed: int) -> None:
        chosen = random.Random(seed)
        while time.monotonic() < ends:
            async with wire(self.server) as client:
                for _ in range(500):
                    if time.monotonic() >= ends:
                        return
                    await self._ask(client, chosen)

    async def _ask(self, client: Wire, chosen: random.Random) -> None:
        chance = chosen.random()
        if chance < 0.4:
            answer = await client.ask("GET", f"/pages/{chosen.randrange(10**9)}")
        elif chance < 0.7:
            answer = await client.ask("GET", f"/pages/{chosen.randrange(100)}")
        elif chance < 0.9:
            answer = await client.ask("GET", f"/values/k{chosen.randrange(_TAGS)}")
        else:
            answer = await client.ask("POST", f"/values/k{chosen.randrange(_TAGS)}?version={self.requests}")
        self.requests += 1
        if answer.status != 200:
            self.wrong.append(f"{answer.status} {answer.body[:200]!r}")

    async def _sample(self, ends: float) -> None:
        every = self.seconds / 60
        while time.monotonic() < ends:
            await asyncio.sleep(every)
            with LmdbInspection(self.server.folder / ".millpond" / "cache") as inspection:
                stats = inspection.stats()
            memory = [own_memory(pid) for pid in self.pids]
            self.samples.append(Sample(time.monotonic(), stats.entries, stats.bytes, stats.file_bytes, memory))

    def judge_growth(self) -> None:
        """The last quarter against the second: by then caches of all kinds are as full as they get."""
        quarter = len(self.samples) // 4
        early, late = self.samples[quarter : 2 * quarter], self.samples[-quarter:]
        self._compare("the file", [s.file_bytes for s in early], [s.file_bytes for s in late], _FILE_SLACK)
        for n, pid in enumerate(self.pids):
            memory = [s.memory[n] for s in early], [s.memory[n] for s in late]
            self._compare(f"worker {pid}'s memory", *memory, _MEMORY_SLACK)

    def _compare(self, what: str, early: list[int], late: list[int], slack: int) -> None:
        if mean(late) > mean(early) * 1.1 + slack:
            self.wrong.append(f"{what} grew from {mean(early):,.0f} to {mean(late):,.0f} bytes")


def own_memory(pid: int) -> int:
    """Bytes of anonymous memory that a process has in use; Linux only."""
    found = re.search(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text("utf-8"))
    assert found is not None
    return int(found[1]) * 1024
