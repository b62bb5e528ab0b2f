"""The stores that are held to the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conformance import NOW, MovableClock, StoreConformance, World

from millpond.stores.memory import MemoryStore

if TYPE_CHECKING:
    from millpond.stores.contract import Store


class MemoryWorld:
    def __init__(self) -> None:
        self.clock = MovableClock(NOW)
        self.monotonic = MovableClock(50.0)

    def make(self, max_bytes: int) -> Store:
        return MemoryStore(max_bytes=max_bytes, clock=self.clock, monotonic=self.monotonic)

    def beside(self, store: Store) -> Store:
        return store


class TestMemoryStore(StoreConformance):
    @pytest.fixture
    def world(self) -> World:
        return MemoryWorld()
