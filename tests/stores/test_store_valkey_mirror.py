"""What a mirror does with its journal: slow, cut short, gone, or overtaken."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from conformance import BUILD, entry_at
from valkey_process import store_at

from engines import Engine, engine, settle
from millpond.policy.freshness import judge
from millpond.stores.contract import Commit
from millpond.stores.valkey.layout import Layout
from millpond.stores.valkey.mirror import Mirror, MirroredEntry, MirroredTags
from proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from millpond.stores.valkey.store import ValkeyStore

__all__ = ["engine"]

pytestmark = pytest.mark.anyio


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it didn't come about"
        await asyncio.sleep(0.005)


@pytest.fixture
async def far(engine: Engine, request: pytest.FixtureRequest) -> AsyncIterator[tuple[ValkeyStore, Proxy]]:
    """A store with an entry, and the network between it and the server."""
    settle(engine.client(), request.node.name)
    with Proxy(engine.port) as network:
        store = store_at(network.url, request.node.name, timeout=2.0)
        await store.open()
        entry = entry_at("/a", time.time(), tags=("t",), generation=store.generation())
        assert await store.commit(entry) is Commit.STORED
        yield store, network
        await store.close()


async def test_a_slow_network_slows_no_hit(far: tuple[ValkeyStore, Proxy]) -> None:
    store, network = far
    network.delay(0.1, 0.15)
    missed = 0
    for _ in range(300):
        missed += store.peek("/a") is None
        await asyncio.sleep(0.01)
    assert missed == 0


async def test_a_journal_that_is_gone_costs_the_mirror_and_no_invalidation(
    far: tuple[ValkeyStore, Proxy], engine: Engine, request: pytest.FixtureRequest
) -> None:
    store, network = far
    prefix = request.node.name
    network.refuse()
    await until(lambda: not store.is_synced())
    other = store_at(engine.url, prefix)
    await other.open()
    generation = other.invalidate(["t"])
    engine.client().delete(Layout(prefix, BUILD).journal)
    network.mend()
    await until(store.is_synced)
    assert store.generation() == generation
    entry = await store.get("/a")
    assert entry is not None
    assert not judge(entry, time.time(), store.row, BUILD).servable
    later = other.invalidate(["u"])
    assert store.generation() == later
    await other.close()


async def test_after_a_cut_the_journal_brings_what_was_missed_and_the_rest_stays(
    far: tuple[ValkeyStore, Proxy], engine: Engine, request: pytest.FixtureRequest
) -> None:
    store, network = far
    await store.commit(entry_at("/b", time.time(), generation=store.generation()))
    network.refuse()
    await until(lambda: not store.is_synced())
    other = store_at(engine.url, request.node.name)
    await other.open()
    newer = entry_at("/b", time.time(), body=b"newer", generation=other.generation())
    assert await other.commit(newer) is Commit.STORED
    generation = other.invalidate(["u"])
    network.mend()
    await until(store.is_synced)
    assert store.generation() == generation
    assert store.peek("/a") is not None  # it was kept: the journal says what has changed, and this hasn't
    assert store.peek("/b") is None
    assert await store.get("/b") == newer
    await other.close()


async def test_a_state_that_was_flushed_is_begun_anew_and_nothing_older_counts(
    far: tuple[ValkeyStore, Proxy], engine: Engine, request: pytest.FixtureRequest
) -> None:
    store, _ = far
    before, keys = store.generation(), engine.client().keys(f"*{request.node.name}*")
    engine.client().delete(*keys)
    await until(lambda: store.generation() > before and store.is_synced())
    assert store.peek("/a") is None
    late = entry_at("/a", time.time(), tags=("t",), generation=before)
    assert await store.commit(late) is Commit.INVALIDATED
    # A host that starts now with a build from before must not bring it back, whatever was invalidated in between.
    await store.seed([entry_at("/a", time.time() - 60, tags=("t",))])
    assert await store.get("/a") is None


async def test_rows_beyond_the_limit_become_coarse_and_no_invalidation_is_forgotten(
    engine: Engine, request: pytest.FixtureRequest
) -> None:
    prefix = request.node.name
    settle(engine.client(), prefix)
    store = store_at(engine.url, prefix, max_tags=50)
    await store.open()
    try:
        old = entry_at("/a", time.time(), tags=("t0",), generation=store.generation())
        for number in range(200):
            store.invalidate([f"t{number}"])
        rows = Layout(prefix, BUILD).rows
        await until(lambda: int(engine.client().hlen(rows)) <= 60)
        await until(lambda: len(store._mirror.view.rows) <= 60)
        assert not judge(old, time.time(), store.row, BUILD).servable
        assert await store.commit(old) is Commit.INVALIDATED
        fresh = entry_at("/a", time.time(), tags=("t0",), generation=store.generation())
        assert await store.commit(fresh) is Commit.STORED
        another = store_at(engine.url, prefix, max_tags=50)
        await another.open()
        assert not judge(old, time.time(), another.row, BUILD).servable
        await another.close()
    finally:
        await store.close()


def test_a_mirror_keeps_nothing_that_the_journal_has_overtaken() -> None:
    now = [100.0]
    mirror = Mirror(1000, lambda: now[0])
    mirror.replace(MirroredTags(5, 0, 10, lost=False), 7, b"n")
    mirror.extend(102.0)
    asked = mirror.now()
    entry = entry_at("/a", generation=5)
    mirror.keep("a", MirroredEntry(entry, 10, 20), asked)
    assert mirror.peek("a") is entry
    mirror.replace(MirroredTags(5, 0, 10, lost=False), 7, b"n")
    mirror.keep("a", MirroredEntry(entry, 10, 20), asked)  # asked before all was dropped
    assert mirror.known("a") is None
    mirror.keep("a", MirroredEntry(entry, 10, 9), mirror.now())  # of a state that was there before
    assert mirror.known("a") is None


def test_a_mirror_answers_while_its_term_lasts_and_no_version_is_given_twice_without_one() -> None:
    now = [100.0]
    mirror = Mirror(1000, lambda: now[0])
    mirror.replace(MirroredTags(5, 0, 10, lost=False), 7, b"n")
    mirror.keep("a", MirroredEntry(entry_at("/a", generation=5), 10, 20), mirror.now())
    assert (mirror.is_synced(), mirror.peek("a")) == (False, None)
    mirror.extend(102.0)
    assert mirror.peek("a") is not None
    version = mirror.version()
    assert mirror.version() == version
    now[0] = 102.0
    assert (mirror.is_synced(), mirror.peek("a"), mirror.known("a") is not None) == (False, None, True)
    assert mirror.version() != mirror.version()
    now[0] = 110.0
    assert mirror.lost_touch() == 8.0
