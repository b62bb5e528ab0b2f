"""Processes with a shared store, as hosts: each comes to the server by a network of its own."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from conformance import BUILD, entry_at
from other_process import OtherProcess, spawn

from millpond.config.store_url import parse_store_url
from millpond.errors import StoreError
from millpond.policy.decision import Reason
from millpond.policy.freshness import judge
from millpond.stores.contract import Commit
from millpond.stores.valkey.store import ValkeyStore

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

KEYS = 12
_AT_ONCE = 6
_SHARE_OF_INVALIDATIONS, _SHARE_OF_RENDERS = 0.04, 0.3


def store_at(url: str, prefix: str = "tests", **options: Any) -> ValkeyStore:
    """A store by the real clocks, as hosts share it."""
    wanted = {"max_bytes": 10_000_000, "clock": time.time, "build": BUILD, **options}
    return ValkeyStore(parse_store_url(url), prefix=prefix, **wanted)


class Host(OtherProcess):
    """A process with a shared store."""

    def __init__(self, url: str, *shared: Any, prefix: str = "tests", **options: Any) -> None:
        super().__init__(partial(store_at, url, prefix, **options), *shared)


class Truth(NamedTuple):
    """For each key: what is true, and what everybody has been promised to see at least."""

    versions: list[Synchronized[int]]
    promised: list[Synchronized[int]]


def truth() -> Truth:
    return Truth([spawn.Value("q", 0) for _ in range(KEYS)], [spawn.Value("q", 0) for _ in range(KEYS)])


class Seen(NamedTuple):
    """What one host did and saw."""

    counts: Counter[str]
    violations: list[str]
    slowest_invalidation: float


class History:
    """Renders, invalidations and reads at random, each read checked against what had been promised when it began."""

    def __init__(self, store: ValkeyStore, seed: int, upstream: Truth) -> None:
        self._store, self._upstream = store, upstream
        self._random = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []
        self.slowest = 0.0

    async def run(self, operations: int, seconds: float) -> Seen:
        ends = time.monotonic() + seconds

        async def client() -> None:
            while self.counts["operations"] < operations and time.monotonic() < ends:
                self.counts["operations"] += 1
                await self._step()
                await asyncio.sleep(0)

        await asyncio.gather(*(client() for _ in range(_AT_ONCE)))
        return Seen(self.counts, self.violations, self.slowest)

    async def _step(self) -> None:
        number, chance = self._random.randrange(KEYS), self._random.random()
        if chance < _SHARE_OF_INVALIDATIONS:
            # Mostly in a thread, as a sync handler does; else in the loop, which stands still meanwhile.
            if self._random.random() < 0.7:
                await asyncio.to_thread(self._invalidate, number)
            else:
                self._invalidate(number)
        elif chance < _SHARE_OF_RENDERS:
            await self._render(number)
        else:
            await self._read(number)

    def _invalidate(self, number: int) -> None:
        value = self._upstream.versions[number]
        with value.get_lock():
            value.value += 1
            version = value.value
        began = time.monotonic()
        try:
            self._store.invalidate([f"t{number}"], expire_after=0)
        except StoreError:
            self.counts["invalidations refused"] += 1
            return
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.counts["invalidations"] += 1
        promise = self._upstream.promised[number]
        with promise.get_lock():
            promise.value = max(promise.value, version)

    async def _render(self, number: int) -> None:
        generation, now = self._store.generation(), time.time()
        body = b"%d" % self._upstream.versions[number].value
        if self._random.random() < 0.3:
            await asyncio.sleep(self._random.uniform(0, 0.02))
        entry = entry_at(
            f"/{number}", now, generation=generation, body=body, tags=(f"t{number}", "all"), revalidate=None
        )
        outcome = await self._store.commit(entry)
        self.counts["stored" if outcome is Commit.STORED else "not stored"] += 1

    async def _read(self, number: int) -> None:
        key, promised = f"/{number}", self._upstream.promised[number].value
        entry, how = self._store.peek(key), "peeked"
        if entry is None:
            entry, how = await self._store.get(key), "fetched"
        if entry is None:
            self.counts["misses"] += 1
            return
        judgement = judge(entry, time.time(), self._store.row, BUILD, is_synced=self._store.is_synced())
        if not judgement.servable:
            self.counts["dead"] += 1
        elif judgement.reason is Reason.STORE_UNREACHABLE:
            self.counts["stale, as the store was unreachable"] += 1
        else:
            self.counts[how] += 1
            if int(entry.body) < promised:
                self.violations.append(f"{key}: {entry.body!r} was {how}, {promised} was promised")


# What hosts do


async def take_part(store: ValkeyStore, operations: int, seconds: float, seed: int, upstream: Truth) -> Seen:
    return await History(store, seed, upstream).run(operations, seconds)


def ready(store: ValkeyStore, *_: object) -> None:
    """Answers once the store is open."""


def is_synced(store: ValkeyStore, *_: object) -> bool:
    return store.is_synced()


def generation(store: ValkeyStore, *_: object) -> int:
    return store.generation()


def invalidate(store: ValkeyStore, tag: str) -> int:
    return store.invalidate([tag])


async def acquire(store: ValkeyStore, key: str, seconds: float) -> bool:
    return await store.acquire(key, seconds) is not None
