"""What is measured under load: hits of several kinds, misses, live answers, and mixtures."""

from __future__ import annotations

import contextlib
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import scripts
from load import BROWSER, load
from peers import OTHER_ORIGIN
from process import CLIENT_CORE
from rounds import Entrant, compare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from peers import Peer
    from process import Served
    from results import Case

KEYS = 10_000
STORING = ("keys", "misses")
"""Cases that store thousands of answers."""


@dataclass
class Bench:
    """The servers that run, and how long each is loaded."""

    peers: dict[str, Peer]
    servers: dict[str, Served]
    folder: Path
    rounds: int
    seconds: float

    def entrant(
        self, peer: str, path: str = "hit", *, name: str = "", title: str = "", **options: object
    ) -> list[Entrant]:
        """One entrant, or none where the peer is missing."""
        if peer not in self.servers or path not in self.peers[peer].paths:
            return []
        known = self.peers[peer]
        return [
            Entrant(
                name or peer,
                title or known.title,
                self.servers[peer],
                known.paths[path],
                warm=known.warm,
                **options,  # type: ignore[arg-type]
            )
        ]

    def compare(self, title: str, *entrants: list[Entrant]) -> Case:
        return compare(title, [each for some in entrants for each in some], self.rounds, self.seconds)

    def etag(self, peer: str, path: str = "hit") -> dict[str, str]:
        """What a client sends that holds the answer."""
        if peer not in self.servers or path not in self.peers[peer].paths:
            return {}
        answer = self.servers[peer].get(self.peers[peer].paths[path])
        return {"If-None-Match": answer.headers.get("etag", "*")}


def hits(bench: Bench) -> Case:
    return bench.compare(
        "Hits: the same kilobyte of JSON for everybody",
        bench.entrant("nginx", "return", name="nginx-return", title="nginx, return"),
        bench.entrant("nginx", "file", name="nginx-file", title="nginx, file"),
        bench.entrant("nginx", "proxy", name="nginx-proxy", title="nginx, proxy_cache"),
        bench.entrant("varnish"),
        bench.entrant("millpond"),
        bench.entrant("millpond-asgi"),
        bench.entrant("raw-asgi"),
        bench.entrant("litestar"),
        bench.entrant("fastapi"),
        bench.entrant("next"),
    )


def browser(bench: Bench) -> Case:
    return bench.compare(
        "Hits with a browser's headers (about 600 bytes)",
        bench.entrant("nginx", "return", name="nginx-return", title="nginx, return", headers=BROWSER),
        bench.entrant("nginx", "proxy", name="nginx-proxy", title="nginx, proxy_cache", headers=BROWSER),
        bench.entrant("millpond", name="millpond", headers=BROWSER),
        bench.entrant("millpond", name="millpond-plain", title="Millpond, plain headers"),
        bench.entrant("next", headers=BROWSER),
    )


def not_modified(bench: Bench) -> Case:
    return bench.compare(
        "304: the client holds the answer",
        bench.entrant("nginx", "file", name="nginx-file", title="nginx, file", headers=bench.etag("nginx", "file")),
        bench.entrant("millpond", name="millpond", headers=bench.etag("millpond")),
        bench.entrant("millpond", name="millpond-hit", title="Millpond, the whole answer"),
    )


def cors(bench: Bench) -> Case:
    origin = {"Origin": OTHER_ORIGIN}
    signed_in = {"Cookie": "session=" + "0123456789abcdef" * 4}
    return bench.compare(
        "Hits that pages of another origin ask for",
        bench.entrant("millpond-cors", headers=origin),
        bench.entrant("millpond", name="millpond-plain", title="Millpond, plain"),
        bench.entrant(
            "millpond-cors",
            name="millpond-cors-cookie",
            title="Millpond, with CORS and a cookie",
            headers={**origin, **signed_in},
        ),
        bench.entrant("millpond", name="millpond-cookie", title="Millpond, plain and a cookie", headers=signed_in),
    )


def many_keys(bench: Bench) -> Case:
    def script(_: int) -> Path:
        return scripts.keys(bench.folder, "/items/", KEYS)

    _render_all(bench)
    return bench.compare(
        f"Hits on {KEYS:,} paths at random",
        bench.entrant("millpond", "cold", name="millpond", script=script, title=f"Millpond, {KEYS:,} paths"),
        bench.entrant("millpond", name="millpond-one", title="Millpond, one path"),
        bench.entrant("nginx", "return", name="nginx-return", title="nginx, return (one path)"),
    )


def _render_all(bench: Bench) -> None:
    """Ask for each of the paths a few times: a path is known after its first hit, and its bytes after the second."""
    for _ in range(3):
        asked = 0
        while "millpond" in bench.servers and asked < KEYS:
            script = scripts.cold(bench.folder, "/items/", asked - 1)
            asked += load(bench.servers["millpond"].port, "/", 2, script=script).requests


def misses(bench: Bench) -> Case:
    first = iter(range(1_000_000, 1_000_000_000, 1_000_000))

    def cold(peer: str) -> list[Entrant]:
        if peer not in bench.servers:
            return []
        prefix = bench.peers[peer].paths["cold"]

        def prefixed(_: int) -> Path:
            return scripts.cold(bench.folder, prefix, next(first))

        return bench.entrant(peer, "cold", script=prefixed)

    return bench.compare(
        "Misses: paths that nobody asked for before, rendered and stored", cold("millpond"), cold("next")
    )


def live(bench: Bench) -> Case:
    return bench.compare(
        "Live: a handler runs for each request and gives the kilobyte as data",
        bench.entrant("millpond", "live"),
        bench.entrant("fastapi", "raw", name="fastapi-raw", title="FastAPI, a ready Response"),
        bench.entrant("fastapi", "live", name="fastapi-data", title="FastAPI, the same data"),
        bench.entrant("next", "live"),
    )


def mixed(bench: Bench) -> Case:
    def script(_: int) -> Path:
        paths = bench.peers["millpond"].paths
        return scripts.mixed(bench.folder, paths["hit"], paths["invalidate"], 1000)

    return bench.compare(
        "Hits, of which one in a thousand requests invalidates the path",
        bench.entrant("millpond", name="millpond", script=script),
        bench.entrant("millpond", name="millpond-hit", title="Millpond, hits only"),
    )


def beside_slow(bench: Bench) -> Case:
    """Hits while eight clients keep slow live handlers busy."""
    with _background(bench):
        return bench.compare(
            "Hits while slow live handlers run (8 clients; 50 ms and 20 KB each)",
            bench.entrant("millpond", name="millpond"),
        )


@contextlib.contextmanager
def _background(bench: Bench) -> Iterator[None]:
    server, path = bench.servers["millpond"], bench.peers["millpond"].paths["slow"]
    longest = f"{(bench.seconds + 2) * (bench.rounds + 2) + 30:.0f}s"
    command = ["taskset", "-c", CLIENT_CORE, "wrk", "-t1", "-c8", f"-d{longest}"]
    running = subprocess.Popen(  # noqa: S603 - wrk, on this machine
        [*command, f"http://127.0.0.1:{server.port}{path}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        running.terminate()
        running.wait(10)


CASES: dict[str, Callable[[Bench], Case]] = {
    "hits": hits,
    "browser": browser,
    "304": not_modified,
    "cors": cors,
    "keys": many_keys,
    "misses": misses,
    "live": live,
    "mixed": mixed,
    "slow": beside_slow,
}
