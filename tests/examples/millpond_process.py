"""Millpond as its users run it: the installed command, and a server on a free port."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2

from started_server import free_port, started

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

COMMAND = Path(sys.executable).with_name("millpond")
START = (str(COMMAND), "start")
BUILD_SECONDS = 180


def run(arguments: list[str], project: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """`millpond ARGUMENTS` in the folder of a project."""
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=project,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )


def build(project: Path, env: Mapping[str, str] | None = None) -> str:
    """What a successful `millpond build` prints."""
    done = run(["build"], project, env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def served(project: Path, env: Mapping[str, str] | None = None, command: Sequence[str] = START) -> Iterator[str]:
    """The address of a `millpond start`, or of another server, of a project that is built; it has ended afterwards."""
    port = free_port()
    with started([*command, "--port", str(port)], port, project / "start.log", project, environment(env)):
        yield f"http://127.0.0.1:{port}"


def client(address: str) -> httpx2.Client:
    """A client that follows nothing, and that no proxy of the machine gets between.

    `millpond dev` answers when its second process has begun, which takes its time on a busy machine.
    """
    return httpx2.Client(base_url=address, trust_env=False, timeout=30)


def environment(changes: Mapping[str, str] | None) -> dict[str, str]:
    """This process's environment, wide enough for a table on one line."""
    return {**os.environ, "COLUMNS": "160", "NO_COLOR": "1", **(changes or {})}
