"""Millpond as its users run it: the installed command, and a server on a free port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

COMMAND = Path(sys.executable).with_name("millpond")
START = (str(COMMAND), "start")
BUILD_SECONDS, START_SECONDS, STOP_SECONDS = 60, 20, 15


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
    port = _free_port()
    log = project / "start.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=project,
            env=environment(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _await_connection(port, process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def client(address: str) -> httpx2.Client:
    """A client that follows nothing, and that no proxy of the machine gets between."""
    return httpx2.Client(base_url=address, trust_env=False, timeout=10)


def environment(changes: Mapping[str, str] | None) -> dict[str, str]:
    """This process's environment, wide enough for a table on one line."""
    return {**os.environ, "COLUMNS": "160", "NO_COLOR": "1", **(changes or {})}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_connection(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"the server ended with {process.returncode}:\n{log.read_text()}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"the server took more than {START_SECONDS} s:\n{log.read_text()}")
