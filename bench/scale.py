"""What grows with the number of entries and tags, and what doesn't: `python bench/scale.py 10000 100000 1000000`.

One embedded store in a temporary folder, used as a server uses it, in one process. For each operation: p50 and p99 of
its time, the longest that the event loop was blocked, and the longest that the write lock was held. The latter two are
CPU time of the thread, in which other processes of the machine don't count.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from millpond.policy.entry import Entry
from millpond.policy.tags import own_tags
from millpond.stores.contract import Commit
from millpond.stores.lmdb.inspection import LmdbInspection
from millpond.stores.lmdb.lock import WriteLock
from millpond.stores.lmdb.store import LmdbStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

BODY = b'{"name": "oak chair", "price_cents": 13900, "in_stock": true, "text": "' + b"x" * 200 + b'"}'
SAMPLE, AT_ONCE = 2_000, 500
GIB = 1024**3


class Row(NamedTuple):
    """One line of the table."""

    operation: str
    size: int
    times: list[float]
    """Seconds of each."""
    blocked: float
    """Seconds for which the event loop was blocked, at most."""
    locked: float
    """Seconds for which the write lock was held, at most."""


class Locked:
    """The longest time that the write lock was held since it was asked last."""

    def __init__(self) -> None:
        self.longest = self._since = 0.0
        take, give = WriteLock.take, WriteLock.give

        def timed_take(lock: WriteLock) -> bool:
            taken = take(lock)
            if taken:
                self._since = time.thread_time()
            return taken

        def timed_give(lock: WriteLock) -> None:
            self.longest = max(self.longest, time.thread_time() - self._since)
            give(lock)

        WriteLock.take, WriteLock.give = timed_take, timed_give  # type: ignore[method-assign]

    def asked(self) -> float:
        longest, self.longest = self.longest, 0.0
        return longest


class Blocked:
    """The longest time for which the running event loop did something else than tick."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._task = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        before = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            self.longest, before = max(self.longest, now - before), now

    async def ended(self) -> float:
        self._task.cancel()
        await asyncio.wait((self._task,))
        return self.longest


def entry_of(number: int, rendered_at: float, *, build: str = "build-1", body: bytes = BODY) -> Entry:
    path = f"/products/{number}"
    return Entry(
        key=f"response\0{path}",
        kind="response",
        status=200,
        headers=(("content-type", "application/json"),),
        body=body,
        rendered_at=rendered_at,
        revalidate=3600.0,
        expire=None,
        tags=(*own_tags("/products/[id]", "/products/[id]", path), f"product:{number}", f"category:{number % 100}"),
        build=build,
    )


async def commit(store: LmdbStore, entry: Entry) -> None:
    outcome = await store.commit(replace(entry, generation=store.generation()))
    if outcome is not Commit.STORED:
        raise RuntimeError(f"it is {outcome}")


