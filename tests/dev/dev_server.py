"""A running `millpond dev`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import httpx2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ponds import Project

SECONDS = 15


class Dev:
    """A running `millpond dev`."""

    def __init__(self, process: subprocess.Popen[str], client: httpx2.Client, project: Project) -> None:
        self.process, self.client, self.project = process, client, project

    def get(self, path: str = "/", accept: str = "*/*") -> httpx2.Response:
        return self.client.get(path, headers={"accept": accept})

    def until(self, wanted: Callable[[httpx2.Response], bool], path: str = "/") -> httpx2.Response:
        """The first answer that is as wanted: a reload takes a moment, and the file system's events another."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            answer = self.get(path)
            if wanted(answer):
                return answer
            time.sleep(0.05)
        raise AssertionError(f"still {answer.status_code}: {answer.text}")

    def write(self, body: str) -> None:
        self.project.routes({"/": body})

    def stop(self, number: signal.Signals = signal.SIGINT) -> str:
        """End it, and return what it said."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=SECONDS)
        return said


@contextmanager
def developing(project: Project, *named: str) -> Iterator[Dev]:
    """Of the project, or of the application that is named."""
    arguments = ["dev", *named, "--dir", str(project.folder), "--port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "millpond", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stderr is not None
        found = re.search(r"http://[0-9.:]+", process.stderr.readline())
        assert found is not None
        with httpx2.Client(base_url=found[0], trust_env=False, timeout=SECONDS) as client:
            yield Dev(process, client, project)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=SECONDS)


def returns(text: str) -> str:
    return f"def GET():\n    return {text!r}\n"
