"""Processes that use one store and are killed at any moment; what the others may expect all the same.

Run as a program, since it forks, and a test's process has threads: `killed_ponds.py FOLDER ROUNDS SEED`. It prints its
findings as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import select
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2

from millpond import Millpond
from millpond.stores.lmdb.inspection import LmdbInspection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEYS = 6
LEASE_SECONDS = 0.5
_LONGEST_LIFE = 0.12
"""Seconds in which a process gets from its start through several leases, renders and commits."""
_SLACK = 1.0
"""Seconds that a machine under load may take beyond the lease."""


def work(app_dir: Path, own: list[int], say: Callable[[str, int, int, float], None]) -> None:
    """Invalidate and read for ever: the own keys in turn, and all others in between."""

    async def live() -> None:
        pond = Millpond(app_dir)
        pond.isolated = False  # as a server's process
        async with (
            pond.lifespan(),
            httpx2.AsyncClient(transport=httpx2.ASGITransport(app=pond), base_url="http://pond") as client,
        ):
            say("ready", 0, 0, 0.0)
            while True:
                for key in own:
                    version = int(_truth(app_dir, key)) + 1
                    began = time.monotonic()
                    answer = await client.post(f"/values/k{key}?version={version}")
                    if answer.status_code == 200:
                        say("invalidated", key, version, began)
                    for other in range(KEYS):
                        began = time.monotonic()
                        answer = await client.get(f"/values/k{other}")
                        # A worker that lost its lease to a kill may answer 500 to nobody: anything else is a finding.
                        seen = answer.json()["version"] if answer.status_code == 200 else -answer.status_code
                        stored = "stored" in answer.headers.get("cache-status", "")
                        say("stored" if stored else "read", other, seen, began)

    asyncio.run(live())


def _truth(app_dir: Path, key: int) -> str:
    path = app_dir.parent / "truth" / f"k{key}"
    return path.read_text() if path.exists() else "0"


@dataclass
class Process:
    """A forked process, and what it has said so far."""

    pid: int
    pipe: int
    said: bytes = b""

    @classmethod
    def fork(cls, app_dir: Path, own: list[int]) -> Process:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid:
            os.close(writing)
            return cls(pid, reading)
        os.close(reading)

        def say(word: str, key: int, version: int, began: float) -> None:
            os.write(writing, f"{word} {key} {version} {began} {time.monotonic()}\n".encode())

        try:
            work(app_dir, own, say)
        finally:
            os._exit(1)

    def read(self, seconds: float) -> None:
        """Take in what it says, for so long; until it ends."""
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            if not select.select([self.pipe], [], [], left)[0]:
                return
            chunk = os.read(self.pipe, 1 << 16)
            if not chunk:
                return
            self.said += chunk

    def await_word(self, seconds: float) -> bool:
        """Whether it says anything within that time."""
        if b"\n" not in self.said and select.select([self.pipe], [], [], seconds)[0]:
            self.said += os.read(self.pipe, 1 << 16)
        return bool(self.said)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        while chunk := os.read(self.pipe, 1 << 16):  # until the last of it is read: nobody writes any more
            self.said += chunk
        os.waitpid(self.pid, 0)
        os.close(self.pipe)

    def lines(self) -> Iterator[tuple[str, int, int, float, float]]:
        whole, _, _ = self.said.rpartition(b"\n")
        for line in whole.decode().splitlines():
            word, key, version, began, ended = line.split()
            yield word, int(key), int(version), float(began), float(ended)


@dataclass
class Findings:
    kills: int = 0
    invalidations: int = 0
    reads: int = 0
    slowest: float = 0.0
    """Seconds, of all requests."""
    wrong: list[str] = field(default_factory=list)


@dataclass
class Rounds:
    """Two processes at a time. A round kills one of them; every tenth kills both, so that nobody has the store."""

    app_dir: Path
    random: random.Random
    findings: Findings = field(default_factory=Findings)
    least: dict[int, list[tuple[float, int]]] = field(default_factory=dict)
    """key -> when an invalidation had returned, and its version."""
    stored: dict[int, int] = field(default_factory=dict)
    """key -> the latest version that somebody was told to be stored."""
    ended: list[Process] = field(default_factory=list)

    def run(self, kills: int) -> None:
        steady = self._begin([0, 1, 2])
        while self.findings.kills < kills:
            victim = self._begin([3, 4, 5])
            victim.read(self.random.random() * _LONGEST_LIFE)
            self._kill(victim)
            steady.read(0)
            if self.findings.kills % 10 == 9:
                steady.read(LEASE_SECONDS + 0.2)  # it gets past what the victim held
                self._kill(steady)
                self._judge()
                self._look_inside()
                steady = self._begin([0, 1, 2])
        steady.read(LEASE_SECONDS + 0.2)
        self._kill(steady)
        self._judge()
        self._look_inside()

    def _begin(self, own: list[int]) -> Process:
        process = Process.fork(self.app_dir, own)
        if not process.await_word(15):
            self.findings.wrong.append("a process couldn't open the store")
        return process

    def _kill(self, process: Process) -> None:
        process.kill()
        self.findings.kills += 1
        self.ended.append(process)

    def _judge(self) -> None:
        lines = sorted((line for process in self.ended for line in process.lines()), key=lambda line: line[4])
        self.ended.clear()
        for word, key, version, _, ended in lines:
            if word == "invalidated":
                self.findings.invalidations += 1
                self.least.setdefault(key, []).append((ended, version))
        for word, key, version, began, ended in lines:
            if word in ("read", "stored"):
                self._judge_read(word, key, version, began, ended)
            self.findings.slowest = max(self.findings.slowest, ended - began if began else 0.0)
        self.least = {key: marks[-1:] for key, marks in self.least.items()}

    def _judge_read(self, word: str, key: int, version: int, began: float, ended: float) -> None:
        self.findings.reads += 1
        if word == "stored":
            self.stored[key] = max(version, self.stored.get(key, 0))
        least = max((mark for moment, mark in self.least.get(key, []) if moment < began), default=0)
        if version < least:
            self.findings.wrong.append(f"k{key}: {version} was read after {least} had been invalidated")
        if ended - began > LEASE_SECONDS + _SLACK:
            self.findings.wrong.append(f"k{key}: took {ended - began:.2f} s, and a lease is {LEASE_SECONDS} s")

    def _look_inside(self) -> None:
        """What was stored is there, nothing is damaged, and the counter has all invalidations that returned."""
        with LmdbInspection(self.app_dir.parent / ".millpond" / "cache") as inspection:
            entries = [found.entry for found in inspection.entries()]
            generation = inspection.stats().generation
        if None in entries:
            self.findings.wrong.append("an entry is damaged")
        versions = {
            entry.key: json.loads(entry.body)["version"] for entry in entries if entry and entry.kind == "response"
        }
        for key, version in self.stored.items():
            found = next((seen for name, seen in versions.items() if f"/values/k{key}\0" in name), -1)
            if found < version:
                self.findings.wrong.append(f"k{key}: {version} was stored, and {found} is there")
        if generation < self.findings.invalidations:
            self.findings.wrong.append(f"the counter is {generation} after {self.findings.invalidations} invalidations")


def main(folder: str, rounds: str, seed: str) -> None:
    app_dir = Path(folder) / "app"
    Millpond(app_dir)  # what it imports is there in every process, then
    ponds = Rounds(app_dir, random.Random(int(seed)))
    with suppress(KeyboardInterrupt):
        ponds.run(int(rounds))
    found: dict[str, Any] = ponds.findings.__dict__
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
