"""Servers as processes of their own: `millpond start` and uvicorn, with what they print."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx2

from started_server import free_port, started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SECONDS = 10
COMMANDS = {
    "millpond": ("millpond", "start"),
    "uvicorn": ("uvicorn", "main:app", "--no-access-log"),
}
MAIN = "from millpond import Millpond\napp = Millpond('app')\n"
"""What `main.py` says."""


@dataclass(frozen=True)
class Served:
    """A running server."""

    client: httpx2.Client
    log: Path

    def printed(self, text: str) -> str:
        """All that it has printed, once `text` is in it."""
        deadline = time.monotonic() + _SECONDS
        while text not in (printed := self.log.read_text("utf-8")):
            assert time.monotonic() < deadline, printed
            time.sleep(0.02)
        return printed


@contextmanager
def server(name: str, folder: Path, *arguments: str) -> Iterator[Served]:
    """One of COMMANDS in a project's folder; it has ended afterwards, and has printed all that it prints."""
    log, port = folder / "printed.log", free_port()
    command = [sys.executable, "-m", *COMMANDS[name], "--port", str(port), *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}
    with (
        started(command, port, log, folder, environment),
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10) as client,
    ):
        yield Served(client, log)


def build(folder: Path) -> None:
    """`millpond build`, which must succeed."""
    command = [sys.executable, "-m", "millpond", "build"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
