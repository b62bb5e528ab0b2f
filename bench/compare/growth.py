"""What grows with a project: start-up with more routes, and builds with more pages."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from peers.peer import BIN, Peer
from process import SERVER_CORE, environment, free_port, serving

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from peers.peer import Scratch

ROUTES = (1, 100, 1000, 10_000)
PAGES = 10_000

_FASTAPI = """
from fastapi import FastAPI

app = FastAPI()
for number in range({routes}):
    def get(number: int = number) -> dict[str, int]:
        return {{"number": number}}

    app.get(f"/r{{number}}")(get)
"""
_PAGES = """
def generate_static_params():
    return [{{"id": str(number)}} for number in range({pages})]


def GET(id: str):
    return {{"id": id, "text": "still water"}}
"""


def start_up(scratch: Scratch, counts: Sequence[int]) -> dict[str, dict[str, dict[str, float]]]:
    """Seconds from the start of a process to its first 200, and processor time until then."""
    found: dict[str, dict[str, dict[str, float]]] = {"millpond": {}, "fastapi": {}}
    for routes in counts:
        project = _fresh(scratch.folder / "routes")
        for number in range(routes):
            file = project / "app" / f"r{number}" / "route.py"
            file.parent.mkdir(parents=True)
            file.write_text(f"dynamic = 'force-dynamic'\n\n\ndef GET():\n    return {{'number': {number}}}\n")
        _spent([str(BIN / "millpond"), "build"], project, scratch)
        options = ["start", "--log-level", "warning", "--port"]
        found["millpond"][str(routes)] = _first_of([str(BIN / "millpond"), *options], project, scratch)
        other = _fresh(scratch.folder / "routes-fastapi")
        (other / "routes.py").write_text(_FASTAPI.format(routes=routes))
        options = ["routes:app", "--log-level", "warning", "--port"]
        found["fastapi"][str(routes)] = _first_of([str(BIN / "uvicorn"), *options], other, scratch)
    return found


def builds(scratch: Scratch, *, next_js: bool, pages: int = PAGES) -> dict[str, dict[str, float]]:
    """Builds of one `[id]` route with so many trivial pages."""
    found = {}
    project = _fresh(scratch.folder / "pages")
    route = project / "app" / "pages" / "[id]" / "route.py"
    route.parent.mkdir(parents=True)
    figures: dict[str, float] = {"pages": float(pages)}
    for name, number in (("one", 1), ("all", pages)):
        route.write_text(_PAGES.format(pages=number))
        figures |= _named(name, _spent([str(BIN / "millpond"), "build", "--workers", "1"], project, scratch))
    found["millpond"] = figures
    if next_js:
        figures = {"pages": float(pages)}
        for name, number in (("one", 1), ("all", pages)):
            env = {"BENCH_PAGES": str(number)}
            figures |= _named(name, _spent(["npx", "next", "build"], scratch.folder / "next", scratch, env))
        found["next"] = figures
    return found


def _named(name: str, spent: tuple[float, float]) -> dict[str, float]:
    return {f"{name}_seconds": spent[0], f"{name}_cpu": spent[1]}


def _first_of(command: list[str], cwd: Path, scratch: Scratch) -> dict[str, float]:
    peer = Peer(command[0], command[0], lambda port: [*command, str(port)], cwd, {}, env=scratch.env)
    return first_answer(peer, "/r0", scratch)


def first_answer(peer: Peer, path: str, scratch: Scratch) -> dict[str, float]:
    """Seconds until a server that is started now answers 200 to `path`, and processor time until then.

    Raises:
        RuntimeError: it answers something else.
    """
    port = free_port()
    began = time.monotonic()
    with serving(peer.command(port), port, scratch.run / "start.log", cwd=peer.cwd, env=peer.env) as server:
        answer = server.get(path)
        seconds = time.monotonic() - began
        if answer.status != 200:
            raise RuntimeError(f"{peer.name} answered {answer.status}: {server.last_words()}")
        return {"seconds": seconds, "cpu": server.cpu()}


def _spent(command: list[str], cwd: Path, scratch: Scratch, env: dict[str, str] | None = None) -> tuple[float, float]:
    """Seconds, and seconds of processor time with all children."""
    began = time.monotonic()
    running = subprocess.Popen(  # noqa: S603 - a build of ours
        ["taskset", "-c", SERVER_CORE, *command],  # noqa: S607
        cwd=cwd,
        env=environment(scratch.env | (env or {})),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {running.returncode}")
    return time.monotonic() - began, usage.ru_utime + usage.ru_stime


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
