"""A server of several workers as its users run it, and a client that is cheap enough to ask it a lot."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from textwrap import dedent
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

START_SECONDS, STOP_SECONDS = 60, 30

FILES = {
    "truth.py": '''
        """What is true: a number for each key, in a file; and how often each thing was rendered."""

        import os
        from pathlib import Path

        from millpond import cached, cache_tag

        HERE = Path(__file__).parent / "truth"


        def write(key, version):
            fresh = HERE / f"{key}.{os.getpid()}"
            fresh.write_text(str(version))
            fresh.replace(HERE / key)


        def read(key):
            try:
                return int((HERE / key).read_text())
            except FileNotFoundError:
                return 0


        @cached()
        async def known(key):
            cache_tag(f"known:{key}")
            return read(key)


        @cached()
        async def marked(key):
            cache_tag(f"slow:{key}")
            return key


        def count(name):
            """One byte more in a file: appending is one step, whoever else does it."""
            with (HERE / f"{name}.count").open("ab", buffering=0) as file:
                file.write(b".")
        ''',
    "app/values/[key]/route.py": """
        from millpond import revalidate_tag
        from truth import known, write

        revalidate = 3600

        def generate_static_params():
            return []

        async def GET(key: str):
            return {"version": await known(key)}

        async def POST(key: str, version: int):
            write(key, version)
            return {"generation": revalidate_tag(f"known:{key}", {"expire": 0}).generation}
        """,
    "app/slow/[key]/route.py": """
        import asyncio
        from truth import count, marked

        revalidate = 3600

        def generate_static_params():
            return []

        async def GET(key: str):
            count(await marked(key))
            await asyncio.sleep(0.2)
            return {"key": key}
        """,
    "app/pages/[key]/route.py": """
        revalidate = 60

        def generate_static_params():
            return []

        def GET(key: str):
            return {"key": key, "text": key * 200}
        """,
    "app/pid/route.py": """
        import os
        import time

        dynamic = "force-dynamic"

        async def GET():
            time.sleep(0.01)  # a worker that is busy leaves the next connection to another
            return {"pid": os.getpid()}
        """,
}


def write_project(folder: Path, cache: dict[str, Any] | None = None) -> Path:
    """The project, with `[cache]` settings."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip(), "utf-8")
    (folder / "truth").mkdir()
    write_settings(folder, cache or {})
    return folder


def write_settings(folder: Path, cache: dict[str, Any]) -> None:
    """The configuration with `[cache]` settings."""
    settings = "".join(f"{name} = {json.dumps(value)}\n" for name, value in cache.items())
    (folder / "millpond.toml").write_text(f"[server]\nshutdown_timeout = 5\n\n[cache]\n{settings}", "utf-8")


def millpond(folder: Path, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of the command line on the project, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "millpond", command, *arguments, "--dir", str(folder)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )


@dataclass
class Served:
    """A running server."""

    folder: Path
    process: subprocess.Popen[bytes]
    host: str
    port: int

    def log(self) -> str:
        return (self.folder / "start.log").read_text("utf-8")

    async def until(self, true: Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
        """Wait until something is true; what happens in other processes can only be asked for."""
        ends = time.monotonic() + seconds
        while not await true():
            assert time.monotonic() < ends, f"it didn't come about within {seconds} s\n{self.log()}"
            await asyncio.sleep(0.01)

    async def workers(self, count: int) -> set[int]:
        """The process ids of `count` workers; waits until so many answer."""
        pids: set[int] = set()
        ends = time.monotonic() + START_SECONDS
        while len(pids) < count:
            assert time.monotonic() < ends, f"only {pids} answer\n{self.log()}"
            pids.update(await asyncio.gather(*(self.pid() for _ in range(2 * count))))
        return pids

    async def pid(self) -> int:
        """Of some worker."""
        async with wire(self) as client:
            pid: int = (await client.ask("GET", "/pid")).json()["pid"]
            return pid


@contextmanager
def served(folder: Path, workers: int, *more: str, build: bool = True) -> Iterator[Served]:
    """The project, built unless it is already, and served on a free port; it has ended afterwards.

    `more` are further options of `millpond start`.
    """
    if build:
        built = millpond(folder, "build")
        assert built.returncode == 0, built.stderr
    options = ["--port", "0", "--workers", str(workers), "--log-format", "text", *more]
    with (folder / "start.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "millpond", "start", "--dir", str(folder), *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield Served(folder, process, "127.0.0.1", _port_of(folder / "start.log", process))
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _port_of(log: Path, process: subprocess.Popen[bytes]) -> int:
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends:
        found = re.search(r"serving build \S+ on http://127\.0\.0\.1:(\d+)", log.read_text("utf-8"))
        if found:
            return int(found[1])
        assert process.poll() is None, log.read_text("utf-8")
        time.sleep(0.02)
    raise AssertionError(f"the server didn't start\n{log.read_text('utf-8')}")


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One connection, which stays with one worker."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(self, method: str, path: str) -> Answer:
        """Raises OSError or EOFError when the worker dies."""
        self._writer.write(f"{method} {path} HTTP/1.1\r\nhost: pond\r\ncontent-length: 0\r\n\r\n".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(": ") for line in head[1:] if line)
        headers = {name.lower(): value for name, _, value in pairs}
        body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(int(head[0].split()[1]), headers, body)

    def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def wire(server: Served) -> AsyncIterator[Wire]:
    """A connection to any worker."""
    client = Wire(*await asyncio.open_connection(server.host, server.port))
    try:
        yield client
    finally:
        client.close()


def kill(pid: int) -> None:
    """SIGKILL; a process that is gone already is as dead."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
