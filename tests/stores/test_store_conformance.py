"""The stores that are held to the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conformance import NOW, PLENTY, MovableClock, StoreConformance, World

from millpond.stores.lmdb.store import LmdbStore
from millpond.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from millpond.stores.contract import Store


class MemoryWorld:
    def __init__(self) -> None:
        self.clock = MovableClock(NOW)
        self.monotonic = MovableClock(50.0)

    def make(self, max_bytes: int) -> Store:
        return MemoryStore(max_bytes=max_bytes, clock=self.clock, monotonic=self.monotonic)

    async def beside(self, store: Store) -> Store:
        return store


class TestMemoryStore(StoreConformance):
    @pytest.fixture
    def world(self) -> World:
        return MemoryWorld()


class LmdbWorld:
    """Stores in folders of their own; what is beside a store has the same folder, and a memory of its own."""

    def __init__(self, folder: Path) -> None:
        self.clock = MovableClock(NOW)
        self.monotonic = MovableClock(50.0)
        self._folder = folder
        self._folders: dict[int, Path] = {}
        self._beside: list[LmdbStore] = []

    def make(self, max_bytes: int) -> Store:
        return self._at(self._folder / str(len(self._folders)), max_bytes)

    async def beside(self, store: Store) -> Store:
        other = self._at(self._folders[id(store)], PLENTY)
        await other.open()
        self._beside.append(other)
        return other

    async def close(self) -> None:
        for store in self._beside:
            await store.close()

    def _at(self, folder: Path, max_bytes: int) -> LmdbStore:
        store = LmdbStore(folder, max_bytes=max_bytes, clock=self.clock, monotonic=self.monotonic)
        self._folders[id(store)] = folder
        return store


class TestLmdbStore(StoreConformance):
    @pytest.fixture
    async def world(self, tmp_path: Path) -> AsyncIterator[World]:
        world = LmdbWorld(tmp_path)
        yield world
        await world.close()
