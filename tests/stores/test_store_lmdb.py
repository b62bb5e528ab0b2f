"""What the LMDB store promises beyond the contract: bounds, seeds, full maps, threads, waking."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from conformance import BUILD, NOW, MovableClock, entry_at, taken
from lmdb_views import Opener, keys_of, views_of

from millpond.policy.freshness import judge
from millpond.policy.key import shared_key
from millpond.stores.contract import Commit
from millpond.stores.lmdb.inspection import LmdbInspection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from millpond.stores.lmdb.store import LmdbStore


pytestmark = pytest.mark.anyio

ENTRY_BYTES = entry_at("/0", body=b"x" * 1000).size


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOW)


@pytest.fixture
async def opened(tmp_path: Path, clock: MovableClock) -> AsyncIterator[Opener]:
    async with views_of(tmp_path / "store", clock) as opener:
        yield opener


# Seeds


async def test_of_a_seed_over_the_limit_the_last_entries_stay(opened: Opener) -> None:
    store = await opened(max_bytes=2 * ENTRY_BYTES)
    await store.seed([entry_at(f"/{number}", body=b"x" * 1000) for number in range(5)])
    assert keys_of(store) == {"/3", "/4"}


async def test_a_new_build_replaces_the_answers_of_others_and_leaves_their_data(opened: Opener) -> None:
    store = await opened()
    await store.commit(entry_at("/a", NOW + 50, build="build-0"))
    await store.commit(entry_at("/gone", NOW + 50, build="build-0"))
    data = entry_at("function\0f", NOW + 50, kind="function", build="")
    await store.commit(data)
    older = entry_at("function\0f", NOW, kind="function", build="", body=b"older")
    await store.seed([entry_at("/a", NOW), older])
    await store.tidy()
    assert keys_of(store) == {"/a", "function\0f"}
    assert store.peek("/a") == entry_at("/a", NOW)
    assert store.peek("function\0f") == data


async def test_what_former_builds_share_with_a_new_one_stays(opened: Opener) -> None:
    store = await opened()
    unchanged, changed = (shared_key("response\0app/route.py\0/a\0", each) for each in ("f1", "f2"))
    for key in (unchanged, changed, "/a"):
        await store.commit(entry_at(key, build="build-0"))
    store.keep_shared(BUILD, frozenset({"f1", "f3"}))
    await store.commit(entry_at("/b"))
    await store.tidy()
    assert keys_of(store) == {unchanged, "/b"}


async def test_a_build_without_answers_drops_none(opened: Opener) -> None:
    store = await opened()
    await store.commit(entry_at("/a", build="build-0"))
    await store.seed([])
    await store.seed([entry_at("fetch\0f", kind="fetch", build="")])
    await store.tidy()
    assert keys_of(store) == {"/a", "fetch\0f"}


async def test_a_seed_that_is_older_than_all_remembered_invalidations_is_concerned_by_each(
    opened: Opener, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millpond.stores.lmdb.tag_rows._INVALIDATIONS_REMEMBERED", 5)
    store = await opened()
    for _ in range(10):
        clock.advance(1)
        store.invalidate(["t"])
    await store.seed([entry_at("/old", NOW + 4.5), entry_at("/young", NOW + 7.5)])
    assert {entry.key: entry.generation for entry in store.entries()} == {"/old": 0, "/young": 7}


async def test_a_clock_that_was_set_back_revives_no_seed(opened: Opener, clock: MovableClock) -> None:
    store = await opened()
    store.invalidate(["t"])
    clock.advance(-3600)
    store.invalidate(["t"])
    await store.seed([entry_at("/a", NOW - 1, tags=("t",))])
    entry = store.peek("/a")
    assert entry is not None
    assert not judge(entry, clock(), store.row, BUILD).servable


# Full maps


async def test_a_full_map_costs_entries_until_there_is_room_again(
    opened: Opener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("millpond.stores.lmdb.opening._ROOM_BESIDE", 0)
    store = await opened(max_bytes=100_000, max_tags=10)
    reader = store._transactions.environment.begin()  # pins every page that it could still ask for
    for number in range(8):
        await store.commit(entry_at(f"/{number}"))
    outcomes = [await store.commit(entry_at("/a", number, body=b"x" * 9000)) for number in range(200)]
    assert outcomes[0] is Commit.STORED
    assert outcomes[-1] is Commit.FAILED
    assert len(caplog.records) == 1, "the log fills as fast as the disk"
    assert len(keys_of(store)) >= 6, "nothing is gained by giving up more"
    reader.abort()
    assert await store.commit(entry_at("/a", 1000, body=b"x" * 9000)) is Commit.STORED
    assert store.invalidate(["t"]) == 1


async def test_room_that_does_not_come_is_not_asked_for_at_every_commit(
    opened: Opener, monkeypatch: pytest.MonkeyPatch, clock: MovableClock
) -> None:
    """Making room gives up entries and takes three transactions."""
    monkeypatch.setattr("millpond.stores.lmdb.opening._ROOM_BESIDE", 0)
    store = await opened(max_bytes=200_000, max_tags=10)
    environment, tries = store._transactions.environment, 0
    reap = environment.reap

    def counted() -> int:
        nonlocal tries
        tries += 1
        return reap()

    monkeypatch.setattr(environment, "reap", counted)
    reader = environment.begin()
    outcomes = [await store.commit(entry_at("/a", number, body=b"x" * 90_000)) for number in range(40)]
    assert (outcomes[-1], tries) == (Commit.FAILED, 1)
    clock.advance(60)
    await store.commit(entry_at("/a", 50, body=b"x" * 90_000))
    assert tries == 2
    reader.abort()


async def test_a_larger_limit_waits_for_the_processes_that_have_a_smaller_one(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Theirs is the map, which must never be full: what can't be written can't be invalidated either."""
    monkeypatch.setattr("millpond.stores.lmdb.opening._ROOM_BESIDE", 200_000)
    small = await opened(max_bytes=100_000, max_tags=100)
    large = await opened(max_bytes=10_000_000, max_tags=100)
    for number in range(400):
        entry = entry_at(f"/{number}", body=b"x" * 3000, generation=large.generation())
        assert await large.commit(entry) is Commit.STORED
        assert large.invalidate([f"tag {number}"]) == number + 1
    assert sum(entry.size for entry in large.entries()) <= 100_000
    await small.close()
    await large.close()
    large = await opened(max_bytes=10_000_000, max_tags=100)
    for number in range(400):
        await large.commit(entry_at(f"/{number}", body=b"x" * 3000, generation=large.generation()))
    assert sum(entry.size for entry in large.entries()) > 1_000_000


