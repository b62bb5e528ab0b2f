"""What is measured under load: hits of several kinds, misses, live answers, and mixtures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import scripts
from load import BROWSER
from many_paths import invalidations, many_keys, misses, some_misses, stale_at_once, ten_thousand_keys
from peers.ponds import OTHER_ORIGIN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench import Bench
    from results import Case

STORING = ("keys", "many-keys", "some-misses", "invalidations", "misses")
"""Cases that store thousands of answers."""


def hits(bench: Bench) -> Case:
    return bench.compare(
        "Hits: the same kilobyte of JSON for everybody",
        bench.entrant("nginx", "return", name="nginx-return", title="nginx, return"),
        bench.entrant("nginx", "file", name="nginx-file", title="nginx, file"),
        bench.entrant("nginx", "proxy", name="nginx-proxy", title="nginx, proxy_cache"),
        bench.entrant("varnish"),
        bench.entrant("bare-protocol"),
        bench.entrant("millpond"),
        bench.entrant("millpond-asgi"),
        bench.entrant("raw-asgi"),
        bench.entrant("litestar"),
        bench.entrant("cashews"),
        bench.entrant("fastapi"),
        bench.entrant("nitro", title="Nitro, defineCachedEventHandler"),
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


def variants(bench: Bench) -> Case:
    """Both sides get the same requests; one with a cookie is parsed each time."""
    asked = {**BROWSER, "Cookie": "session=0123456789abcdef; theme=dark"}
    return bench.compare(
        "Hits with the host, a language or a cookie in the key",
        bench.entrant("millpond", "tenant", name="millpond-host", title="Millpond, cache_host", headers=BROWSER),
        bench.entrant("millpond", name="millpond-plain", title="Millpond, plain", headers=BROWSER),
        bench.entrant("millpond", "themed", name="millpond-vary", title="Millpond, cache_vary", headers=asked),
        bench.entrant("millpond", name="millpond-cookie", title="Millpond, plain and a cookie", headers=asked),
        bench.entrant(
            "millpond-asgi", "themed", name="millpond-asgi-vary", title="Through ASGI, cache_vary", headers=asked
        ),
        bench.entrant("millpond-asgi", name="millpond-asgi-cookie", title="Through ASGI, plain", headers=asked),
    )


def access_log(bench: Bench) -> Case:
    return bench.compare(
        "Hits with an access log, and without",
        bench.entrant("nginx", "return", name="nginx-return", title="nginx, return, without a log"),
        bench.entrant("nginx", "log", name="nginx-log", title="nginx, return, access_log with a buffer"),
        bench.entrant("millpond", title="Millpond, --no-access-log"),
        bench.entrant("millpond-log"),
    )


def counters(bench: Bench) -> Case:
    return bench.compare(
        "Hits with counters, and without",
        bench.entrant("millpond-uncounted"),
        bench.entrant("millpond", title="Millpond, which counts"),
    )


def live(bench: Bench) -> Case:
    return bench.compare(
        "Live: a handler runs for each request and gives the kilobyte as data",
        bench.entrant("millpond", "live"),
        bench.entrant("fastapi-plain", "raw", name="fastapi-raw", title="FastAPI, a ready Response"),
        bench.entrant("fastapi-plain", "live", name="fastapi-data", title="FastAPI, the same data"),
        bench.entrant("nitro", "live"),
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
    with bench.beside("millpond", "slow"):
        return bench.compare(
            "Hits while slow live handlers run (8 clients; 50 ms and 20 KB each)",
            bench.entrant("millpond", name="millpond"),
        )


CASES: dict[str, Callable[[Bench], Case]] = {
    "hits": hits,
    "browser": browser,
    "304": not_modified,
    "cors": cors,
    "variants": variants,
    "log": access_log,
    "counters": counters,
    "keys": ten_thousand_keys,
    "many-keys": many_keys,
    "misses": misses,
    "some-misses": some_misses,
    "live": live,
    "mixed": mixed,
    "invalidations": invalidations,
    "slow": beside_slow,
    "stale": stale_at_once,
}
