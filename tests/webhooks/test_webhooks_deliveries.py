"""Deliveries are remembered in every store, by all processes that share it, and for a bounded time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from engines import Engine, engine
from millpond.errors import StoreError
from millpond.serve.webhooks.deliveries import Deliveries
from millpond.stores.lmdb.store import LmdbStore
from millpond.stores.memory import MemoryStore
from millpond.stores.valkey.store import ValkeyStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from millpond.stores.contract import Store

__all__ = ["engine"]

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "lmdb", "valkey"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path, engine: Engine) -> AsyncIterator[list[Store]]:
    """Two workers' stores, where there can be two."""
    memory = MemoryStore(max_bytes=2**20, clock=time.time)
    makes: dict[str, Callable[[], Store]] = {
        "memory": lambda: memory,
        "lmdb": lambda: LmdbStore(tmp_path / "cache", max_bytes=2**20, clock=time.time),
        "valkey": lambda: ValkeyStore(engine.address, prefix="d", build="", max_bytes=2**20, clock=time.time),
    }
    made = [makes[request.param]() for _ in range(2)]
    for each in made:
        await each.open()
    yield made
    for each in made:
        await each.close()


async def test_a_delivery_is_known_to_all_workers_until_its_time_has_passed(stores: list[Store]) -> None:
    one, other = (Deliveries(store, "/hook", 0.3) for store in stores)
    assert await one.begun("msg_1") is not None
    assert await other.begun("msg_1") is None
    assert await other.begun("msg_2") is not None
    assert await Deliveries(stores[1], "/other", 0.3).begun("msg_1") is not None, "another sender may have that id"
    await stores[1].wait("nothing", 0.01)
    ends = time.monotonic() + 5
    while await other.begun("msg_1") is None:
        assert time.monotonic() < ends


async def test_a_delivery_without_effect_may_be_sent_again(stores: list[Store]) -> None:
    one, other = (Deliveries(store, "/hook", 60) for store in stores)
    lease = await one.begun("msg_3")
    assert lease is not None
    await one.forget(lease)
    assert await other.begun("msg_3") is not None


async def test_while_the_server_is_away_nothing_is_taken_for_a_replay() -> None:
    with Engine() as away:
        store = ValkeyStore(away.address, prefix="d", build="", max_bytes=2**20, clock=time.time, timeout=0.2)
        await store.open()
        away.kill()
        with pytest.raises(StoreError, match="isn't known whether"):
            await Deliveries(store, "/hook", 60).begun("msg_1")
        await store.close()
