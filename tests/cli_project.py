"""The command line, called in this process and as a process of its own."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from millpond.cli import run
from millpond.routes.imports import forget

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

STATIC = """\
dynamic = "force-static"


def GET():
    return {"hello": "world"}
"""

STOCK = """\
from millpond import cached

revalidate = 60


def generate_static_params():
    return []


@cached(tags=["stock"])
async def count():
    return 7


async def GET(shop: str):
    return await count()
"""

ITEMS = """\
revalidate = 60


def generate_static_params():
    return [{"id": "1"}, {"id": "2"}]


def GET(id: str):
    return id
"""

LIVE = """\
from millpond import headers


def GET():
    return headers()["user-agent"]
"""

RAISES = """\
dynamic = "force-static"


def GET():
    raise ValueError("no data")
"""


@dataclass(frozen=True)
class Done:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def facts(self) -> Any:
        """Its standard output, which must be one JSON document."""
        return json.loads(self.out)


def call(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> Done:
    """Run a command line here, on the files of `folder` as they are now; logging is as before afterwards."""
    forget(folder)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    capsys.readouterr()
    try:
        code = run(arguments)
    finally:
        root.handlers[:], root.level = handlers, level
        logging.captureWarnings(False)
    out, err = capsys.readouterr()
    return Done(code, out, err)


def spawn(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Begin a command as a process; the caller ends it."""
    return subprocess.Popen(
        [sys.executable, "-m", "millpond", *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def execute(*arguments: str, **environment: str) -> Done:
    """Run a command as a process, until it ends."""
    process = spawn(*arguments, **environment)
    try:
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    return Done(process.returncode, out, err)


def address_in(process: subprocess.Popen[str], said: list[str] | None = None) -> str:
    """The URL that a server says it listens on; waits for it. `said` gets the lines until then."""
    assert process.stderr is not None
    for line in process.stderr:
        if said is not None:
            said.append(line)
        found = re.search(r"http://[0-9.]+:\d+", line)
        if found:
            return found[0]
    raise AssertionError("the server ended without saying where it listens")
