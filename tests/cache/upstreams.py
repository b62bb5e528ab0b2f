"""An upstream on 127.0.0.1 that counts, fails and waits as a test says."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass(frozen=True)
class Seen:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Upstream:
    """Answers each request with its path and how many there were: "/a 1", "/a 2"."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """In place of path and number."""
    redirects: dict[str, str] = field(default_factory=dict)
    """Paths that are answered by a 302 to another URL."""
    hangs_up: bool = False
    """Close the connection in place of an answer."""
    open: asyncio.Event = field(default_factory=asyncio.Event)
    """No request is answered while it isn't set."""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by each request that arrives."""
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def requests(self) -> int:
        return len(self.seen)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            seen = await _request(reader)
            self.seen.append(seen)
            path = seen.target.partition("?")[0]
            self.counts[path] += 1
            number = self.counts[path]
            self.arrived.set()
            await self.open.wait()
            if not self.hangs_up:
                writer.write(self._answer(seen, f"{path} {number}".encode()))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # the client went away
        finally:
            writer.close()

    def _answer(self, seen: Seen, numbered: bytes) -> bytes:
        path = seen.target.partition("?")[0]
        if path in self.redirects:
            head = ["HTTP/1.1 302 Found", f"Location: {self.redirects[path]}", "Content-Length: 4", "Connection: close"]
            return "\r\n".join([*head, "", "this"]).encode()
        body = numbered if self.body is None else self.body
        headers = {"Content-Length": str(len(body)), "Connection": "close", **self.headers}
        lines = [f"HTTP/1.1 {self.status} Whatever", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + (b"" if seen.method == "HEAD" else body)

    def hold(self) -> None:
        """Let requests wait for `open`, and forget those that have arrived."""
        self.open.clear()
        self.arrived.clear()


async def _request(reader: asyncio.StreamReader) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Seen(method, target, headers, body)


@asynccontextmanager
async def upstream() -> AsyncIterator[Upstream]:
    """One for the time of a test."""
    served = Upstream()
    served.open.set()
    server = await asyncio.start_server(served.handle, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield served
    finally:
        served.open.set()
        server.close()
        await server.wait_closed()
