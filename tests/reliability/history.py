"""A history of reads and invalidations over several workers, and what has to hold in it."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from served_pond import Served, wire

from millpond.errors import StoreError
from millpond.stores.lmdb.store import LmdbStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from served_pond import Wire

    from millpond.stores.contract import Store

KEYS = 24
_SHARE_OF_POSTS, _SHARE_OF_OUTSIDE = 0.06, 0.02
_REQUESTS_PER_CONNECTION = 200


@dataclass
class History:
    """Asks the workers of all hosts, and checks each answer at once.

    Each key has one writer at a time. A writer makes a new version true, and invalidates: in a handler of some worker,
    or from outside as a command does. Once that has returned the version is the least that anybody may see who asks
    from then on. What is refused promises nothing; nor does an answer that says itself that it may be outdated.
    """

    hosts: Sequence[Served]
    """All have one folder of what is true."""
    store: Store
    seed: int
    troubled: bool = False
    """Whether workers are killed meanwhile: then requests may end without an answer."""
    least: list[int] = field(default_factory=lambda: [0] * KEYS)
    written: list[int] = field(default_factory=lambda: [0] * KEYS)
    reads: int = 0
    hits: int = 0
    invalidations: int = 0
    refused: int = 0
    """Invalidations that failed, and said so: the store couldn't be reached."""
    doubtful: int = 0
    """Answers that were labelled as possibly outdated."""
    interrupted: int = 0
    """Connections that ended without an answer."""
    violations: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._writing = [asyncio.Lock() for _ in range(KEYS)]

    @property
    def operations(self) -> int:
        return self.reads + self.invalidations

    async def run(self, operations: int, clients: int = 16) -> None:
        await asyncio.gather(*(self._client(operations) for _ in range(clients)))

    async def _client(self, operations: int) -> None:
        while self.operations < operations:
            try:
                async with wire(self._random.choice(self.hosts)) as client:
                    for _ in range(_REQUESTS_PER_CONNECTION):
                        if self.operations >= operations:
                            return
                        await self._step(client)
            except (OSError, EOFError):
                if not self.troubled:
                    raise
                self.interrupted += 1

    async def _step(self, client: Wire) -> None:
        key, chance = self._random.randrange(KEYS), self._random.random()
        if chance < _SHARE_OF_POSTS and not self._writing[key].locked():
            async with self._writing[key]:
                await self._post(client, key)
        elif chance < _SHARE_OF_POSTS + _SHARE_OF_OUTSIDE and not self._writing[key].locked():
            async with self._writing[key]:
                await asyncio.to_thread(self._invalidate_outside, key)
        else:
            await self._read(client, key)

    async def _post(self, client: Wire, key: int) -> None:
        self.written[key] += 1
        version = self.written[key]
        answer = await client.ask("POST", f"/values/k{key}?version={version}")
        if answer.status == 500:
            self.refused += 1
            return
        assert answer.status == 200, answer
        self.least[key] = version
        self.invalidations += 1

    def _invalidate_outside(self, key: int) -> None:
        self.written[key] += 1
        truth = self.hosts[0].folder / "truth"
        fresh = truth / f"k{key}.outside"
        fresh.write_text(str(self.written[key]))
        fresh.replace(truth / f"k{key}")
        try:
            self.store.invalidate([f"known:k{key}"])
        except StoreError:
            self.refused += 1
            return
        self.least[key] = self.written[key]
        self.invalidations += 1

    async def _read(self, client: Wire, key: int) -> None:
        least = self.least[key]
        answer = await client.ask("GET", f"/values/k{key}")
        self.reads += 1
        seen = answer.json()["version"] if answer.status == 200 else None
        self.hits += answer.headers.get("x-nextjs-cache") == "HIT"
        if answer.headers.get("cache-status", "").endswith("hit; detail=store-unreachable"):
            self.doubtful += 1
            least = 0
        if seen is None or not least <= seen <= self.written[key]:
            self.violations.append(
                f"k{key}: asked after {least} was invalidated, with {self.written[key]} the last one written, "
                f"and saw {seen} ({answer.status} {answer.headers.get('cache-status')})"
            )


async def record_history(server: Served, operations: int, seed: int) -> History:
    """A history of so many operations, over the workers of one host with the embedded store."""
    store = LmdbStore(server.folder / ".millpond" / "cache", max_bytes=1 << 30, clock=time.time)
    return await record_history_of([server], store, operations, seed)


async def record_history_of(hosts: Sequence[Served], store: Store, operations: int, seed: int) -> History:
    """The same over several hosts that share `store`, which this process opens for its own invalidations."""
    await store.open()
    try:
        history = History(hosts, store, seed)
        await history.run(operations)
        return history
    finally:
        await store.close()
