"""Requests of pages of other origins, to two applications of one build: one answers by itself, one inside Starlette's.

The first has `[cors]`, or Starlette's CORSMiddleware as its only middleware, and is asked at the socket. The other one
has Starlette's CORSMiddleware around it, and is asked through ASGI. Both must write the same bytes.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.middleware.cors import CORSMiddleware
from three_ways import KNOWN, ROUTES, Way, _Log

from millpond.serve.connection.bounded import bounded_protocol
from millpond.serve.connection.protocol import hit_protocol
from ponds import turns

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator, Sequence

    from ponds import Project

OPTIONS: tuple[dict[str, Any], ...] = (
    {"allow_origins": ["https://a.example", "https://b.example"]},
    {"allow_origins": ["*"], "expose_headers": ["ETag", "Age"], "max_age": 5},
    {"allow_origins": ["*"], "allow_credentials": True, "allow_methods": ["*"], "allow_headers": ["*"]},
    {
        "allow_origins": ["null"],
        "allow_origin_regex": r"https://\w\.example",
        "allow_methods": ["GET", "PUT"],
        "allow_headers": ["X-Token", "content-type"],
        "allow_private_network": True,
    },
)
MIDDLEWARE = """
from fastapi.middleware.cors import CORSMiddleware


def register(app):
    app.add_middleware(CORSMiddleware, **{})
"""
ORIGINS = (b"https://a.example", b"https://b.example", b"https://evil.example", b"null", b"", b"*", b"https://\xe9.x")
_PATHS = (
    *(
        [b"/plain", b"/long", b"/text", b"/fresh", b"/items/1", b"/items/a%2Fb", b"/missing", b"/emptied", b"/reset"]
        * 3
    ),
    *(b"/plain?a=1", b"/picked", b"/picked?size=1", b"/live", b"/nothing", b"/plain/", b"/%zz", b"/" + b"a" * 1200),
    *(b"/own-head", b"/said/odd", b"/told/odd", b"/said/x%0D%0Aset-cookie:%20a=b", b"/" + b"a/" * 70),
)
_HEADERS = (
    *((b"Accept-Encoding", value) for value in (b"gzip, br", b"identity", b"zstd")),
    *((b"If-None-Match", value) for value in (b"@ETAG@", b"*", b'"other"')),
    *((b"Cookie", b"a=b"), (b"Authorization", b"Bearer x"), (b"X-Long", b"x" * 2100), (b"Range", b"bytes=0-3")),
    *((b"Access-Control-Request-Method", value) for value in (b"GET", b"PUT", b"TRACE")),
    *((b"Access-Control-Request-Headers", value) for value in (b"x-token", b"X-Token, content-type", b"x-other")),
    (b"Access-Control-Request-Private-Network", b"true"),
)
_METHODS = [b"GET"] * 10 + [b"HEAD"] * 3 + [b"OPTIONS"] * 5 + [b"POST", b"PUT", b"DELETE"]


def request(chance: random.Random, etag: bytes) -> bytes:
    """One request: with no Origin, with one, or with two of which the first one counts."""
    headers = [(b"Host", b"shop.example"), *chance.sample(_HEADERS, chance.randint(0, 3))]
    headers += [(b"Origin", chance.choice(ORIGINS)) for _ in range(chance.choice((0, 1, 1, 1, 1, 2)))]
    method = chance.choice(_METHODS)
    if method == b"OPTIONS" and chance.random() < 0.7:
        headers.append((b"Access-Control-Request-Method", chance.choice((b"GET", b"PUT", b"TRACE"))))
    chance.shuffle(headers)
    lines = (method + b" " + chance.choice(_PATHS) + b" HTTP/1.1", *(name + b": " + value for name, value in headers))
    return b"\r\n".join((*lines, b"", b"")).replace(b"@ETAG@", etag)


class Answer(NamedTuple):
    """What one way wrote, and whether it closed the connection."""

    written: bytes
    closed: bool


class CorsWays:
    """The two, and the statuses that the first one has answered."""

    def __init__(self, ours: Way, theirs: Way, etag: bytes) -> None:
        self._ours, self._theirs, self.etag = ours, theirs, etag
        self.statuses: set[bytes] = set()

    async def differences(self, *pieces: bytes) -> list[str]:
        """What both write for `pieces` on one connection, where it isn't the same."""
        ours, theirs = [await _said(way, pieces) for way in (self._ours, self._theirs)]
        self.statuses |= set(re.findall(rb"HTTP/1.1 (...)", ours.written))
        return [] if ours == theirs else [f"{pieces!r}\n  {ours}\n  {theirs}"]

    async def asks_the_application(self, piece: bytes) -> bool:
        """Whether the first one takes more than the socket to answer."""
        protocol, wire, state = self._ours.connect()
        protocol.data_received(piece)
        at_once = bool(wire.written)
        while state.tasks:
            await asyncio.wait(state.tasks)
            await turns(2)
        protocol.connection_lost(None)
        return not at_once


async def _said(way: Way, pieces: Sequence[bytes]) -> Answer:
    seen = await way.say(pieces)
    return Answer(seen.written, seen.closed)


@asynccontextmanager
async def cors_ways(
    project: Project, options: dict[str, Any], *, recognised: bool, **config: Any
) -> AsyncIterator[CorsWays]:
    """Build, start both, and make every path of theirs known.

    Args:
        project: empty.
        options: for CORSMiddleware, or for `[cors]`.
        recognised: both have a CORSMiddleware, and neither `[cors]`.
        config: further tables, for both. What is configured by them is compared with itself, through ASGI.
    """
    project.routes(ROUTES)
    project.config["server"] = {"max_path_bytes": 1000, "shutdown_timeout": 2.0}
    if recognised:
        project.write({"instrumentation.py": MIDDLEWARE.format(options)})
    await project.built()
    own = config if recognised else {**config, "cors": options}
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(project.started(**own))
        theirs = await stack.enter_async_context(project.started(**(own if config else {})))
        around: Any = theirs.pond
        if not recognised and not config:
            around = CORSMiddleware(theirs.pond, **options)
        for path in KNOWN:
            for running in (ours, theirs):
                await running.get(path)
                await running.get(path)
        etag = (await ours.get("/plain")).headers["etag"].encode()
        assert ours.pond.hits is not None
        bounds = ours.pond.config.server
        yield CorsWays(
            Way(ours.pond, hit_protocol(bounds, ours.pond.hits), _Log()),
            Way(around, bounded_protocol(bounds), _Log()),
            etag,
        )
