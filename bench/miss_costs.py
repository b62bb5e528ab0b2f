"""What a miss costs by a live run of the same handler, and what answers at rest cost in memory.

Run: python bench/miss_costs.py, with --sync for handlers in threads, and with --memory 20000.
There is no socket and no kernel's network in it: requests come from a list, through
the protocol that `millpond start` uses, and answers are dropped. CPU time (user and system) of the process counts, so
that a busy machine matters little; misses and live runs alternate. It asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import logging
import os
import pstats
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import uvicorn
import uvloop
from uvicorn.server import ServerState

from millpond import Millpond
from millpond.serve.connection.protocol import hit_protocol
from millpond.serve.logs import configure_logs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

ROUTES = {
    "stored/[id]": "revalidate = 3600\n\n\ndef generate_static_params():\n    return []\n\n\n",
    "live/[id]": 'dynamic = "force-dynamic"\n\n\n',
}
HANDLER = '%sdef GET(id: str):\n    return {"id": id, "text": "%s"}\n'


class Transport(asyncio.Transport):
    """Takes what is written, and calls back."""

    def __init__(self, written: Callable[[], object]) -> None:
        super().__init__()
        self._written = written
        self.first = b""
        """The beginning of the answer."""

    def write(self, data: Any) -> None:
        self.first = self.first or bytes(data)
        self._written()

    def writelines(self, parts: Any) -> None:
        self.write(parts[0])

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name in {"peername", "sockname"} else default

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Client:
    """One connection, which asks for one path after the other."""

    def __init__(self, pond: Millpond, headers: str = "") -> None:
        if pond.hits is None:
            raise RuntimeError("the pond hasn't started")
        config = uvicorn.Config(pond, log_config=None, access_log=False)
        config.load()
        state = ServerState()
        state.default_headers = [(b"date", b"Sat, 28 Nov 2026 00:00:00 GMT")]
        self._loop = asyncio.get_running_loop()
        self._transport = Transport(lambda: self._loop.call_soon(self._look))
        self._protocol: Any = hit_protocol(pond.config.server, pond.hits)(config, state, {})
        self._protocol.connection_made(self._transport)
        self._headers = headers
        self._complete: asyncio.Future[None] = self._loop.create_future()

    async def get(self, path: str) -> bytes:
        """The beginning of the answer."""
        self._transport.first, self._complete = b"", self._loop.create_future()
        self._protocol.data_received(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n{self._headers}\r\n".encode())
        await self._complete
        return self._transport.first

    def _look(self) -> None:
        cycle = self._protocol.cycle
        if (cycle is None or cycle.response_complete) and not self._complete.done():
            self._complete.set_result(None)


async def cpu(client: Client, paths: list[str], expected: bytes) -> float:
    """Microseconds of CPU time per request."""
    began = time.process_time()
    for path in paths:
        answer = await client.get(path)
        if expected not in answer:
            raise RuntimeError(f"{path} was answered with {answer!r}")
    return (time.process_time() - began) / len(paths) * 1e6


async def measure(app: Path, times: int, rounds: int, accepted: str, *, profiles: bool) -> None:
    """Misses, and live runs of the same handler."""
    async with _serving(app, accepted) as client:
        costs = []
        for serial in range(rounds + 1):
            numbers = range(serial * times, (serial + 1) * times)
            miss = await cpu(client, [f"/stored/{number}" for number in numbers], b": MISS")
            run = await cpu(client, [f"/live/{number}" for number in numbers], b"fwd=bypass")
            costs.append((miss, run))
        costs = costs[1:]  # the first round warms up
        miss, run = (statistics.median(each) for each in zip(*costs, strict=True))
        ratio = statistics.median(miss / run for miss, run in costs)
        print(f"a miss {miss:.1f} µs, a live run {run:.1f} µs: {ratio:.2f}")  # noqa: T201
        if profiles:
            profile = cProfile.Profile()
            profile.enable()
            await cpu(client, [f"/stored/p{number}" for number in range(times)], b": MISS")
            profile.disable()
            pstats.Stats(profile).sort_stats("tottime").print_stats(40)
            pstats.Stats(profile).sort_stats("cumtime").print_stats(60)


async def measure_memory(app: Path, number: int, accepted: str) -> None:
    """Memory after `number` answers were stored, and hits on many of them by hits on one."""
    async with _serving(app, accepted) as client:
        await cpu(client, [f"/stored/first-{each}" for each in range(100)], b": MISS")
        print(f"idle: {memory()}")  # noqa: T201
        paths = [f"/stored/{each}" for each in range(number)]
        await cpu(client, paths, b": MISS")
        print(f"{number:,} answers stored: {memory()}")  # noqa: T201
        hot, chosen = paths[:10_000], Random(1)  # noqa: S311 - no secret
        for _ in range(4):
            await cpu(client, hot, b": HIT")
        print(f"{len(hot):,} of them asked for 4 times: {memory()}")  # noqa: T201
        ratios = []
        for _ in range(7):
            many = await cpu(client, chosen.choices(hot, k=20_000), b": HIT")
            one = await cpu(client, hot[:1] * 20_000, b": HIT")
            ratios.append((many / one, many, one))
        ratio, many, one = sorted(ratios)[len(ratios) // 2]
        print(f"a hit on one of them at random {many:.1f} µs, on one path {one:.1f} µs: {ratio:.2f}")  # noqa: T201


def memory() -> str:
    """This process's share of memory (PSS) in MiB: its own, the store's file, and other files."""
    shares = {"own": 0, "the store's file": 0, "programs": 0}
    kind = ""
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            name = words[5] if len(words) > 5 else ""
            kind = "the store's file" if name.endswith("data.mdb") else "programs" if name.startswith("/") else "own"
        elif words[0] == "Pss:":
            shares[kind] += int(words[1])
    parts = ", ".join(f"{kind} {kib / 1024:.0f}" for kind, kib in shares.items())
    return f"{sum(shares.values()) / 1024:.0f} MiB ({parts})"


@contextlib.asynccontextmanager
async def _serving(app: Path, accepted: str) -> AsyncIterator[Client]:
    pond = Millpond(app)
    async with pond.lifespan():
        await pond(_scope("/live/first"), _receive, _drop)  # which starts what a request needs
        yield Client(pond, accepted)


def _scope(path: str) -> dict[str, Any]:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1:8000")],
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _drop(message: object) -> None:
    del message


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=int, default=1000, help="of the text in each answer")
    parser.add_argument("--times", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--accept", default="", help="the Accept-Encoding of the client")
    parser.add_argument("--sync", action="store_true", help="handlers that run in threads")
    parser.add_argument("--memory", type=int, metavar="ANSWERS", help="measure memory, and hits on many paths")
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    letters = Random(1)  # noqa: S311 - no secret
    words = ["".join(letters.choices("etaoinshrdlu", k=letters.randint(2, 9))) for _ in range(400)]
    text = " ".join(letters.choices(words, k=given.bytes // 2))[: given.bytes]
    accepted = f"Accept-Encoding: {given.accept}\r\n" if given.accept else ""
    with Path(os.devnull).open("w") as log, tempfile.TemporaryDirectory() as folder:
        configure_logs("json", "info", log, buffered=True)
        for name, source in ROUTES.items():
            route = Path(folder) / "app" / name / "route.py"
            route.parent.mkdir(parents=True)
            route.write_text(source + HANDLER % ("" if given.sync else "async ", text), "utf-8")
        _build(Path(folder))
        app = Path(folder) / "app"
        if given.memory:
            uvloop.run(measure_memory(app, given.memory, accepted))
        else:
            uvloop.run(measure(app, given.times, given.rounds, accepted, profiles=given.profile))
        logging.shutdown()


def _build(project: Path) -> None:
    """In a process of its own: what watches a build can't be taken away again."""
    command = [sys.executable, "-m", "millpond", "build"]
    subprocess.run(command, cwd=project, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - this Millpond's


if __name__ == "__main__":
    main()
