"""The shared store, held to the contract on each engine that it is for."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from conformance import BUILD, NOW, PLENTY, MovableClock, StoreConformance, World

from engines import any_engine, settle
from millpond.stores.valkey.store import ValkeyStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import redis

    from engines import Engine
    from millpond.stores.contract import Store

__all__ = ["any_engine"]

_prefixes = (f"conformance-{number}" for number in itertools.count())


class LeaseClock(MovableClock):
    """Leases run by the server's clock, which can't be moved: what is left of them is shortened instead."""

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        super().__init__(0)
        self._client, self._prefix = client, prefix

    def advance(self, seconds: float) -> None:
        for key in self._client.scan_iter(f"{{{self._prefix}*:lease:*"):
            left = self._client.pttl(key) - int(seconds * 1000)
            self._client.pexpire(key, max(left, 0))


class ValkeyWorld:
    """Stores with prefixes of their own in one server; what is beside a store has the same prefix."""

    def __init__(self, engine: Engine) -> None:
        self.clock = MovableClock(NOW)
        self.client = engine.client()
        self._prefix = next(_prefixes)
        self.monotonic: MovableClock = LeaseClock(self.client, self._prefix)
        self._engine = engine
        self._prefixes: dict[int, str] = {}
        self._beside: list[ValkeyStore] = []

    def make(self, max_bytes: int) -> Store:
        prefix = f"{self._prefix}-{len(self._prefixes)}"
        settle(self.client, prefix)
        return self._at(prefix, max_bytes)

    async def beside(self, store: Store) -> Store:
        other = self._at(self._prefixes[id(store)], PLENTY)
        await other.open()
        self._beside.append(other)
        return other

    async def close(self) -> None:
        for store in self._beside:
            await store.close()
        self.client.close()

    def _at(self, prefix: str, max_bytes: int) -> ValkeyStore:
        store = ValkeyStore(
            self._engine.address,
            prefix=prefix,
            build=BUILD,
            max_bytes=max_bytes,
            clock=self.clock,
            timeout=10,
        )
        self._prefixes[id(store)] = prefix
        return store


class TestValkeyStore(StoreConformance):
    @pytest.fixture
    async def world(self, any_engine: Engine) -> AsyncIterator[World]:
        world = ValkeyWorld(any_engine)
        yield world
        await world.close()
