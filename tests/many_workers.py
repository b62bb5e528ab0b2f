"""`millpond start` with several workers, and what is asked of them."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx2

from cli_project import address_in, spawn

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from ponds import Project

PID = """\
import os
import time

dynamic = "force-dynamic"


async def GET():
    time.sleep(0.03)  # a worker that is busy leaves the next connection to another
    return {"pid": os.getpid()}
"""

PATIENCE = 20
"""Seconds for what other processes do."""


class Server:
    """`millpond start` with several workers."""

    def __init__(self, project: Project, process: subprocess.Popen[str]) -> None:
        self.folder, self.process = project.folder, process
        self.said: list[str] = []
        """Lines of its standard error so far."""
        self.address = address = address_in(process, self.said)
        # All the time: a server that can't write what it logs can do nothing else.
        self._reading = threading.Thread(target=self._read)
        self._reading.start()
        # A new connection for each request, which any worker may take.
        limits = httpx2.Limits(max_keepalive_connections=0)
        self._client = httpx2.Client(base_url=address, trust_env=False, timeout=PATIENCE, limits=limits)

    def _read(self) -> None:
        for line in self.process.stderr or ():
            self.said.append(line)

    def get(self, path: str, headers: dict[str, str] | None = None) -> httpx2.Response:
        return self._client.get(path, headers=headers)

    def stream(self, path: str) -> AbstractContextManager[httpx2.Response]:
        """An answer whose body hasn't been read."""
        return self._client.stream("GET", path)

    def begun(self, path: str) -> int:
        """The status of an answer, whether its body comes to an end or not."""
        with self.stream(path) as answer:
            return answer.status_code

    def pid(self) -> int:
        """Of some worker."""
        pid: int = self.get("/pid").json()["pid"]
        return pid

    def pids(self, count: int) -> set[int]:
        """The workers that answer, once there are so many."""
        found: set[int] = set()

        def complete() -> bool:
            found.update(pool.map(lambda _: self.pid(), range(4)))
            return len(found) == count

        with ThreadPoolExecutor(4) as pool:
            until(complete)
        return found

    def end(self, number: signal.Signals = signal.SIGTERM) -> list[dict[str, Any]]:
        """What it has logged, once it has ended."""
        self.process.send_signal(number)
        self.process.wait(PATIENCE)
        self._reading.join(PATIENCE)
        return [json.loads(line) for line in self.said if line.startswith("{")]


def until(true: Callable[[], bool]) -> None:
    """Wait for what other processes do."""
    ends = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def started(project: Project, workers: int = 2, *named: str) -> Iterator[Server]:
    """A server of the project, or of the application that is named."""
    process = spawn("start", *named, "--dir", str(project.folder), "--port", "0", "--workers", str(workers))
    try:
        yield Server(project, process)
    finally:
        process.terminate()  # not killed: it has workers to end
        process.wait(PATIENCE)
        process.communicate()
