"""What the steps of a hit cost in Python, in microseconds: the profile behind the figures of docs/performance.md.

Run: python bench/hit_costs.py. There is no socket and no kernel in it, so that what is left is Millpond's own. It
asserts nothing; the least of several rounds counts, since other processes only ever add to it.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
import timeit
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.server import ServerState

from millpond import Millpond
from millpond.config import parse_config
from millpond.serve.access.access_log import access
from millpond.serve.connection.protocol import hit_protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ROUTE = 'revalidate = 3600\n\n\ndef GET():\n    return {"text": "x" * 1000}\n'
CORS = parse_config({"cors": {"allow_origins": ["https://pages.example"]}}, "bench/hit_costs.py")
UNCOUNTED = parse_config({"metrics": {"counters": False}}, "bench/hit_costs.py")
ORIGIN = b"Origin: https://pages.example\r\n"
VARIED = {
    "host": "cache_host = True\n",
    "vary": 'cache_vary = {"accept-language": ["en", "de"]}\n',
    "cookie": 'cache_vary = {"cookie:theme": ["light", "dark"]}\n',
    "all": 'cache_host = True\ncache_vary = {"accept-language": ["en", "de"], "cookie:theme": ["light", "dark"]}\n',
}
"""Routes with more in their keys than their path."""
BROWSER = (
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    b"Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\nAccept-Language: de-CH,de;q=0.8,en;q=0.5\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\nConnection: keep-alive\r\n"
)
THEME = b"Cookie: session=0123456789abcdef; theme=dark\r\n"
COOKIE = b"Cookie: session=0123456789abcdef\r\n"
"""A request with one isn't remembered, so it is parsed each time."""
REQUEST = b"GET /hit HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n"
SCOPE: dict[str, Any] = {
    "type": "http",
    "http_version": "1.1",
    "method": "GET",
    "path": "/hit",
    "raw_path": b"/hit",
    "root_path": "",
    "query_string": b"",
    "headers": [(b"host", b"127.0.0.1:8000")],
    "scheme": "http",
    "client": ("127.0.0.1", 1),
    "server": ("127.0.0.1", 8000),
}
ROUNDS, TIMES = 7, 20_000


class Transport(asyncio.Transport):
    """Takes what is written."""

    written = 0

    def write(self, data: Any) -> None:
        self.written += 1

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0


async def nothing(*_: object) -> dict[str, Any]:
    return {}


