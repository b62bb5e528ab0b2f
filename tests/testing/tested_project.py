"""A project as users have it, with a build and a store on disk, whose tests run as a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from textwrap import dedent
from typing import TYPE_CHECKING, NamedTuple

import httpx2

from started_server import free_port, started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 60

FILES = {
    "main.py": """
        from millpond import Millpond

        app = Millpond("app", title="Shop")
        """,
    "database.py": """
        import os

        def row():
            return os.environ["ROW"]
        """,
    "app/route.py": """
        from database import row

        revalidate = 3600

        def GET():
            return {"row": row()}
        """,
    "app/data/route.py": """
        from database import row
        from millpond import cached

        revalidate = 3600

        @cached(tags=["rows"])
        async def cached_row():
            return row()

        async def GET():
            return {"row": await cached_row()}
        """,
    "app/items/[id]/route.py": """
        from database import row

        revalidate = 3600

        def GET(id: int):
            return {"row": row(), "id": id}
        """,
    "app/live/route.py": """
        from database import row

        def GET(q: str = ""):
            return {"row": row(), "q": q}
        """,
}
PATHS = ["/", "/data", "/items/7", "/live"]
"""Each answers with the row of whoever asks."""


class File(NamedTuple):
    """What a file is at one moment."""

    content: bytes
    changed: int
    """Nanoseconds since the epoch."""


class TestedProject:
    """A folder with a project."""

    __test__ = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write(FILES)

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text), "utf-8")

    def python(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """`python ARGUMENTS` in the folder, as from a shell, until it ends."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={name: value for name, value in _environment(env).items() if not name.startswith("PYTEST_")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def build(self) -> None:
        done = self.python("-m", "millpond", "build", ROW="built")
        assert done.returncode == 0, done.stdout + done.stderr

    def passes(self, name: str, source: str, *command: str, **env: str) -> None:
        """Run a file of tests as its author does; every test passes.

        Args:
            name: of the file.
            source: what is in it.
            command: the arguments of Python that run it.
            env: variables, in addition to those of the tests.
        """
        self.write({name: source})
        done = self.python(*command, **{"ROW": "test's", **env})
        assert done.returncode == 0, done.stdout + done.stderr

    def stored(self) -> dict[str, File]:
        """Every file of the build and the store."""
        files = (path for path in (self.folder / ".millpond").rglob("*") if path.is_file())
        return {
            path.relative_to(self.folder).as_posix(): File(path.read_bytes(), path.stat().st_mtime_ns) for path in files
        }

    @contextmanager
    def served(self, *command: str, **env: str) -> Iterator[httpx2.Client]:
        """A client of a server that is started here, `millpond start` by default; it has ended afterwards."""
        port = free_port()
        run = command or ("-m", "millpond", "start", "--port", "{port}")
        whole = [sys.executable, *(argument.format(port=port) for argument in run)]
        environment = _environment({"ROW": "real", **env})
        with (
            started(whole, port, self.folder / "server.log", self.folder, environment),
            httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10) as client,
        ):
            yield client


def _environment(changes: dict[str, str]) -> dict[str, str]:
    """This process's, with the variables that pytest sets, as a user's test passes them on to what it starts."""
    return {**os.environ, **changes}