# Leases


async def test_leases_that_nobody_released_are_forgotten_in_time(opened: Opener, clock: MovableClock) -> None:
    store = await opened()
    for number in range(5000):
        await store.acquire(f"/{number}", 1)
        clock.advance(0.01)
    with store._transactions.reading() as (txn, tables):
        assert txn.stat(tables.leases)["entries"] < 2000
    assert await store.acquire("/4999", 1) is None


async def test_a_release_wakes_a_waiter_of_the_same_process_at_once(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millpond.stores.lmdb.store._LOOK_AGAIN_SECONDS", 60.0)
    store, other = await opened(), await opened()
    lease = await taken(store, "/a", 3600)
    waiting = [asyncio.create_task(one.wait("/a", 30)) for one in (store, other)]
    await asyncio.sleep(0.01)
    await store.release(lease)
    began = time.monotonic()
    await asyncio.gather(*waiting)
    assert time.monotonic() - began < 0.5
    assert len(store._transactions.environment.waiters) == 0


async def test_a_waiter_whose_loop_was_closed_does_not_hinder_a_release(opened: Opener) -> None:
    store = await opened()
    lease = await taken(store, "/a")
    loop = asyncio.new_event_loop()
    store._transactions.environment.waiters._waiting["/a"] = {loop.create_future()}
    loop.close()
    await store.release(lease)
    assert await store.acquire("/a", 1) is not None


# Housekeeping


async def test_what_was_read_is_written_down_without_any_commit(
    opened: Opener, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seconds: list[float] = []
    real_sleep = asyncio.sleep

    async def sleep(delay: float) -> None:
        seconds.append(delay)
        await real_sleep(0)

    monkeypatch.setattr("millpond.stores.lmdb.store.asyncio.sleep", sleep)
    store = await opened()
    await store.commit(entry_at("/a"))
    store.peek("/a")
    while len(seconds) < 130:
        await real_sleep(0)
    monkeypatch.undo()
    assert set(seconds) == {1}
    with LmdbInspection(tmp_path / "store") as inside:
        found = inside.show("/a")
    assert found is not None
    assert found.hits == 1


# Threads


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns as often as they can, so that a missing lock shows."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("restless")
async def test_threads_that_write_and_read_at_once_leave_a_sound_store(opened: Opener) -> None:
    store = await opened(max_bytes=20 * ENTRY_BYTES, max_tags=16, local_bytes=10 * ENTRY_BYTES)
    problems: list[str] = []
    start = threading.Barrier(6)

    async def write(seed: int) -> None:
        for number in range(200):
            key, tag = f"/{(number * seed) % 40}", f"t{number % 30}"
            entry = entry_at(key, body=b"x" * (number * 97 % 2000), tags=(tag,), generation=store.generation())
            await store.commit(entry)
            if number % 7 == 0:
                store.invalidate([tag], expire_after=None if number % 2 else 0)
            if number % 11 == 0:
                await store.remove(key)
            if number % 50 == 0:
                await store.seed([entry_at(f"/seed{number}", generation=store.generation())])

    def read() -> None:
        for number in range(4000):
            entry = store.peek(f"/{number % 40}")
            if entry is not None and entry.key != f"/{number % 40}":
                problems.append(f"{entry.key} under /{number % 40}")

    def run(number: int) -> None:
        start.wait(10)
        if number < 3:
            asyncio.run(write(number + 1))
        else:
            read()

    def all_of_them() -> None:
        with ThreadPoolExecutor(6) as threads:
            list(threads.map(run, range(6)))

    await asyncio.to_thread(all_of_them)
    assert problems == []
    with store._transactions.reading() as reading:
        txn, tables = reading
        assert reading.state().size == sum(entry.size for entry in store.entries()) <= 20 * ENTRY_BYTES
        counts = {txn.stat(table)["entries"] for table in (tables.entries, tables.kept, tables.by_place)}
    assert len(counts) == 1


@pytest.mark.usefixtures("restless")
async def test_no_thread_sees_an_entry_as_fresh_once_its_invalidation_returned(opened: Opener) -> None:
    store, other = await opened(max_tags=8), await opened(max_tags=8)
    invalidated_at = 0
    done = threading.Event()
    wronged: list[tuple[int, int]] = []

    async def renew() -> None:
        nonlocal invalidated_at
        for number in range(700):
            await store.commit(entry_at(tags=("t",), generation=store.generation(), rendered_at=NOW))
            invalidated_at = store.invalidate(["t"])
            for one in range(3):
                store.invalidate([f"{number} {one}"])
        done.set()

    def read(view: LmdbStore) -> None:
        while not done.is_set():
            known = invalidated_at
            entry = view.peek("/a")
            if entry is not None and entry.generation < known and judge(entry, NOW, view.row, BUILD).servable:
                wronged.append((entry.generation, known))

    with ThreadPoolExecutor(3) as threads:
        readers = [threads.submit(read, view) for view in (store, other)]
        await asyncio.to_thread(asyncio.run, renew())
        for reader in readers:
            reader.result(10)
    assert wronged == []


@pytest.mark.usefixtures("restless")
async def test_who_sees_a_generation_sees_the_rows_it_stands_for(opened: Opener) -> None:
    store = await opened()
    done = threading.Event()
    early: list[int] = []

    def invalidate() -> None:
        for _ in range(2000):
            store.invalidate(["t"])
        done.set()

    def read() -> None:
        while not done.is_set():
            generation = store.generation()
            row = store.row("t")
            if generation and (row is None or row.generation < generation):
                early.append(generation)

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda work: work(), (invalidate, read, read)))
    assert early == []
    assert store.generation() == 2000