async def constant(scope: object, receive: object, send: Callable[..., Awaitable[object]]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def told(name: str, step: Callable[[], object]) -> None:
    least = min(timeit.repeat(step, repeat=ROUNDS, number=TIMES))
    print(f"{name:<44} {least / TIMES * 1e6:6.2f} µs")  # noqa: T201


async def awaited(name: str, app: Callable[..., Awaitable[None]]) -> None:
    async def once() -> float:
        began = timeit.default_timer()
        for _ in range(TIMES):
            await app(SCOPE, nothing, nothing)
        return timeit.default_timer() - began

    print(f"{name:<44} {min([await once() for _ in range(ROUNDS)]) / TIMES * 1e6:6.2f} µs")  # noqa: T201


def connected(pond: Millpond) -> tuple[Any, Transport]:
    """A connection that was just accepted."""
    if pond.hits is None:
        raise RuntimeError("the pond hasn't started")
    config = uvicorn.Config(pond, log_config=None, access_log=False)
    config.load()
    state, transport = ServerState(), Transport()
    state.default_headers = [(b"date", b"Sat, 28 Nov 2026 00:00:00 GMT")]
    protocol = hit_protocol(pond.config.server, pond.hits)(config, state, {})
    protocol.connection_made(transport)
    return protocol, transport


async def measure(pond: Millpond) -> None:
    await pond(dict(SCOPE), nothing, nothing)  # which makes the path known, and leaves its marks in the scope
    hits = pond.hits
    if hits is None:
        raise RuntimeError("the pond hasn't started")
    protocol, transport = connected(pond)
    protocol.data_received(REQUEST)
    request = hits.recall(REQUEST)
    if request is None or transport.written != 1:
        raise RuntimeError("the request wasn't a hit at the socket, so something else would be measured")
    told("a hit at the socket", lambda: protocol.data_received(REQUEST))
    told("  is it fresh, by the store's version", lambda: hits.prepared(request.cached_path))
    await awaited("a hit through ASGI", pond)
    await awaited("  a constant ASGI app", constant)
    told("  what it leads to", lambda: hits.lookup(SCOPE))


async def measure_counted(counted: Millpond, uncounted: Millpond) -> None:
    """Hits that are counted, by hits that aren't."""
    at_socket: dict[bool, Callable[[], object]] = {}
    for pond in (counted, uncounted):
        await pond(dict(SCOPE), nothing, nothing)
        protocol, _ = connected(pond)
        at_socket[pond is counted] = partial(protocol.data_received, REQUEST)
    rounds = [{case: timeit.timeit(step, number=TIMES) for case, step in at_socket.items()} for _ in range(ROUNDS * 3)]
    least = [min(each[case] for each in rounds) / TIMES * 1e6 for case in (True, False)]
    print(f"{'a counted hit, by one that is not':<44} {least[0]:6.2f} µs / {least[1]:.2f} µs")  # noqa: T201
    through: dict[bool, float] = {}
    for _ in range(ROUNDS * 3):
        for pond in (counted, uncounted):
            began = timeit.default_timer()
            for _ in range(TIMES // 4):
                await pond(SCOPE, nothing, nothing)
            took = (timeit.default_timer() - began) / (TIMES // 4) * 1e6
            through[pond is counted] = min(took, through.get(pond is counted, took))
    print(f"{'  through ASGI':<44} {through[True]:6.2f} µs / {through[False]:.2f} µs")  # noqa: T201


async def measure_cors(plain: Millpond, cors: Millpond) -> None:
    """Hits that pages of another origin ask for, by plain ones."""
    asked: dict[tuple[bool, bool], tuple[Callable[[], object], Transport]] = {}
    for pond, origin in ((plain, b""), (cors, ORIGIN)):
        await pond(dict(SCOPE), nothing, nothing)
        for cookie in (b"", COOKIE):
            request = REQUEST.replace(b"\r\n\r\n", b"\r\n" + origin + cookie + b"\r\n")
            protocol, transport = connected(pond)
            asked[bool(origin), bool(cookie)] = partial(protocol.data_received, request), transport
    rounds = [{case: timeit.timeit(step, number=TIMES) for case, (step, _) in asked.items()} for _ in range(ROUNDS)]
    if any(transport.written != ROUNDS * TIMES for _, transport in asked.values()):
        raise RuntimeError("a request wasn't a hit at the socket, so something else was measured")
    least = {case: min(each[case] for each in rounds) / TIMES * 1e6 for case in asked}
    for name, cookie in (("a hit with CORS, by a plain one", False), ("  parsed each time, as it has a cookie", True)):
        ours, theirs = least[True, cookie], least[False, cookie]
        print(f"{name:<44} {ours:6.2f} µs / {theirs:.2f} µs = {ours / theirs:.2f}")  # noqa: T201


async def measure_variants(pond: Millpond) -> None:
    """Hits of routes with `cache_host` and `cache_vary`, by plain ones that get the same request."""
    steps: dict[tuple[str, str], Callable[[], object]] = {}
    for name in ("hit", *VARIED):
        for kind, more in {"remembered": BROWSER, "parsed": BROWSER + THEME}.items():
            request = REQUEST.replace(b"/hit", b"/" + name.encode()).replace(b"\r\n\r\n", b"\r\n" + more + b"\r\n")
            protocol, transport = connected(pond)
            scope = _scope_of(request)
            for _ in range(3):
                await pond(dict(scope), nothing, nothing)  # the first one may be a miss
            protocol.data_received(request)
            if transport.written != 1:
                raise RuntimeError(f"{name} wasn't a hit at the socket, so something else would be measured")
            steps[name, kind] = partial(protocol.data_received, request)
            if kind == "parsed":
                steps[name, "asgi"] = partial(_run_once, pond, scope)
    timers = {case: timeit.Timer(step, timer=time.process_time) for case, step in steps.items()}
    rounds = [{case: timer.timeit(TIMES) for case, timer in timers.items()} for _ in range(ROUNDS)]
    least = {case: min(each[case] for each in rounds) / TIMES * 1e6 for case in steps}
    for (name, kind), ours in least.items():
        if name != "hit":
            theirs = least["hit", kind]
            print(f"a hit of {name + ', ' + kind:<35} {ours:6.2f} µs / {theirs:.2f} µs = {ours / theirs:.2f}")  # noqa: T201


def _scope_of(request: bytes) -> dict[str, Any]:
    line, *lines = request.decode().rstrip().split("\r\n")
    path = line.split()[1]
    pairs = (each.split(": ", 1) for each in lines)
    headers = [(name.lower().encode(), value.encode()) for name, value in pairs]
    return {**SCOPE, "path": path, "raw_path": path.encode(), "headers": headers}


def _run_once(pond: Millpond, scope: dict[str, Any]) -> None:
    """Run a hit, which waits for nothing, to its end."""
    call = pond(dict(scope), nothing, nothing)
    try:
        call.send(None)  # type: ignore[attr-defined]  # a coroutine
    except StopIteration:
        return
    raise RuntimeError("a hit through ASGI has waited for something")


def main() -> None:
    access.setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        route = Path(folder) / "app" / "hit" / "route.py"
        route.parent.mkdir(parents=True)
        route.write_text(ROUTE, "utf-8")
        for name, options in VARIED.items():
            varied = Path(folder) / "app" / name / "route.py"
            varied.parent.mkdir()
            varied.write_text(options + ROUTE, "utf-8")
        asyncio.run(_built_and_measured(Path(folder) / "app"))


async def _built_and_measured(app: Path) -> None:
    await Millpond(app).build()
    pond = Millpond(app)
    async with pond.lifespan():
        await measure(pond)
        uncounted = Millpond(app, config=UNCOUNTED)
        async with uncounted.lifespan():
            await measure_counted(pond, uncounted)
        cors = Millpond(app, config=CORS)
        async with cors.lifespan():
            await measure_cors(pond, cors)
        await measure_variants(pond)


if __name__ == "__main__":
    main()
