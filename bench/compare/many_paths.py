"""Cases with many paths: hits at random, misses, and what invalidations cost the others."""

from __future__ import annotations

import contextlib
from itertools import count
from typing import TYPE_CHECKING

import scripts
from peers.ponds import MANY, STALE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench import Bench
    from results import Case
    from rounds import Entrant

KEYS, KNOWN = 10_000, 1_000
MISS_EVERY, INVALIDATE_EVERY = 20, 100
_AT_ONCE = 64
"""Connections that ask for what is stale."""
_unasked = count(1_000_000, 1_000_000)
"""Where the numbers of paths begin that nobody asked for before."""


def ten_thousand_keys(bench: Bench) -> Case:
    def script(_: int) -> Path:
        return scripts.keys(bench.folder, "/items/", KEYS)

    bench.ask_each("millpond", "cold", KEYS, 3)
    return bench.compare(
        f"Hits on {KEYS:,} paths at random",
        bench.entrant("millpond", "cold", name="millpond", script=script, title=f"Millpond, {KEYS:,} paths"),
        bench.entrant("millpond", name="millpond-one", title="Millpond, one path"),
        bench.entrant("nginx", "return", name="nginx-return", title="nginx, return (one path)"),
    )


def many_keys(bench: Bench) -> Case:
    def script(_: int) -> Path:
        return scripts.keys(bench.folder, "/many/", MANY)

    bench.ask_each("millpond-many", "many", MANY, 2)
    bench.ask_each("nginx", "many", MANY, 1)
    return bench.compare(
        f"Hits on {MANY:,} paths at random",
        bench.entrant("millpond-many", "many", name="millpond", script=script),
        bench.entrant("millpond-many", name="millpond-one", title="Millpond, one path of that server"),
        bench.entrant("nginx", "many", name="nginx-proxy", title=f"nginx, proxy_cache, {MANY:,} paths", script=script),
        bench.entrant("nginx", "return", name="nginx-return", title="nginx, return (one path)"),
    )


def misses(bench: Bench) -> Case:
    def unasked(peer: str) -> list[Entrant]:
        def script(_: int) -> Path:
            return scripts.cold(bench.folder, bench.peers[peer].paths["cold"], next(_unasked))

        return bench.entrant(peer, "cold", script=script)

    return bench.compare(
        "Misses: paths that nobody asked for before, rendered and stored",
        *(unasked(peer) for peer in ("millpond", "cashews", "nitro", "next")),
    )


def some_misses(bench: Bench) -> Case:
    def mostly_known(peer: str) -> list[Entrant]:
        def script(_: int) -> Path:
            prefix = bench.peers[peer].paths["cold"]
            return scripts.some_misses(bench.folder, prefix, KNOWN, next(_unasked), MISS_EVERY)

        bench.ask_each(peer, "cold", KNOWN, 3)
        return bench.entrant(peer, "cold", script=script)

    return bench.compare(
        f"{100 // MISS_EVERY} % misses; the other requests hit {KNOWN:,} paths at random",
        *(mostly_known(peer) for peer in ("millpond", "cashews", "nitro", "next")),
        _hits_on_known(bench),
    )


def invalidations(bench: Bench) -> Case:
    def invalidated(peer: str) -> list[Entrant]:
        def script(_: int) -> Path:
            paths = bench.peers[peer].paths
            return scripts.writes(bench.folder, paths["cold"], paths["invalidate-one"], KNOWN, INVALIDATE_EVERY)

        bench.ask_each(peer, "cold", KNOWN, 3)
        return bench.entrant(peer, "cold", script=script)

    return bench.compare(
        f"Hits on {KNOWN:,} paths at random, of which {100 // INVALIDATE_EVERY} % of the requests invalidates one",
        invalidated("millpond"),
        _hits_on_known(bench),
        invalidated("next") if bench.has("next", "invalidate-one") else [],
    )


def _hits_on_known(bench: Bench) -> list[Entrant]:
    def script(_: int) -> Path:
        return scripts.keys(bench.folder, bench.peers["millpond"].paths["cold"], KNOWN)

    return bench.entrant("millpond", "cold", name="millpond-hits", script=script, title="Millpond, hits only")


def stale_at_once(bench: Bench) -> Case:
    """The processor time is that of all requests and renders, by the hits that are measured: read the p99."""
    peer = "millpond-many"

    @contextlib.contextmanager
    def asked(*, stale: bool) -> Iterator[None]:
        if stale and bench.servers[peer].post(bench.peers[peer].paths["age"]).status != 200:
            raise RuntimeError("the pages can't be made stale")
        each = scripts.each(bench.folder, bench.peers[peer].paths["stale"], STALE, 0)
        with bench.beside(peer, "stale", connections=_AT_ONCE, script=each):
            yield
        if stale:  # those that nobody asked for are stale still
            bench.ask_each(peer, "stale", STALE, 1)
        bench.calm(peer)

    bench.ask_each(peer, "stale", STALE, 2)
    return bench.compare(
        f"Hits while {STALE:,} other pages are stale at once, and {_AT_ONCE} clients ask for them",
        bench.entrant(peer, name="millpond", title="Millpond", beside=lambda: asked(stale=True)),
        bench.entrant(peer, name="millpond-fresh", title="Millpond, none stale", beside=lambda: asked(stale=False)),
        bench.entrant(peer, name="millpond-idle", title="Millpond, nobody asks for others"),
        rounds=min(3, bench.rounds),
        seconds=3 * bench.seconds,  # until most of them have been asked for
    )
