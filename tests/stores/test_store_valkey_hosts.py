"""The shared store over processes as hosts, and networks that are slow, deaf or cut. The long form: `make soak`."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from conformance import BUILD, entry_at
from valkey_process import Host, Seen, acquire, invalidate, is_synced, ready, store_at, take_part, truth

from engines import ENGINES, VALKEY, Engine, engine, settle, soon
from millpond.errors import StoreError
from millpond.policy.decision import Reason
from millpond.policy.freshness import judge
from millpond.stores.contract import Commit
from millpond.stores.valkey.layout import Layout
from proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from other_process import OtherProcess

    from millpond.stores.valkey.store import ValkeyStore

__all__ = ["engine"]

QUICK: dict[str, Any] = {"timeout": 1.0, "term": 1.0}


@contextmanager
def hosts(
    engine_: Engine, count: int, prefix: str, **options: Any
) -> Iterator[tuple[list[OtherProcess], list[Proxy], Any]]:
    """Processes with a network each, and what is true upstream."""
    upstream = truth()
    with ExitStack() as stack:
        proxies = [stack.enter_context(Proxy(engine_.port, seed)) for seed in range(count)]
        found = [stack.enter_context(Host(proxy.url, upstream, prefix=prefix, **options)) for proxy in proxies]
        yield found, proxies, upstream


def promises_kept(seen: list[Seen]) -> None:
    assert [violation for each in seen for violation in each.violations] == []
    for name in ("invalidations", "peeked", "stored"):
        assert sum(each.counts[name] for each in seen) > 0, name


@pytest.mark.parametrize("binary", ENGINES)
def test_nobody_reads_less_than_an_invalidation_promised_on_whatever_host(binary: str) -> None:
    with Engine(binary) as server, hosts(server, 3, "history") as (found, proxies, _):
        settle(server.client(), "history")
        for number, proxy in enumerate(proxies):
            proxy.delay(0, 0.002 * number)
        for number, host in enumerate(found):
            host.begin(take_part, 1500, 6.0, number)
        promises_kept([host.result(60) for host in found])


def test_cuts_of_the_network_break_no_promise(engine: Engine) -> None:
    with hosts(engine, 3, "cuts", **QUICK) as (found, proxies, _):
        settle(engine.client(), "cuts")
        for host in found:
            host.call(_ready)
        for number, host in enumerate(found):
            host.begin(take_part, 100_000, 6.0, number)
        for proxy in proxies:
            time.sleep(0.6)
            proxy.cut()
            time.sleep(0.8)
            proxy.mend()
            proxy.refuse()
            time.sleep(0.2)
            proxy.mend()
        seen = [host.result(60) for host in found]
    promises_kept(seen)


def _ready(store: ValkeyStore, _: Any) -> None:
    ready(store)


def _in_touch(store: ValkeyStore, _: Any) -> bool:
    return is_synced(store)


def _invalidate(store: ValkeyStore, tag: str, _: Any) -> int:
    return invalidate(store, tag)


def test_an_invalidation_waits_no_longer_than_a_term_for_a_host_that_was_cut_off(engine: Engine) -> None:
    with hosts(engine, 2, "cut-off", **QUICK) as ((one, other), (_, network), _):
        settle(engine.client(), "cut-off")
        assert one.call(_in_touch)
        assert other.call(_in_touch)
        network.cut()
        began = time.monotonic()
        one.begin(_invalidate, "t")
        # While it waits the other's term ends: at no moment does somebody answer who doesn't know.
        generation = one.result(10)
        took = time.monotonic() - began
        assert not other.call(_in_touch)
        network.mend()
        assert soon(lambda: other.call(_in_touch))
        assert other.call(_generation) >= generation
        assert took < 10 * QUICK["term"]


def _generation(store: ValkeyStore, _: Any) -> int:
    return store.generation()


def test_a_killed_host_delays_an_invalidation_by_a_term_and_no_other_after_that(engine: Engine) -> None:
    with hosts(engine, 2, "killed", **QUICK) as ((one, other), _, _):
        settle(engine.client(), "killed")
        other.call(_ready)
        assert one.call(_in_touch)
        other.kill()
        assert one.call(_invalidate, "t") < one.call(_invalidate, "t")
        assert engine.client().hlen(Layout("killed", "").mirrors) == 1


def test_the_lease_of_a_killed_host_runs_out(engine: Engine) -> None:
    with hosts(engine, 2, "leases", **QUICK) as ((one, other), _, _):
        settle(engine.client(), "leases")
        assert other.call(_acquire, "/a", 4.0)
        assert not one.call(_acquire, "/a", 4.0)
        other.kill()
        assert soon(lambda: one.call(_acquire, "/a", 4.0))


async def _acquire(store: ValkeyStore, key: str, seconds: float, _: Any) -> bool:
    return await acquire(store, key, seconds)


# One process, whose server goes


@pytest.fixture
async def served() -> Any:
    """A store with an entry, and its server."""
    with Engine() as server:
        settle(server.client(), "tests")
        store = store_at(server.url, serve_when_down=60, **QUICK)
        await store.open()
        assert (
            await store.commit(entry_at("/a", time.time(), tags=("t",), generation=store.generation())) is Commit.STORED
        )
        assert store.peek("/a") is not None
        yield store, server
        await store.close()


def reason(store: ValkeyStore, entry: Any) -> Reason:
    return judge(entry, time.time(), store.row, BUILD, is_synced=store.is_synced()).reason


@pytest.mark.anyio
async def test_a_server_that_is_killed_leaves_what_is_at_hand_as_stale_and_its_loss_is_told(served: Any) -> None:
    store, server = served
    version = store.version()
    server.kill()
    assert soon(lambda: not store.is_synced())
    assert store.version() != version  # whoever remembered something by the version asks again
    assert store.peek("/a") is None
    entry = await store.get("/a")
    assert entry is not None
    assert reason(store, entry) is Reason.STORE_UNREACHABLE
    assert await store.commit(entry_at("/b", time.time(), generation=store.generation())) is Commit.FAILED
    assert await store.acquire("/b", 10) is None
    with pytest.raises(StoreError, match=r"can't invalidate: .*Older answers may still be served; invalidate again"):
        store.invalidate(["t"])


@pytest.mark.anyio
async def test_a_server_that_comes_back_empty_invalidates_all_that_was_known_and_goes_on(served: Any) -> None:
    store, server = served
    before = store.generation()
    server.kill()
    assert soon(lambda: not store.is_synced())
    server.start()
    assert soon(store.is_synced)
    assert store.generation() > before
    assert store.peek("/a") is None
    assert await store.get("/a") is None
    later = store.invalidate(["t"])
    assert later > before
    assert await store.commit(entry_at("/a", time.time(), tags=("t",), generation=later)) is Commit.STORED
    assert store.peek("/a") is not None


@pytest.mark.anyio
async def test_a_render_from_before_a_loss_is_never_served_after_it(served: Any) -> None:
    store, server = served
    captured = store.generation()
    server.kill()
    server.start()
    assert soon(store.is_synced)
    entry = entry_at("/late", time.time(), tags=("t",), generation=captured)
    assert await store.commit(entry) in (Commit.INVALIDATED, Commit.FAILED)
    assert store.peek("/late") is None


@pytest.mark.anyio
async def test_a_server_that_says_nothing_slows_no_hit_and_keeps_nobody_waiting_for_long(
    served: Any,
) -> None:
    store, server = served
    server.freeze()
    try:
        assert soon(lambda: not store.is_synced())
        assert store.peek("/a") is None
        entry = await store.get("/a")
        assert entry is not None
        with pytest.raises(StoreError):
            store.invalidate(["t"])
    finally:
        server.thaw()
    assert soon(store.is_synced)
    assert store.peek("/a") is not None


@pytest.mark.anyio
async def test_after_serve_when_down_nothing_that_may_be_outdated_is_given_any_longer() -> None:
    with Engine() as server:
        settle(server.client(), "tests")
        store = store_at(server.url, serve_when_down=0.0, **QUICK)
        await store.open()
        try:
            await store.commit(entry_at("/a", time.time(), generation=store.generation()))
            server.kill()
            assert soon(lambda: not store.is_synced())
            assert await store.get("/a") is None
        finally:
            await store.close()


@pytest.mark.anyio
async def test_a_server_whose_memory_is_full_evicts_entries_and_forgets_no_invalidation() -> None:
    options = ("--maxmemory", "6mb", "--maxmemory-policy", "volatile-lru")
    with Engine(VALKEY, *options) as server:
        settle(server.client(), "tests")
        store = store_at(server.url, max_bytes=50_000_000, timeout=5, term=0.5)
        await store.open()
        try:
            generation = store.invalidate(["t"])
            outcomes = set()
            for number in range(300):
                body = bytes(50_000)
                entry = entry_at(f"/{number}", time.time(), generation=store.generation(), body=body, tags=("t",))
                outcomes.add(await store.commit(entry))
            assert Commit.STORED in outcomes
            assert server.client().info("memory")["used_memory"] < 8_000_000
            assert store.row("t") is not None
            assert store.generation() >= generation
            assert store.invalidate(["t"]) > generation
            last = store.peek("/299")
            assert last is None or reason(store, last) is Reason.TAG
        finally:
            await store.close()


@pytest.mark.anyio
async def test_a_server_that_evicts_anything_is_warned_of_and_a_lost_part_is_noticed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    options = ("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    with Engine(VALKEY, *options) as server:
        settle(server.client(), "tests")
        store = store_at(server.url, **QUICK)
        await store.open()
        try:
            assert "evicts by maxmemory-policy allkeys-lru" in caplog.text
            layout = Layout("tests", "")
            for part in (layout.rows, layout.index, layout.places):
                before = store.invalidate(["t"])
                await store.commit(entry_at("/a", time.time(), tags=("t",), generation=before))
                server.client().delete(part)  # as an eviction would
                assert soon(lambda: store.generation() > before)  # noqa: B023 - called at once
                assert await store.get("/a") is None
        finally:
            await store.close()


@pytest.mark.anyio
@pytest.mark.parametrize("part", ["index", "places"])
async def test_a_full_server_that_lost_what_it_evicts_by_keeps_no_commit_waiting(part: str) -> None:
    with Engine(VALKEY) as server:
        settle(server.client(), "tests")
        store = store_at(server.url, max_bytes=20_000, **QUICK)
        await store.open()
        try:
            for number in range(10):
                await store.commit(entry_at(f"/{number}", time.time(), body=b"x" * 2000))
            server.client().delete(getattr(Layout("tests", ""), part))
            async with asyncio.timeout(5):
                await store.commit(entry_at("/b", time.time(), body=b"x" * 2000))
            assert soon(lambda: server.client().hget(Layout("tests", "").state[0], "size") == b"0")
        finally:
            await store.close()


@pytest.mark.anyio
async def test_many_hosts_that_start_cold_at_once_have_one_lease_holder_each_moment() -> None:
    with Engine() as server:
        settle(server.client(), "tests")
        stores = [store_at(server.url, term=0.5) for _ in range(8)]
        try:
            for store in stores:
                await store.open()
            leases = [await store.acquire("/hot", 10) for store in stores]
            assert sum(lease is not None for lease in leases) == 1
        finally:
            for store in stores:
                await store.close()
