"""What each operation of the stores costs, in microseconds, and the embedded store's costs over the memory store's.

Run: python bench/store_costs.py. It asserts nothing; it takes a few seconds.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from millpond.policy.entry import Entry
from millpond.policy.freshness import judge
from millpond.policy.tags import own_tags
from millpond.stores.lmdb.store import LmdbStore
from millpond.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from millpond.stores.contract import Store

KEYS, READS, WRITES = 1000, 20_000, 2000
TAGS = own_tags("/shop/[id]", "/shop/[id]", "/shop/7")


def entry_of(number: int) -> Entry:
    return Entry(
        key=f"/shop/{number}",
        status=200,
        headers=((b"content-type", b"application/json"), (b"etag", b'"0123456789abcdef"')),
        body=b"x" * 1000,
        rendered_at=time.time(),
        revalidate=60,
        expire=None,
        tags=TAGS,
    )


async def costs(store: Store, beside: Store) -> dict[str, float]:
    """Seconds for one of each; `beside` is the same store in another process's place."""
    await store.open()
    if beside is not store:
        await beside.open()
    entries = [entry_of(number) for number in range(KEYS)]
    found: dict[str, float] = {}

    def reads(name: str, work: Callable[[int], object]) -> None:
        work(0)
        began = time.perf_counter()
        for number in range(READS):
            work(number)
        found[name] = (time.perf_counter() - began) / READS

    async def writes(name: str, work: Callable[[int], Awaitable[object]]) -> None:
        began = time.perf_counter()
        for number in range(WRITES):
            await work(number)
        found[name] = (time.perf_counter() - began) / WRITES

    began = time.perf_counter()
    await store.seed(entries)
    found["seed, each of 1,000"] = (time.perf_counter() - began) / KEYS
    now = time.time()
    for entry in entries:
        store.peek(entry.key)
    reads("peek", lambda number: store.peek(entries[number % KEYS].key))
    reads("generation", lambda number: store.generation())
    reads("row", lambda number: store.row(TAGS[number % len(TAGS)]))
    reads("peek and judge, 6 tags", lambda number: judge(entries[number % KEYS], now, store.row, ""))
    await writes("commit", lambda number: store.commit(replace(entries[number % KEYS], rendered_at=now + number)))

    async def peek_after_write(number: int) -> None:
        await beside.commit(replace(entries[0], rendered_at=now + WRITES + number))
        store.peek(entries[1].key)

    await writes("commit elsewhere, then peek", peek_after_write)

    async def lease(number: int) -> None:
        held = await store.acquire(entries[number % KEYS].key, 10)
        if held is not None:
            await store.release(held)

    await writes("acquire and release", lease)

    async def invalidate(number: int) -> None:
        store.invalidate([f"product:{number}"])

    await writes("invalidate", invalidate)

    async def row_after_invalidate(number: int) -> None:
        beside.invalidate([f"product:{number}"])
        store.row(TAGS[0])

    await writes("invalidate elsewhere, then row", row_after_invalidate)
    if beside is not store:
        await beside.close()
    await store.close()
    return found


def main() -> None:
    limit = 64 * 1024 * 1024
    memory = MemoryStore(max_bytes=limit, clock=time.time)
    in_memory = asyncio.run(costs(memory, memory))
    with tempfile.TemporaryDirectory(prefix="millpond-") as folder:
        one, other = (LmdbStore(Path(folder) / "store", max_bytes=limit, clock=time.time) for _ in range(2))
        embedded = asyncio.run(costs(one, other))
    sys.stdout.write(f"{'microseconds':32}{'memory':>10}{'lmdb':>10}{'ratio':>8}\n")
    for name, seconds in in_memory.items():
        theirs = embedded[name]
        sys.stdout.write(f"{name:32}{seconds * 1e6:10.2f}{theirs * 1e6:10.2f}{theirs / seconds:8.1f}\n")


if __name__ == "__main__":
    main()
