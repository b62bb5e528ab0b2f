"""Varnish in front of a server, with the VCL of docs/deploy.md; and a wire between two of them that can be held."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import subprocess
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

VARNISHD = shutil.which("varnishd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
DEPLOY = Path(__file__).parents[2] / "docs" / "deploy.md"

_START_SECONDS, _STOP_SECONDS = 30, 10


def shown(kind: str, about: str) -> str:
    """The block of the guide of that kind whose first line, a comment, says `about`."""
    fence = re.compile(rf"^```{kind}\n(# [^\n]*\n.*?)^```$", re.MULTILINE | re.DOTALL)
    found = [str(block[1]) for block in fence.finditer(DEPLOY.read_text("utf-8"))]
    return next(block for block in found if about in block.split("\n", 1)[0])


def has_xkey() -> bool:
    """Whether vmod xkey is installed (Debian: varnish-modules)."""
    return any(Path("/usr/lib").glob("*/varnish/vmods/libvmod_xkey.so"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def varnish(folder: Path, port: int, backend: int, method: str, token: str | None = None) -> Iterator[None]:
    """A Varnish on `port` in front of the port `backend`; it has ended afterwards."""
    assert VARNISHD is not None
    vcl = shown("vcl", "millpond.vcl").replace('.port = "8000"', f'.port = "{backend}"')
    if token is not None:
        vcl = vcl.replace("# if (req.http.Authorization", "if (req.http.Authorization").replace("the-token", token)
    folder.mkdir()
    (folder / "millpond.vcl").write_text(vcl, "utf-8")
    (folder / "purge.vcl").write_text(shown("vcl", f'for method = "{method}"'), "utf-8")
    options = ["-F", "-j", "none", "-n", str(folder / "work"), "-s", "malloc,32m", "-p", "feature=+http2"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [VARNISHD, *options, "-a", f"127.0.0.1:{port}", "-f", str(folder / "millpond.vcl")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        await_connection(port, process, folder / "log")
        yield
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def await_connection(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the process takes connections."""
    ends = time.monotonic() + _START_SECONDS
    while time.monotonic() < ends:
        assert process.poll() is None, log.read_text("utf-8")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"it took more than {_START_SECONDS} s to start\n{log.read_text('utf-8')}")


@dataclass
class HeldWire:
    """Passes bytes on to a port. What comes back is counted, and kept back while it is held."""

    to: int
    port: int = 0
    answers: int = 0
    """How many pieces have come back."""
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when one comes back."""
    open: asyncio.Event = field(default_factory=asyncio.Event)
    _connections: set[asyncio.Task[None]] = field(default_factory=set)

    def hold(self) -> None:
        self.open.clear()
        self.answered.clear()

    async def until(self, answers: int) -> None:
        """Wait until so many pieces have come back."""
        while self.answers < answers:
            self.answered.clear()
            await asyncio.wait_for(self.answered.wait(), 20)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.to)
        passing = asyncio.create_task(_pass(reader, back))
        try:
            while piece := await there.read(65536):
                self.answers += 1
                self.answered.set()
                await self.open.wait()
                writer.write(piece)
                await writer.drain()
        except ConnectionError:
            return
        finally:
            passing.cancel()
            back.close()
            writer.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def held_wire(to: int) -> AsyncIterator[HeldWire]:
    """A wire to the port `to`; it lets everything through until it is held."""
    made = HeldWire(to)
    made.open.set()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        made.open.set()
        server.close()


def toml_of(purger: dict[str, Any]) -> str:
    """The tables of a configuration with one Varnish."""
    said = {"kind": "varnish", **purger}
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in said.items())
    return f'[cdn]\nheaders = ["xkey"]\ncdn_cache_control = true\n\n[[cdn.purge]]\n{lines}'
