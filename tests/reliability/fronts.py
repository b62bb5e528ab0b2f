"""Servers that stand in front of Millpond, as docs/deploy.md has them: as processes that end with the test."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SBIN = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
"""Where such servers are; not every user's PATH has it."""

_GUIDE = Path(__file__).parents[2] / "docs" / "deploy.md"
_START_SECONDS, _STOP_SECONDS = 30, 10


def shown(kind: str, about: str) -> str:
    """The block of the guide of that kind whose first line, a comment, says `about`."""
    fence = re.compile(rf"^```{kind}\n(# [^\n]*\n.*?)^```$", re.MULTILINE | re.DOTALL)
    found = [str(block[1]) for block in fence.finditer(_GUIDE.read_text("utf-8"))]
    return next(block for block in found if about in block.split("\n", 1)[0])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(command: Sequence[str], port: int, log: Path) -> Iterator[None]:
    """The server, once it takes connections on `port`; it has ended afterwards."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        _await_connection(port, process, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_connection(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + _START_SECONDS
    while time.monotonic() < ends:
        assert process.poll() is None, log.read_text("utf-8")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"it took more than {_START_SECONDS} s to start\n{log.read_text('utf-8')}")
