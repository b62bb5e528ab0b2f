"""Deploys under load: of workers that are replaced one by one, and of hosts that are restarted one after the other.

Each deploy makes a new build; every second one changes a route. A client asks all the while, over connections that it
keeps open and without ever trying again, and looks at each answer: whether it came, how it was found, and of which
version it is.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import time
from collections import Counter
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from textwrap import dedent
from typing import TYPE_CHECKING

from served_pond import START_SECONDS, Wire, millpond, served

from engines import Engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from served_pond import Served

CLIENTS, PAUSE_SECONDS = 6, 0.004
SAME, BRIEF, CHANGED = "same", "brief", "changed"
"""The routes: one that no deploy touches, one whose answers go stale each second, too, and one that deploys change."""
_PATHS = [f"/{route}/{name}" for route in (SAME, BRIEF, CHANGED) for name in ("listed", "a", "b", "c", "d")]

_ROUTE = """
    from lib.{module} import VERSION

    revalidate = {revalidate}


    def generate_static_params():
        return [{{"name": "listed"}}]


    async def GET(name: str):
        return {{"name": name, "version": VERSION}}
"""
FILES = {
    f"app/{SAME}/[name]/route.py": _ROUTE.format(module="constant", revalidate=3600),
    f"app/{BRIEF}/[name]/route.py": _ROUTE.format(module="constant", revalidate=1),
    f"app/{CHANGED}/[name]/route.py": _ROUTE.format(module="version", revalidate=3600),
    "lib/constant.py": "VERSION = 0\n",
}


@dataclass
class Backend:
    """A server that the client asks, and the versions of the changed route that it may answer with now."""

    server: Served
    versions: set[int]


@dataclass
class Seen:
    """What the client has got."""

    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By route and by how it was found."""
    errors: list[str] = field(default_factory=list)
    """Connections that broke, statuses other than 200, versions that a server can't have."""
    deploys: int = 0

    @property
    def misses(self) -> int:
        """Of the routes that no deploy has touched."""
        return self.answers[SAME, "MISS"] + self.answers[BRIEF, "MISS"]

    @property
    def requests(self) -> int:
        return self.answers.total()

    def table(self) -> str:
        """The answers, one route a line."""
        found = ("HIT", "STALE", "MISS")
        lines = [f"{'route':<10}" + "".join(f"{each:>10}" for each in found)]
        lines += [
            f"{route:<10}" + "".join(f"{self.answers[route, each]:>10}" for each in found)
            for route in (SAME, BRIEF, CHANGED)
        ]
        return "\n".join(lines)


