"""A server under test: its processes, what they cost, and their end."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_TICKS = os.sysconf("SC_CLK_TCK")
SERVER_CORE, CLIENT_CORE = "0", "1"


class NotStarted(Exception):
    """A server ended, or said nothing for too long; the message ends with its last words."""


class Served:
    """A running server, with all the processes that it started."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self._process, self.port, self._log = process, port, log

    def cpu(self) -> float:
        """Seconds of processor time that its processes have used so far."""
        return sum(_ticks(pid) for pid in self._pids()) / _TICKS

    def memory(self) -> float:
        """MiB of memory that is its own, and its share of what it shares (PSS)."""
        total = 0
        for pid in self._pids():
            with contextlib.suppress(OSError):
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total / 1024

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> http.client.HTTPResponse:
        """One request; the answer has been read, and its body is in `body`."""
        return self._asked("GET", path, headers)

    def post(self, path: str) -> http.client.HTTPResponse:
        """The same, without a body."""
        return self._asked("POST", path, None)

    def _asked(self, method: str, path: str, headers: Mapping[str, str] | None) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, headers=dict(headers or {}))
        answer = connection.getresponse()
        answer.body = answer.read()  # type: ignore[attr-defined]
        connection.close()
        return answer

    def last_words(self) -> str:
        with self._log.open("rb") as log:  # an access log may be long
            log.seek(max(0, log.seek(0, os.SEEK_END) - 600))
            return log.read().decode(errors="replace")

    def end(self) -> None:
        """SIGTERM to its process group, and SIGKILL after ten seconds."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
                return

    def _pids(self) -> list[int]:
        """The server, and its descendants."""
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                    children.setdefault(parent, []).append(int(entry.name))
        found = [self._process.pid]
        for pid in found:
            found += children.get(pid, [])
        return found


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def environment(env: Mapping[str, str]) -> dict[str, str]:
    """This process's variables and those; with bytecode, as what is installed has it, also from a checkout."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | dict(env)


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port: int = opened.getsockname()[1]
        return port


@contextlib.contextmanager
def serving(
    command: Sequence[str], port: int, log: Path, *, cwd: Path, env: Mapping[str, str], patience: float = 90
) -> Iterator[Served]:
    """Start a server on one core, wait until it accepts connections, and end it.

    Args:
        command: what to run.
        port: where it will listen.
        log: where its output goes.
        cwd: the folder to run it in.
        env: variables besides this process's.
        patience: seconds until it must accept.

    Raises:
        NotStarted: it didn't.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the servers that are compared
            ["taskset", "-c", SERVER_CORE, *command],  # noqa: S607
            cwd=cwd,
            env=environment(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    served = Served(process, port, log)
    try:
        _await(process, served, patience)
        yield served
    finally:
        served.end()


def _await(process: subprocess.Popen[bytes], served: Served, patience: float) -> None:
    ends = time.monotonic() + patience
    while time.monotonic() < ends:
        if process.poll() is not None:
            raise NotStarted(f"ended with {process.returncode}: {served.last_words()}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", served.port), 1):
            return
        time.sleep(0.01)
    raise NotStarted(f"nothing on port {served.port} after {patience:g} s: {served.last_words()}")
