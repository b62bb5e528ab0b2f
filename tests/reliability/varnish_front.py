"""Varnish in front of a server, with the VCL of docs/deploy.md; and a wire between two of them that can be held."""

from __future__ import annotations

import asyncio
import json
import shutil
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fronts import SBIN, shown

from started_server import started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

VARNISHD = shutil.which("varnishd", path=SBIN)


def has_xkey() -> bool:
    """Whether vmod xkey is installed (Debian: varnish-modules)."""
    return any(Path("/usr/lib").glob("*/varnish/vmods/libvmod_xkey.so"))


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
    command = [VARNISHD, *options, "-a", f"127.0.0.1:{port}", "-f", str(folder / "millpond.vcl")]
    with started(command, port, folder / "log"):
        yield


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
