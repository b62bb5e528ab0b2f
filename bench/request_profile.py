"""Where the processor time of a hit, a live answer, a miss and a start goes: `python bench/request_profile.py`.

Requests run in this process, without socket and kernel, so what is left is Python. The time of each kind is the least
of many short rounds, as other processes only ever add to it. Who spends it is told by a signal for each millisecond of
processor time: the package whose frame runs then, and in Millpond the room. What a function in C takes counts for its
caller. A start is a command of its own; its imports are what `-X importtime` says.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections import Counter
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent / "compare"))

from breakdown import owners
from fastapi import FastAPI, Response
from hit_costs import REQUEST, SCOPE, connected, constant, nothing

import millpond
from millpond import Millpond
from millpond.serve.access.access_log import access

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from types import FrameType

    Once = Callable[[], Awaitable[object] | object]

ROUTES = {
    "hit": 'revalidate = 3600\n\n\ndef GET():\n    return {"text": "x" * 1000}\n',
    "live": 'dynamic = "force-dynamic"\n\n\nasync def GET():\n    return {"text": "x" * 1000}\n',
    "items/[id]": (
        "revalidate = 3600\n\n\ndef generate_static_params():\n    return []\n\n\n"
        'def GET(id: str):\n    return {"id": id, "text": "x" * 1000}\n'
    ),
}
TIMES = {"socket": 2000, "asgi": 1000, "constant": 3000, "live": 100, "fastapi": 100, "miss": 20}
"""Requests of one round: some milliseconds."""
TEXTS = {
    "socket": "a hit at the socket",
    "asgi": "a hit through ASGI",
    "constant": "a constant ASGI app",
    "live": "a live answer",
    "fastapi": "FastAPI's ready Response",
    "miss": "a miss",
}
ROUNDS, SAMPLED_SECONDS = 30, 1.5
_STARTED = """
import asyncio, logging
from millpond.cli import start
from millpond import Millpond

async def started():
    async with Millpond("app").lifespan():
        pass

asyncio.run(started())
"""
"""What a worker does until it accepts connections, but for the socket."""
_PLACES = (
    (Path(millpond.__file__).parent, "millpond/"),
    (Path(sysconfig.get_path("purelib")), ""),
    (Path(sysconfig.get_path("stdlib")), ""),
)
_WAITS = {"select", "poll", "wait", "_worker", "_run_once"}


class Samples:
    """Who runs, asked once for each millisecond of processor time."""

    def __init__(self) -> None:
        self.owners: Counter[str] = Counter()

    def __enter__(self) -> Samples:
        self._former = signal.signal(signal.SIGPROF, self._take)
        signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, self._former)

    def shares(self) -> dict[str, float]:
        """Parts of one, the largest first."""
        total = self.owners.total() or 1
        return {owner: number / total for owner, number in self.owners.most_common()}

    def _take(self, _: int, frame: FrameType | None) -> None:
        if frame is None:
            return
        if frame.f_code.co_name in _WAITS:  # so another thread has used it
            main = threading.main_thread().ident
            others = (each for thread, each in sys._current_frames().items() if thread != main)  # noqa: SLF001
            frame = next((each for each in others if each.f_code.co_name not in _WAITS), frame)
        self.owners[_owner(frame)] += 1


def _owner(frame: FrameType) -> str:
    """The room of Millpond's, or the package."""
    file = Path(frame.f_code.co_filename)
    for folder, name in _PLACES:
        if file.is_relative_to(folder):
            first = file.relative_to(folder).parts[0].removesuffix(".py")
            return f"{name}{first}"
    return "the measurement" if file.parent == Path(__file__).parent or file.suffix != ".py" else "the application"


async def requests(app: Path, *, sampled: bool) -> dict[str, dict[str, Any]]:
    """By kind: microseconds of processor time for one, and, if `sampled`, whose they are."""
    await Millpond(app).build()
    pond = Millpond(app)
    async with pond.lifespan():
        kinds = await _kinds(pond)
        least = dict.fromkeys(kinds, float("inf"))
        for _ in range(ROUNDS):
            for kind, once in kinds.items():
                least[kind] = min(least[kind], await _round(once, TIMES[kind]) / TIMES[kind])
        shares = {kind: await _sampled(once, TIMES[kind]) if sampled else {} for kind, once in kinds.items()}
    return {kind: {"us": least[kind] * 1e6, "shares": shares[kind]} for kind in kinds}


