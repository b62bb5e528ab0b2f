"""Four hosts' worth of processes on one cache: hot and cold keys, and invalidations at 0, 10 and 1000 per second.

The shared store (a Valkey server from the test requirements) against the embedded one, on the same machine. Loopback
only; about two minutes. It asserts nothing. Each host is a process that reads through the cache as a live handler does:
what is at hand, or one fill for all that ask. A fill is an upstream that takes 5 ms.

Run: python bench/cluster.py
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "stores")]

from other_process import OtherProcess  # noqa: E402

from engines import Engine, settle  # noqa: E402
from millpond.cache.data import DataCache, DataRead, Filled  # noqa: E402
from millpond.config.store_url import parse_store_url  # noqa: E402
from millpond.policy.freshness import ANY_READER  # noqa: E402
from millpond.policy.lifetime import Lifetime  # noqa: E402
from millpond.stores.lmdb.store import LmdbStore  # noqa: E402
from millpond.stores.valkey.store import ValkeyStore  # noqa: E402

if TYPE_CHECKING:
    from millpond.stores.contract import Store

HOSTS, CLIENTS = 4, 16
HOT, COLD = 100, 100_000
_SHARE_OF_COLD = 0.02
_UPSTREAM_SECONDS = 0.005
_PAUSE_SECONDS = 0.002
"""Between two reads of a client: about 8,000 reads per second and host at most, so that the machine isn't full."""
_MAX_BYTES = 256 * 1024 * 1024
BODY = b"x" * 2000


class Seen(NamedTuple):
    """What one host saw."""

    reads: int
    hits: int
    upstream: int
    milliseconds: list[float]
    """Of a sample of the reads."""
    invalidations: list[float]
    """Milliseconds that each took."""


def shared(url: str) -> Store:
    return ValkeyStore(parse_store_url(url), prefix="bench", build="", max_bytes=_MAX_BYTES, clock=time.time)


def embedded(folder: str) -> Store:
    return LmdbStore(Path(folder), max_bytes=_MAX_BYTES, clock=time.time)


async def load(store: Store, seconds: float, per_second: float, seed: int) -> Seen:
    """Read for so long, and invalidate `per_second` hot keys."""
    cache = DataCache(store=store, clock=time.time, expire_time=3600, max_data_bytes=1 << 20, patience=10)
    chosen, upstream, reads, hits = random.Random(seed), 0, 0, 0  # noqa: S311 - a load, no secret
    taken: list[float] = []
    invalidations: list[float] = []
    ends = time.monotonic() + seconds

    async def fill(key: str, fills: list[str], _: object) -> Filled:
        nonlocal upstream
        upstream += 1
        fills.append(key)
        await asyncio.sleep(_UPSTREAM_SECONDS)
        return Filled(200, (), BODY, Lifetime(600, 3600), (f"about {key}",), storable=True)

    async def client() -> None:
        nonlocal reads, hits
        while time.monotonic() < ends:
            cold = chosen.random() < _SHARE_OF_COLD
            key = f"cold {chosen.randrange(COLD)}" if cold else f"hot {chosen.randrange(HOT)}"
            fills: list[str] = []
            began = time.perf_counter()
            read = DataRead(cache, f"function\0{key}", key, ANY_READER, partial(fill, key, fills))
            await cache.obtain(read)
            taken.append((time.perf_counter() - began) * 1000)
            reads += 1
            hits += not fills
            await asyncio.sleep(_PAUSE_SECONDS)

    async def invalidate() -> None:
        pause = 1 / per_second
        due = time.monotonic() + chosen.uniform(0, pause)
        while (now := time.monotonic()) < ends:
            if now < due:
                await asyncio.sleep(due - now)
            due += pause
            tag = f"about hot {chosen.randrange(HOT)}"
            began = time.perf_counter()
            await asyncio.to_thread(store.invalidate, [tag])  # as a sync handler does
            invalidations.append((time.perf_counter() - began) * 1000)

    work = [client() for _ in range(CLIENTS)]
    # As many as it takes: each waits for its own invalidation to hold everywhere.
    others = min(16, max(1, round(per_second / 20))) if per_second else 0
    per_second = per_second / others if others else 0
    await asyncio.gather(*work, *(invalidate() for _ in range(others)))
    return Seen(reads, hits, upstream, chosen.sample(taken, min(len(taken), 20_000)), invalidations)


def measured(name: str, hosts: list[OtherProcess], seconds: float, per_second: float) -> str:
    for number, host in enumerate(hosts):
        host.begin(load, seconds, per_second / len(hosts), number)
    seen = [host.result(seconds + 60) for host in hosts]
    reads = sum(each.reads for each in seen)
    taken = sorted(value for each in seen for value in each.milliseconds)
    waited = sorted(value for each in seen for value in each.invalidations)
    upstream = sum(each.upstream for each in seen)
    return (
        f"{name:<8}{per_second:>12.0f}{len(waited) / seconds:>10.0f}{reads / seconds:>10.0f}"
        f"{100 * sum(each.hits for each in seen) / reads:>9.1f}%{_at(taken, 50):>10.2f}{_at(taken, 99):>10.2f}"
        f"{upstream / seconds:>12.0f}{_at(waited, 50):>14.2f}{_at(waited, 99):>10.2f}"
    )


def _at(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each of six runs")
    seconds = parser.parse_args().seconds
    sys.stdout.write(
        f"{'':8}{'wanted':>12}{'done':>10}{'':>10}{'':>10}{'read':>10}{'read':>10}{'upstream':>12}"
        f"{'invalidation':>14}{'':>10}\n"
        f"{'store':<8}{'inval./s':>12}{'inval./s':>10}{'reads/s':>10}{'hits':>10}{'p50 ms':>10}{'p99 ms':>10}"
        f"{'calls/s':>12}{'p50 ms':>14}{'p99 ms':>10}\n"
    )
    for per_second in (0, 10, 1000):
        with tempfile.TemporaryDirectory(prefix="millpond-") as folder, ExitStack() as stack:
            hosts = [stack.enter_context(OtherProcess(partial(embedded, folder))) for _ in range(HOSTS)]
            sys.stdout.write(measured("lmdb", hosts, seconds, per_second) + "\n")
        with Engine() as engine, ExitStack() as stack:
            settle(engine.client(), "bench")
            hosts = [stack.enter_context(OtherProcess(partial(shared, engine.url))) for _ in range(HOSTS)]
            sys.stdout.write(measured("valkey", hosts, seconds, per_second) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
