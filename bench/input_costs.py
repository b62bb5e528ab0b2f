"""What each parsed part of a request costs for its length: CPU and memory, and how they grow when it doubles.

Run: python bench/input_costs.py (about a minute; --only WORD measures the inputs whose name has WORD in it). It prints
the table of docs/reliability.md. A hostile request of each kind goes through the protocol at the socket, as the kernel
would hand it over; only the socket isn't there. It asserts nothing; the least of several rounds counts.

The growth is the exponent of the length: 1 is linear. Where a bound keeps a part from being looked at, it is less.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import logging
import math
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import uvicorn
from uvicorn.server import ServerState

from millpond import Millpond
from millpond.config import parse_config
from millpond.serve.connection.protocol import hit_protocol
from millpond.serve.hits import access

if TYPE_CHECKING:
    from collections.abc import Callable

ROUTES = {
    "hit": "revalidate = 3600\ndef GET(): return 'still water'\n",
    "items/[...path]": "def GET(path: list[str], request): return len(path) + len(request.query_params)\n",
    "ondemand/[...path]": "revalidate = 60\ndef generate_static_params(): return []\n"
    "def GET(path: list[str]): return len(path)\n",
    "picked": "revalidate = 60\ncache_query = ('a',)\ndef GET(a: str = ''): return len(a)\n",
    "headers": "def GET(request): return len(request.headers.items())\n",
    "cookies": "def GET(request): return len(request.cookies)\n",
    "body": "async def POST(request): return len(await request.body())\n",
    "json": "async def POST(request): return len(await request.json())\n",
    "model": "from pydantic import BaseModel\nclass Order(BaseModel):\n    names: list[str]\n"
    "def POST(order: Order): return len(order.names)\n",
    "form": "async def POST(request): return len(await request.form())\n",
}
KEY = "0123456789abcdef"
CONFIG: dict[str, Any] = {
    "cache": {"store": "memory"},
    "revalidate_endpoint": {"secret": KEY, "per_minute": 1_000_000},
}
PIECE = 64 * 1024
"""Bytes that the event loop hands over at once."""
NUMBERS = itertools.count(1000)
ROUNDS = 5
PATH_BOUND, HEADER_BOUND, BODY = 7_000, 60_000, 1_000_000
"""Bytes of the longer request, below the bounds on paths and headers."""


class Input(NamedTuple):
    """A part of a request, and how a request with so many bytes of it is made."""

    name: str
    longest: int
    request: Callable[[int], bytes]
    piece: int = PIECE


def get(path: str, *headers: bytes, method: bytes = b"GET") -> bytes:
    lines = b"".join(b"%s\r\n" % header for header in (b"Host: x", *headers))
    return b"%s %s HTTP/1.1\r\n%s\r\n" % (method, path.encode(), lines)


def post(path: str, kind: str, body: bytes, *headers: bytes) -> bytes:
    told = (b"Content-Type: %s" % kind.encode(), b"Content-Length: %d" % len(body), *headers)
    return get(path, *told, method=b"POST") + body


def filled(unit: str, length: int) -> str:
    return unit * (length // len(unit))


def many(unit: bytes, length: int) -> list[bytes]:
    return [unit] * (length // (len(unit) + 2))


def multipart(*parts: bytes) -> bytes:
    body = b"".join(b"--x\r\n%s\r\n" % part for part in parts) + b"--x--\r\n"
    return post("/form", "multipart/form-data; boundary=x", body)


def file_of(content: bytes) -> bytes:
    return b'Content-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + content


def chunked(length: int) -> bytes:
    return get("/body", b"Transfer-Encoding: chunked", method=b"POST") + b"1\r\nx\r\n" * (length // 6) + b"0\r\n\r\n"


def revalidation(length: int, unit: str, name: str) -> bytes:
    order = json.dumps({name: [f"{unit}{number}" for number in range(length // (len(unit) + 8))]}).encode()
    return post("/api/revalidate", JSON, order, AUTHORIZED)


def path(name: str, start: str, unit: str) -> Input:
    return Input(f"path: {name}", PATH_BOUND, lambda length: get(start + filled(unit, length)))


def segments(length: int) -> str:
    """Nearly as many as a path may have, of `length` bytes together."""
    return f"/{'a' * (length // 60 - 1)}" * 60


def on_hit(name: str, unit: str) -> Input:
    return Input(f"{name}: on a hit", HEADER_BOUND, lambda n: get("/hit", f"{name}: {filled(unit, n)}".encode()))


def json_of(name: str, content: Callable[[int], bytes], to: str = "/json") -> Input:
    return Input(f"JSON: {name}", BODY, lambda length: post(to, JSON, content(length)))


FORM, JSON = "application/x-www-form-urlencoded", "application/json"
AUTHORIZED = b"Authorization: Bearer " + KEY.encode()

PATHS = [
    path("one segment", "/items/", "a"),
    Input("path: many segments", PATH_BOUND, lambda n: get("/items" + segments(n))),
    path("escapes", "/items/", "%C3%A9"),
    path("slashes (308)", "/items/", "/"),
    Input("path: no route (404)", PATH_BOUND, lambda n: get("/none" + segments(n))),
    Input("path: rendered", PATH_BOUND, lambda n: get(f"/ondemand{segments(n)}/{next(NUMBERS)}")),
    path("query, parameters", "/items/a?", "a=1&"),
    path("query, escapes", "/items/a?a=", "%41"),
    path("query in the key", "/picked?", "a=1&"),
]
HEADERS = [
    Input("headers: one", HEADER_BOUND, lambda n: get("/headers", b"X: " + b"a" * n)),
    Input("headers: one, a byte at a time", HEADER_BOUND, lambda n: get("/headers", b"X: " + b"a" * n), 1),
    Input("headers: many", HEADER_BOUND, lambda n: get("/headers", *many(b"X: a", n // 2))),
    Input("cookies: one, backslashes", HEADER_BOUND, lambda n: get("/cookies", b'Cookie: a="%s"' % (b"\\" * n))),
    Input("cookies: many", HEADER_BOUND, lambda n: get("/cookies", b"Cookie: " + b"a=b;" * (n // 4))),
    Input(
        "cookies: draft mode's on a hit",
        HEADER_BOUND,
        lambda n: get("/hit", b"Cookie: __prerender_bypass=" + b"\\" * n),
    ),
    on_hit("If-None-Match", '"",'),
    on_hit("If-Modified-Since", "1 "),
    on_hit("If-Match", '"",'),
    on_hit("Accept-Encoding", "a;q=0.1,"),
    on_hit("Range", "0-1,"),
]
BODIES = [
    Input("body: as it is", BODY, lambda n: post("/body", "text/plain", b"a" * n)),
    Input("body: a byte at a time", HEADER_BOUND, lambda n: post("/body", "text/plain", b"a" * n), 1),
    Input("body: chunks of one byte", BODY, chunked),
    json_of("numbers", lambda n: b"[%s1]" % (b"1," * (n // 2))),
    json_of("a string", lambda n: b'"%s"' % (b"\\n" * (n // 2))),
    json_of("brackets", lambda n: b"[" * n, "/model"),
    json_of("a long number", lambda n: b"[%s]" % (b"9" * n), "/model"),
    json_of("a model", lambda n: b'{"names":["a"%s]}' % (b',"a"' * (n // 4)), "/model"),
    Input(
        "JSON: a model, all wrong",
        HEADER_BOUND,
        lambda n: post("/model", JSON, b'{"names":[1%s]}' % (b",1" * (n // 2))),
    ),
    Input("form: fields", BODY, lambda n: post("/form", FORM, b"a=1&" * (n // 4))),
    Input("form: escapes", BODY, lambda n: post("/form", FORM, b"a=" + b"%41" * (n // 3))),
    Input("multipart: a file", BODY, lambda n: multipart(file_of(b"a" * n))),
    Input("multipart: almost boundaries", BODY, lambda n: multipart(file_of(b"\r\n--" * (n // 4)))),
    Input(
        "multipart: Content-Type", HEADER_BOUND, lambda n: post("/form", f"multipart/form-data{filled(';', n)}", b"")
    ),
    Input("multipart: parts", BODY, lambda n: multipart(*many(file_of(b""), n))),
    Input("multipart: a part's headers", BODY, lambda n: multipart(b"X: a\r\n" * (n // 6) + file_of(b""))),
    Input("multipart: a part's header", BODY, lambda n: multipart(b"X: " + b"a" * n + b"\r\n" + file_of(b""))),
    Input("revalidation: tags", HEADER_BOUND, lambda n: revalidation(n, "t", "tags")),
    Input("revalidation: paths", HEADER_BOUND, lambda n: revalidation(n, "/p", "paths")),
    Input("revalidation: brackets", HEADER_BOUND, lambda n: post("/api/revalidate", JSON, b"[" * n, AUTHORIZED)),
]


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """Nobody is at the other end."""

    def pause_reading(self) -> None:
        """What is left is handed over by `asked`, in its own time."""

    def resume_reading(self) -> None:
        """As `pause_reading`."""


class Measured(NamedTuple):
    """Of one request."""

    status: int
    seconds: float
    """Of CPU."""
    peak: int
    """Bytes that were allocated at once."""


class Server:
    """A pond behind its protocol."""

    def __init__(self, pond: Millpond) -> None:
        if pond.hits is None:
            raise RuntimeError("the pond hasn't started")
        self._config = uvicorn.Config(pond, log_config=None, access_log=False)
        self._config.load()
        self._protocol = hit_protocol(pond.config.server, pond.hits)

    async def asked(self, request: bytes, piece: int = PIECE) -> int:
        """The status of the answer to a request on a new connection."""
        state, wire = ServerState(), Wire()
        protocol = self._protocol(self._config, state, {})
        protocol.connection_made(wire)
        for at in range(0, len(request), piece):
            protocol.data_received(request[at : at + piece])
            await asyncio.sleep(0)
        while state.tasks:
            await asyncio.wait(state.tasks)
        protocol.connection_lost(None)
        return int(wire.written.split(b" ", 2)[1])

    async def measured(self, each: Input, length: int) -> Measured:
        seconds, status = math.inf, 0
        for _ in range(ROUNDS):
            request = each.request(length)
            gc.collect()
            began = time.process_time()
            status = await self.asked(request, each.piece)
            seconds = min(seconds, time.process_time() - began)
        request = each.request(length)
        tracemalloc.start()
        await self.asked(request, each.piece)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return Measured(status, seconds, peak)


async def row(server: Server, each: Input) -> str:
    half = each.longest // 2
    shorter, longer = await server.measured(each, half), await server.measured(each, each.longest)
    per_kb = max(0.0, (longer.seconds - shorter.seconds) / (each.longest - half)) * 1e9
    cells = (
        each.name,
        f"{half:,} and {each.longest:,}",
        longer.status,
        f"{longer.seconds * 1e3:.2f}",
        f"{per_kb:.1f}",
        f"{math.log2(longer.seconds / shorter.seconds):.1f}",
        f"{longer.peak / each.longest:.1f}",
        f"{math.log2(longer.peak / shorter.peak):.1f}",
    )
    return f"| {' | '.join(map(str, cells))} |"


async def measure(app: Path, only: str) -> None:
    config = parse_config(CONFIG, "the benchmark")
    await Millpond(app, config=config).build()
    pond = Millpond(app, config=config)
    async with pond.lifespan():
        server = Server(pond)
        for _ in range(2):
            await server.asked(get("/hit"))
        say("| input | bytes | status | CPU ms | µs per kB | growth | memory per byte | growth |")
        say("|---|---|---|---|---|---|---|---|")
        for each in (*PATHS, *HEADERS, *BODIES):
            if only in each.name:
                say(await row(server, each))


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="WORD", help="only inputs whose name has WORD in it")
    logging.disable(logging.CRITICAL)
    access.setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        app = Path(folder) / "app"
        for path, source in ROUTES.items():
            file = app / path / "route.py"
            file.parent.mkdir(parents=True)
            file.write_text(source, "utf-8")
        asyncio.run(measure(app, parser.parse_args().only))


if __name__ == "__main__":
    main()
