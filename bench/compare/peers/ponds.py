"""Millpond, built and started as users do, with several settings."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from machine import version_of

from peers.peer import BIN, HERE, Peer, run

if TYPE_CHECKING:
    from pathlib import Path

    from peers.peer import Scratch

OTHER_ORIGIN = "https://pages.example"
"""Of pages whose requests CORS is about."""
MANY, STALE = 100_000, 10_000
"""Pages that `millpond-many` has built: to hit at random, and to become stale at once."""
_COMMAND = str(BIN / "millpond")
_SILENT = ["--no-access-log", "--log-level", "warning"]
"""None of the others logs requests either, where nothing else is said."""


def millpond(scratch: Scratch) -> Peer:
    """What most cases measure."""
    project = _copied(HERE / "pond", scratch.folder / "pond")
    run([_COMMAND, "build"], project, scratch)
    paths = {name: f"/{name}" for name in ("hit", "tenant", "themed", "live", "slow", "invalidate")}
    paths |= {"cold": "/items/", "invalidate-one": "/invalidate/"}
    return _started("millpond", "Millpond", project, paths, scratch, _SILENT, version_of(_COMMAND, "--version"))


def millpond_asgi(scratch: Scratch) -> Peer:
    """The same build, without the short cut at the socket."""
    project = _same_build("pond-asgi", scratch)
    options = ["--server", "asgi", *_SILENT]
    paths = {name: f"/{name}" for name in ("hit", "tenant", "themed")}
    return _started("millpond-asgi", "Millpond, through ASGI", project, paths, scratch, options)


def millpond_cors(scratch: Scratch) -> Peer:
    """The same build, with `[cors]`."""
    project = _same_build("pond-cors", scratch)
    (project / "millpond.toml").write_text(f'[cors]\nallow_origins = ["{OTHER_ORIGIN}"]\nallow_credentials = true\n')
    return _started("millpond-cors", "Millpond, with CORS", project, {"hit": "/hit"}, scratch, _SILENT)


def millpond_log(scratch: Scratch) -> Peer:
    """The same build, as `millpond start` logs without any option: a line of JSON for each request."""
    project = _same_build("pond-log", scratch)
    return _started("millpond-log", "Millpond, with its access log", project, {"hit": "/hit"}, scratch, [])


def millpond_uncounted(scratch: Scratch) -> Peer:
    """The same build, without counters."""
    project = _same_build("pond-uncounted", scratch)
    (project / "millpond.toml").write_text("[metrics]\ncounters = false\n")
    title = "Millpond, counters = false"
    return _started("millpond-uncounted", title, project, {"hit": "/hit"}, scratch, _SILENT)


def millpond_many(scratch: Scratch) -> Peer:
    """A build with many pages."""
    project = _copied(HERE / "pond", scratch.folder / "pond-many")
    run([_COMMAND, "build"], project, scratch, {"BENCH_MANY": str(MANY), "BENCH_STALE": str(STALE)})
    paths = {"hit": "/hit", "many": "/many/", "stale": "/stale/", "age": "/age"}
    return _started("millpond-many", f"Millpond, {MANY:,} paths", project, paths, scratch, _SILENT)


def _started(
    name: str, title: str, project: Path, paths: dict[str, str], scratch: Scratch, options: list[str], version: str = ""
) -> Peer:
    def command(port: int) -> list[str]:
        return [_COMMAND, "start", "--port", str(port), *options]

    return Peer(name, title, command, project, paths, version, env=scratch.env)


def _same_build(name: str, scratch: Scratch) -> Path:
    """A copy of the build of `millpond`, which is prepared if it wasn't."""
    if not (scratch.folder / "pond" / ".millpond" / "build").exists():
        millpond(scratch)
    return _copied(scratch.folder / "pond", scratch.folder / name)


def _copied(project: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(project, to, ignore=shutil.ignore_patterns("cache"))
    return to