async def _kinds(pond: Millpond) -> dict[str, Once]:
    other = FastAPI()
    body = json.dumps({"text": "x" * 1000}).encode()

    @other.get("/raw")
    async def raw() -> Response:
        return Response(body, media_type="application/json")

    await pond(_scope("/hit"), nothing, nothing)  # which makes the path known
    protocol, transport = connected(pond)
    protocol.data_received(REQUEST)
    if transport.written != 1:
        raise RuntimeError("the request wasn't a hit at the socket, so something else would be measured")
    known, numbers = _scope("/hit"), count()
    return {
        "socket": lambda: protocol.data_received(REQUEST),
        "asgi": lambda: pond(known, nothing, nothing),
        "constant": lambda: constant(known, nothing, nothing),
        "live": lambda: pond(_scope("/live"), nothing, nothing),
        "fastapi": lambda: other(_scope("/raw"), nothing, nothing),
        "miss": lambda: pond(_scope(f"/items/{next(numbers)}"), nothing, nothing),
    }


def _scope(path: str) -> dict[str, Any]:
    return {**SCOPE, "path": path, "raw_path": path.encode()}


async def _round(once: Once, times: int) -> float:
    """Seconds of processor time, of all threads."""
    began = time.process_time()
    for _ in range(times):
        done = once()
        if done is not None:
            await done  # type: ignore[misc]
    return time.process_time() - began


async def _sampled(once: Once, times: int) -> dict[str, float]:
    spent = 0.0
    with Samples() as samples:
        while spent < SAMPLED_SECONDS:
            spent += await _round(once, times)
    return samples.shares()


def start(project: Path) -> dict[str, Any]:
    """Milliseconds of processor time until the lifespan of a project with few routes has begun, and below it."""
    empty = min(_cpu([sys.executable, "-c", "pass"], project) for _ in range(5))
    fastapi = min(_cpu([sys.executable, "-c", "import fastapi, uvicorn"], project) for _ in range(5))
    ours = min(_cpu([sys.executable, "-c", _STARTED], project) for _ in range(5))
    done = subprocess.run(  # noqa: S603 - no input in it
        [sys.executable, "-X", "importtime", "-c", _STARTED], cwd=project, capture_output=True, text=True, check=True
    )
    return {
        "interpreter_ms": empty * 1e3,
        "fastapi_imports_ms": (fastapi - empty) * 1e3,
        "ms": ours * 1e3,
        "imports": dict(_imports(done.stderr).most_common()),
    }


def _imports(text: str) -> Counter[str]:
    """Parts of one of all time that imports take themselves, by package."""
    found: Counter[str] = Counter()
    for line in text.splitlines():
        columns = line.removeprefix("import time:").split("|")
        if len(columns) == 3 and columns[0].strip().isdigit():
            package = columns[2].strip().partition(".")[0]
            found["Python's own" if package in sys.stdlib_module_names else package] += int(columns[0])
    total = found.total() or 1
    return Counter({package: number / total for package, number in found.items()})  # type: ignore[misc]


def _cpu(command: list[str], cwd: Path) -> float:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    running = subprocess.Popen(command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL)  # noqa: S603 - no input in it
    _, status, usage = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        raise RuntimeError(f"{command} ended with {running.returncode}")
    return usage.ru_utime + usage.ru_stime


def lines(found: dict[str, Any]) -> Iterator[str]:
    """What was measured, as a table."""
    yield "| what | CPU µs | whose |\n|---|--:|---|"
    for kind, each in found["requests"].items():
        yield f"| {TEXTS[kind]} | {each['us']:.2f} | {owners(each['shares'], each['us'])} |"
    if "start" not in found:
        return
    begun = found["start"]
    yield (
        f"| a start, ms | {begun['ms']:.0f} | the interpreter {begun['interpreter_ms']:.0f}; importing FastAPI and "
        f"uvicorn alone {begun['fastapi_imports_ms']:.0f}; imports by package: {owners(begun['imports'], 100)} % |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--totals", action="store_true", help="of requests only: not whose they are, and no start")
    chosen = parser.parse_args()
    access.setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="millpond-profile-") as folder:
        for path, source in ROUTES.items():
            route = Path(folder) / "app" / path / "route.py"
            route.parent.mkdir(parents=True)
            route.write_text(source, "utf-8")
        found: dict[str, Any] = {"requests": asyncio.run(requests(Path(folder) / "app", sampled=not chosen.totals))}
        if not chosen.totals:
            found["start"] = start(Path(folder))
    sys.stdout.write(json.dumps(found) + "\n" if chosen.json else "\n".join(lines(found)) + "\n")


if __name__ == "__main__":
    main()