class Scale:
    """The operations at one size."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.size, self.locked = folder, size, Locked()
        self.rng = random.Random(7)  # noqa: S311 - the same numbers each time
        self.rows: list[Row] = []

    def store(self, *, max_bytes: int = 8 * GIB, max_tags: int = 100_000) -> LmdbStore:
        return LmdbStore(self.folder / "store", max_bytes=max_bytes, clock=time.time, max_tags=max_tags)

    def numbers(self, count: int) -> list[int]:
        return [self.rng.randrange(self.size) for _ in range(count)]

    async def timed(self, operation: str, works: Iterator[Callable[[], Awaitable[object] | object]]) -> None:
        """Run each, and note how long it takes."""
        self.locked.asked()
        watch, times = Blocked(), []
        await asyncio.sleep(0)
        for work in works:
            began = time.perf_counter()
            done = work()
            if asyncio.iscoroutine(done):
                await done
            times.append(time.perf_counter() - began)
            await asyncio.sleep(0)
        self.rows.append(Row(operation, self.size, times, await watch.ended(), self.locked.asked()))
        self.say(self.rows[-1])

    def say(self, row: Row) -> None:
        ordered = sorted(row.times)
        p50, p99 = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
        _say(
            f"| {row.operation} | {row.size:,} | {_shown(p50)} | {_shown(p99)} | {_shown(row.blocked)} | "
            f"{_shown(row.locked)} |"
        )

    async def run(self) -> None:
        began = time.time()
        store = self.store()
        await store.open()
        await self.timed("seed all of a build", iter([lambda: self.seed(store, began)]))
        await self.reads(store)
        await self.writes(store)
        await store.close()
        await self.opening(began)
        await self.pruning()
        await self.deploy()
        await self.eviction()
        self.commands()

    async def seed(self, store: LmdbStore, rendered_at: float, *, build: str = "build-1") -> None:
        """In parts, as a start does."""
        for start in range(0, self.size, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, self.size))
            await store.seed([entry_of(number, rendered_at, build=build) for number in numbers])

    async def reads(self, store: LmdbStore) -> None:
        hot = self.numbers(50)
        for number in hot:
            store.peek(f"response\0/products/{number}")
        await self.timed(
            "read, cold", (lambda n=n: store.peek(f"response\0/products/{n}") for n in self.numbers(SAMPLE))
        )
        await self.timed(
            "read, hot", (lambda n=n: store.peek(f"response\0/products/{n}") for n in (hot * (SAMPLE // 50)))
        )

    async def writes(self, store: LmdbStore) -> None:
        await self.timed("commit", (lambda n=n: commit(store, entry_of(n, time.time())) for n in self.numbers(SAMPLE)))
        await self.timed(
            "invalidate a tag", (lambda n=n: store.invalidate([f"product:{n}"]) for n in self.numbers(SAMPLE))
        )
        await self.timed(
            "invalidate 100 tags",
            (lambda: store.invalidate([f"product:{n}" for n in self.numbers(100)]) for _ in range(100)),
        )
        tags = entry_of(1, 0).tags

        def judged(number: int) -> None:
            if number % 10 == 0:
                store.invalidate([f"other:{number}"])
            for tag in tags:
                store.row(tag)

        await self.timed("rows of an entry, 1 in 10 invalidates", (lambda n=n: judged(n) for n in range(SAMPLE)))

    async def opening(self, rendered_at: float) -> None:
        store = self.store()
        await self.timed("open", iter([store.open]))
        await self.timed("seed the same build again", iter([lambda: self.seed(store, rendered_at)]))
        await store.close()

    async def pruning(self) -> None:
        store = self.store(max_tags=self.size)
        await store.open()
        for start in range(0, self.size + 100, 100):
            # Without a pause, in which the store would prune by itself.
            store.invalidate([f"pruned:{number}" for number in range(start, start + 100)])
        await self.timed("prune tag rows", iter([store.tidy]))
        await store.close()

    async def deploy(self) -> None:
        store = self.store(max_tags=self.size)
        await store.open()
        built = [entry_of(number, time.time(), build="build-2") for number in range(1000)]
        await self.timed("deploy: seed 1,000 of a new build", iter([lambda: store.seed(built)]))
        await self.timed("deploy: drop the former build", iter([store.tidy]))
        await store.close()

    async def eviction(self) -> None:
        store = self.store(max_tags=self.size)
        await store.open()
        now = time.time()
        await self.seed(store, now, build="build-2")
        await store.close()
        with LmdbInspection(self.folder / "store") as inside:
            size = inside.stats().bytes
        store = self.store(max_bytes=size)
        await store.open()
        large = entry_of(-1, now, build="build-2", body=b"x" * min(28_000_000, size // 4))
        await self.timed("commit that evicts a quarter, or 28 MB", iter([lambda: commit(store, large)]))
        await self.timed(
            "commit into a full store",
            (lambda n=n: commit(store, entry_of(self.size + n, now, build="build-2")) for n in range(SAMPLE)),
        )
        await store.close()

    def commands(self) -> None:
        project = self.folder / "project"
        (project / "app").mkdir(parents=True)
        (project / "millpond.toml").write_text(f'[cache]\npath = "{self.folder / "store"}"\n')
        for command in (["stats"], ["ls"], ["ls", "--limit", "0", "--json"], ["prune"]):
            began = time.perf_counter()
            arguments = [sys.executable, "-m", "millpond", "cache", *command]
            subprocess.run(arguments, cwd=project, stdout=subprocess.DEVNULL, check=True)  # noqa: S603 - no input in it
            self.say(Row(f"`millpond cache {' '.join(command)}`", self.size, [time.perf_counter() - began], 0.0, 0.0))


def _shown(seconds: float) -> str:
    if seconds == 0:
        return ""
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", type=int, nargs="*", default=[10_000, 100_000], help="entries")
    _say("| operation | entries | p50 | p99 | loop blocked | lock held |\n|---|--:|--:|--:|--:|--:|")
    for size in parser.parse_args().sizes:
        with tempfile.TemporaryDirectory(prefix="millpond-scale-") as folder:
            asyncio.run(Scale(Path(folder), size).run())


if __name__ == "__main__":
    main()
