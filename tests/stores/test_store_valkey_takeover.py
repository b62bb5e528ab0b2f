"""The shared store where there is more than one server: a cluster, and sentinels that put a replica in charge."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from clusters import Cluster, Watched
from conformance import BUILD, entry_at
from valkey_process import store_at

from engines import soon
from millpond.policy.freshness import judge
from millpond.policy.tags import TagRow
from millpond.stores.contract import Commit
from millpond.stores.valkey.inspection import ValkeyInspection
from millpond.stores.valkey.maintenance import ValkeyMaintenance

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from millpond.stores.valkey.store import ValkeyStore

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster() as cluster:
        yield cluster


@pytest.fixture
async def pair(cluster: Cluster, request: pytest.FixtureRequest) -> AsyncIterator[tuple[ValkeyStore, ValkeyStore]]:
    """One store as two processes see it."""
    stores = [store_at(cluster.url, request.node.name, timeout=5, term=1.0) for _ in range(2)]
    for store in stores:
        await store.open()
    yield stores[0], stores[1]
    for store in stores:
        await store.close()


async def test_in_a_cluster_entries_are_spread_and_every_process_has_them(
    cluster: Cluster, pair: tuple[ValkeyStore, ValkeyStore]
) -> None:
    one, other = pair
    for number in range(60):
        entry = entry_at(f"/{number}", time.time(), body=b"%d" % number, generation=one.generation())
        assert await one.commit(entry) is Commit.STORED
        assert await other.get(f"/{number}") == entry
    assert {entry.key for entry in other.entries()} == {f"/{number}" for number in range(60)}
    held = [engine.client().dbsize() for engine in cluster.engines]
    assert min(held) > 5, held


async def test_in_a_cluster_a_later_entry_reaches_everybody_and_a_removed_one_is_gone(
    pair: tuple[ValkeyStore, ValkeyStore],
) -> None:
    one, other = pair
    now = time.time()
    for number in range(5):
        entry = entry_at("/a", now + number / 100, body=b"%d" % number, generation=one.generation())
        assert await one.commit(entry) is Commit.STORED
        assert await other.get("/a") == entry
    assert soon(lambda: other.peek("/a") is not None)
    await other.remove("/a")
    assert one.peek("/a") is None
    assert await one.get("/a") is None
    assert await one.commit(entry_at("/a", now + 1, generation=one.generation())) is Commit.STORED


async def test_in_a_cluster_an_invalidation_holds_for_every_process_when_it_returns(
    pair: tuple[ValkeyStore, ValkeyStore],
) -> None:
    one, other = pair
    for number in range(30):
        entry = entry_at("/a", time.time(), tags=("t",), generation=other.generation())
        assert await other.commit(entry) is Commit.STORED
        generation = one.invalidate(["t"])
        assert other.row("t") == TagRow(generation, generation), number
        assert not judge(entry, time.time(), other.row, BUILD, is_synced=other.is_synced()).servable
        late = entry_at("/a", time.time(), tags=("t",), generation=entry.generation)
        assert await other.commit(late) is Commit.INVALIDATED


async def test_in_a_cluster_leases_have_one_holder_and_the_byte_limit_holds(cluster: Cluster) -> None:
    store = store_at(cluster.url, "small", max_bytes=20_000, timeout=5, term=1.0)
    await store.open()
    try:
        lease = await store.acquire("/a", 10)
        assert lease is not None
        assert await store.acquire("/a", 10) is None
        await store.release(lease)
        for number in range(40):
            entry = entry_at(f"/{number}", time.time(), body=b"x" * 1500, generation=store.generation())
            assert await store.commit(entry) is Commit.STORED
        assert sum(entry.size for entry in store.entries()) <= 20_000
        assert await store.get("/0") is None
        assert await store.get("/39") is not None
    finally:
        await store.close()


async def test_in_a_cluster_the_command_line_can_look_and_clear(cluster: Cluster) -> None:
    store = store_at(cluster.url, "looked-at", timeout=5, term=1.0)
    await store.open()
    for number in range(10):
        await store.commit(entry_at(f"/{number}", time.time(), generation=store.generation()))
    await store.close()
    with ValkeyInspection(store._address, "looked-at", 5) as inspection:
        assert (inspection.stats().entries, len(list(inspection.entries()))) == (10, 10)
    with ValkeyMaintenance(store._address, "looked-at", 5) as upkeep:
        assert upkeep.drop(lambda name, entry, row_of: True) == 10
    with ValkeyInspection(store._address, "looked-at", 5) as inspection:
        assert list(inspection.entries()) == []


async def test_a_replica_that_takes_over_goes_on_where_the_other_was(tmp_path: Path) -> None:
    with Watched(tmp_path) as watched:
        store = store_at(watched.url, timeout=2, term=1.0)
        await store.open()
        try:
            generation = store.invalidate(["t"])
            entry = entry_at("/a", time.time(), tags=("t",), generation=generation)
            assert await store.commit(entry) is Commit.STORED
            watched.master.client().wait(1, 5000)
            watched.take_over()
            assert soon(lambda: store.is_synced() and store._parts is not None and store._parts.session.is_up)
            assert soon(lambda: store.peek("/a") == entry)
            assert store.generation() == generation
            assert store.invalidate(["t"]) == generation + 1
            assert not judge(entry, time.time(), store.row, BUILD).servable
        finally:
            await store.close()


async def test_a_replica_that_lacks_an_invalidation_makes_everything_older_give_way(tmp_path: Path) -> None:
    with Watched(tmp_path) as watched:
        store = store_at(watched.url, timeout=2, term=1.0)
        await store.open()
        try:
            entry = entry_at("/a", time.time(), tags=("t",), generation=store.generation())
            assert await store.commit(entry) is Commit.STORED
            watched.master.client().wait(1, 5000)
            watched.cut_replication()
            lost = store.invalidate(["t"])
            watched.take_over()
            assert soon(lambda: store.is_synced() and store.generation() > lost)
            assert await store.get("/a") is None
            assert not judge(entry, time.time(), store.row, BUILD).servable
            assert store.invalidate(["u"]) > lost
        finally:
            await store.close()
