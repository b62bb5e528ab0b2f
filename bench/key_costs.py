"""What visitors' paths and queries, and the tags of an invalidation, cost: time by length, and what is kept of them.

Run: python bench/key_costs.py. It asserts nothing; it takes some seconds. Time that grows faster than the input shows
as a last column over 8, which is how much longer the second input is; what is kept must not grow with it at all.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
import timeit
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from millpond.cache.invalidate import tag_of_path
from millpond.policy.entry import Entry
from millpond.policy.key import canonical_query, response_key
from millpond.policy.tags import checked_tags, kept_tag, own_tags
from millpond.routes.folder import parse_folder
from millpond.routes.path import canonical, split
from millpond.routes.table import Table
from millpond.serve.revalidation import Order
from millpond.stores.frame import encode_frame
from millpond.stores.lmdb.store import LmdbStore
from millpond.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from millpond.stores.contract import Store

ROUNDS, SHORT, LONG = 5, 1000, 8000
FILE, PATTERN = "app/files/[...path]/route.py", "/files/[...path]"

PATHS: dict[str, Callable[[int], bytes]] = {
    "one segment": lambda length: b"/" + b"a" * length,
    "one segment, all escapes": lambda length: b"/" + b"%C3%A9" * (length // 6),
    "64 segments": lambda length: (b"/" + b"a" * (length // 64 - 1)) * 64,
}


def microseconds(work: Callable[[], object]) -> float:
    """The least of several rounds, as other processes only ever add to it."""
    timer = timeit.Timer(work)
    times = max(1, timer.autorange()[0] // 10)
    return min(timer.repeat(ROUNDS, times)) / times * 1e6


def entry_of(raw_path: bytes) -> Entry:
    path = canonical(split(raw_path))
    return Entry(
        key=response_key(FILE, path),
        status=200,
        headers=(),
        body=b"",
        rendered_at=0.0,
        revalidate=60,
        expire=None,
        tags=own_tags(PATTERN, PATTERN, path),
    )


def in_memory(raw_path: bytes, number: int = 200) -> int:
    """Bytes that Python takes for an entry without a body, with all that is its own."""
    entry_of(raw_path)
    tracemalloc.start()
    kept = [entry_of(raw_path) for _ in range(number)]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size // len(kept)


def times() -> dict[str, tuple[float, float]]:
    """Microseconds for a short and for a long input."""
    found: dict[str, tuple[float, float]] = {}

    def both(name: str, work: Callable[[int], Callable[[], object]]) -> None:
        found[name] = (microseconds(work(SHORT)), microseconds(work(LONG)))

    table = Table[str]([([parse_folder(name, name) for name in ("files", "[...path]")], PATTERN)])

    def matched(raw_path: bytes) -> Callable[[], object]:
        return lambda: next(table.match(["files", *split(raw_path)]))

    for name, path in PATHS.items():
        both(f"match a path of {name}", lambda length, path=path: matched(path(length)))  # type: ignore[misc]
        both(f"key and tags of {name}", lambda length, path=path: lambda: entry_of(path(length)))  # type: ignore[misc]

    def query(length: int) -> Callable[[], object]:
        given = b"&".join(b"a=%d" % number for number in range(1000, 1000 + length // 7))
        return lambda: canonical_query(("a", "b"), given)

    def order(length: int) -> Callable[[], object]:
        body = msgspec.json.encode({"tags": [f"t{number:03}" for number in range(length // 7)]})
        return lambda: checked_tags(msgspec.json.decode(body, type=Order).tags)

    both("query of cache_query", query)
    both("tags sent to [revalidate_endpoint]", order)
    return found


async def invalidations(store: Store) -> tuple[float, float]:
    """Milliseconds that the store takes to invalidate 16 paths, and 128, the most in one call; each a new one."""
    await store.open()
    found, number = [], 0
    for many in (16, 128):
        spent = []
        for _ in range(ROUNDS):
            number += many
            tags = [kept_tag(tag_of_path(f"/{'a' * 900}/{number + each}", None)) for each in range(many)]
            began = time.perf_counter()
            store.invalidate(tags)
            spent.append(time.perf_counter() - began)
        found.append(min(spent) * 1000)
    await store.close()
    return found[0], found[1]


def main() -> None:
    write = sys.stdout.write
    write(f"{'microseconds':42}{'1 kB':>10}{'8 kB':>10}{'ratio':>8}\n")
    for name, (short, long) in times().items():
        write(f"{name:42}{short:10.1f}{long:10.1f}{long / short:8.1f}\n")
    write(f"\n{'bytes of an entry without its body':42}{'frame':>10}{'counted':>10}{'memory':>8}\n")
    for name, path in PATHS.items():
        entry = entry_of(path(LONG))
        write(f"{name:42}{len(encode_frame(entry)):10}{entry.size:10}{in_memory(path(LONG)):8}\n")
    write(f"\n{'milliseconds of an invalidation':42}{'16 paths':>10}{'128':>10}{'ratio':>8}\n")
    with tempfile.TemporaryDirectory(prefix="millpond-") as folder:
        stores: dict[str, Store] = {
            "memory": MemoryStore(max_bytes=2**26, clock=time.time),
            "lmdb": LmdbStore(Path(folder) / "store", max_bytes=2**26, clock=time.time),
        }
        for name, store in stores.items():
            few, many = asyncio.run(invalidations(store))
            write(f"{name:42}{few:10.2f}{many:10.2f}{many / few:8.1f}\n")


if __name__ == "__main__":
    main()