class Load:
    """A client of some servers, which asks the backends in turns."""

    def __init__(self, backends: Sequence[Backend], seed: int) -> None:
        self.backends = list(backends)
        self.seen = Seen()
        self._random, self._turn = random.Random(seed), 0

    async def warm(self) -> None:
        """Ask for every path once at each backend; what is found then doesn't count."""
        for backend in self.backends:
            wire = await _connected(backend)
            for path in _PATHS:
                await wire.ask("GET", path)
            wire.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Within the block it asks."""
        tasks = [asyncio.create_task(self._ask_on()) for _ in range(CLIENTS)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception):
                    raise outcome

    async def _ask_on(self) -> None:
        wires: dict[int, Wire] = {}
        try:
            while True:
                self._turn += 1
                backend = self.backends[self._turn % len(self.backends)]
                for gone in wires.keys() - set(map(id, self.backends)):
                    wires.pop(gone).close()
                await self._ask(backend, wires)
                await asyncio.sleep(PAUSE_SECONDS)
        finally:
            for wire in wires.values():
                wire.close()

    async def _ask(self, backend: Backend, wires: dict[int, Wire]) -> None:
        path, before = self._random.choice(_PATHS), set(backend.versions)
        is_new = id(backend) not in wires
        try:
            wire = wires.get(id(backend)) or await _connected(backend)
            wires[id(backend)] = wire
            answer = await wire.ask("GET", path)
        except (OSError, EOFError) as error:
            kind = "a new" if is_new else "an open"
            self.seen.errors.append(f"{path} over {kind} connection: {type(error).__name__} {error}")
            wires.pop(id(backend), None)
            return
        if answer.headers.get("connection", "").lower() == "close":
            wires.pop(id(backend)).close()
        if answer.status != 200:
            self.seen.errors.append(f"{path}: {answer.status} {answer.body[:200]!r}")
            return
        route, found = path.split("/")[1], answer.headers["x-nextjs-cache"]
        self.seen.answers[route, found] += 1
        if found == "MISS" and route != CHANGED:
            self.seen.errors.append(f"{path}: {answer.headers['cache-status']}")
        version = answer.json()["version"]
        if version not in ({0} if route != CHANGED else before | backend.versions):
            self.seen.errors.append(f"{path}: version {version}, not {sorted(before | backend.versions)}")


async def _connected(backend: Backend) -> Wire:
    return Wire(*await asyncio.open_connection(backend.server.host, backend.server.port))


async def deploys_of_workers(folder: Path, deploys: int, workers: int = 2, seed: int = 1) -> Seen:
    """New builds of one project, taken over by SIGHUP."""
    _write(folder, '[cache]\nacross_builds = "stale"\n', 0)
    await _built(folder)
    with served(folder, workers, "--no-access-log", build=False) as server:
        backend = Backend(server, {0})
        load = Load([backend], seed)
        await load.warm()
        async with load.running():
            for number in range(1, deploys + 1):
                version = _version(number)
                if _changes(number):
                    _write_version(folder, version)
                await _built(folder)
                backend.versions.add(version)
                starts = server.log().count("serving build")
                server.process.send_signal(signal.SIGHUP)
                await _until_logged(server, starts + 1)
                backend.versions = {version}
                load.seen.deploys += 1
    return load.seen


async def deploys_of_hosts(folder: Path, deploys: int, hosts: int = 2, seed: int = 1) -> Seen:
    """New builds for hosts with one shared store, which leave the rotation one after the other."""
    release = folder / "release"
    with Engine() as engine, ExitStack() as ends:
        _write(release, f'[cache]\nstore = "{engine.url}"\nprefix = "shop"\nacross_builds = "stale"\n', 0)
        await _built(release)
        running = [ends.enter_context(ExitStack()) for _ in range(hosts)]
        backends = [await _started(folder, release, number, stack, 0) for number, stack in enumerate(running)]
        load = Load(backends, seed)
        await load.warm()
        async with load.running():
            for number in range(1, deploys + 1):
                version = _version(number)
                if _changes(number):
                    _write_version(release, version)
                await _built(release)
                for host, stack in enumerate(running):
                    load.backends.remove(backends[host])
                    await asyncio.sleep(0.1)  # what has been sent is answered
                    await asyncio.to_thread(stack.close)
                    backends[host] = await _started(folder, release, host, stack, version)
                    load.backends.append(backends[host])
                load.seen.deploys += 1
    return load.seen


async def _started(folder: Path, release: Path, host: int, stack: ExitStack, version: int) -> Backend:
    place = folder / f"host-{host}"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(release, place)
    context = served(place, 1, "--no-access-log", build=False)
    return Backend(await asyncio.to_thread(stack.enter_context, context), {version})


def _changes(number: int) -> bool:
    return number % 2 == 1


def _version(number: int) -> int:
    """Of the changed route after so many deploys."""
    return (number + 1) // 2


def _write(folder: Path, settings: str, version: int) -> None:
    for name, text in {**FILES, "millpond.toml": f"[server]\nshutdown_timeout = 5\n{settings}"}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip(), "utf-8")
    _write_version(folder, version)


def _write_version(folder: Path, version: int) -> None:
    (folder / "lib/version.py").write_text(f"VERSION = {version}\n", "utf-8")


async def _built(folder: Path) -> None:
    done = await asyncio.to_thread(millpond, folder, "build")
    assert done.returncode == 0, done.stderr


async def _until_logged(server: Served, starts: int) -> None:
    ends = time.monotonic() + START_SECONDS
    while server.log().count("serving build") < starts:
        assert time.monotonic() < ends, server.log()
        await asyncio.sleep(0.02)
