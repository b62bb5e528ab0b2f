"""The floor of a server in Python: an asyncio protocol on uvloop that writes the same bytes for whatever it is sent."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import uvloop

BODY = Path(os.environ["BENCH_BODY"]).read_bytes()
HEAD = (
    b"HTTP/1.1 200 OK\r\ndate: Sat, 28 Nov 2026 00:00:00 GMT\r\nx-one: 1\r\nx-two: 2\r\n"
    b'content-type: application/json\r\netag: "0123456789abcdef0123456789abcdef"\r\nvary: accept-encoding\r\n'
    b"cache-control: s-maxage=31536000\r\nage: 3\r\ncache-status: Millpond; hit; detail=fresh\r\n"
    b"x-nextjs-cache: HIT\r\ncontent-length: %d\r\n\r\n"
)
ANSWER = HEAD % len(BODY) + BODY


class Constant(asyncio.Protocol):
    """Takes each piece of bytes for one request, as the load sends it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(ANSWER)  # type: ignore[attr-defined]


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Constant, "127.0.0.1", int(sys.argv[1]), backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
