"""What the memory store promises beyond the contract: threads, exact recency, bounded tag rows, prompt waking."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from conformance import BUILD, NOW, PLENTY, MovableClock, entry_at, taken

from millpond.policy.freshness import judge
from millpond.stores.contract import Commit, Lease
from millpond.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio

ENTRY_BYTES = entry_at("/0", body=b"x" * 1000).size


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOW)


def store_of(clock: MovableClock, *, max_bytes: int = PLENTY, max_tags: int = 100_000) -> MemoryStore:
    return MemoryStore(max_bytes=max_bytes, clock=clock, max_tags=max_tags, monotonic=clock)


def keys_of(store: MemoryStore) -> set[str]:
    return {entry.key for entry in store.entries()}


# Recency


async def test_listing_the_entries_does_not_count_as_use(clock: MovableClock) -> None:
    store = store_of(clock, max_bytes=2 * ENTRY_BYTES)
    for key in ("/0", "/1"):
        await store.commit(entry_at(key, body=b"x" * 1000))
    store.peek("/0")
    list(store.entries())
    await store.commit(entry_at("/2", body=b"x" * 1000))
    assert keys_of(store) == {"/0", "/2"}


async def test_recency_survives_any_number_of_reads(clock: MovableClock) -> None:
    store = store_of(clock, max_bytes=3 * ENTRY_BYTES)
    for number in range(3):
        await store.commit(entry_at(f"/{number}", body=b"x" * 1000))
    store.peek("/0")
    for _ in range(50_000):
        store.peek("/2")
    assert len(store._reads) <= 4096
    await store.commit(entry_at("/3", body=b"x" * 1000))
    assert keys_of(store) == {"/0", "/2", "/3"}


async def test_reads_of_a_removed_entry_bring_nothing_back(clock: MovableClock) -> None:
    store = store_of(clock, max_bytes=2 * ENTRY_BYTES)
    await store.commit(entry_at("/0", body=b"x" * 1000))
    store.peek("/0")
    await store.remove("/0")
    await store.commit(entry_at("/1", body=b"x" * 1000))
    assert keys_of(store) == {"/1"}
    assert store._queues.bytes == ENTRY_BYTES


async def test_of_a_seed_over_the_limit_the_last_entries_stay(clock: MovableClock) -> None:
    store = store_of(clock, max_bytes=2 * ENTRY_BYTES)
    await store.seed([entry_at(f"/{number}", body=b"x" * 1000) for number in range(5)])
    assert keys_of(store) == {"/3", "/4"}


async def test_a_seed_that_is_older_than_all_remembered_invalidations_is_concerned_by_each(
    clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millpond.stores.memory._INVALIDATIONS_REMEMBERED", 5)
    store = store_of(clock)
    for _ in range(10):
        clock.advance(1)
        store.invalidate(["t"])
    await store.seed([entry_at("/old", rendered_at=NOW + 4.5), entry_at("/young", rendered_at=NOW + 7.5)])
    assert {entry.key: entry.generation for entry in store.entries()} == {"/old": 0, "/young": 7}


async def test_a_clock_that_was_set_back_revives_no_seed(clock: MovableClock) -> None:
    store = store_of(clock)
    store.invalidate(["t"])
    clock.advance(-3600)
    store.invalidate(["t"])
    await store.seed([entry_at("/a", rendered_at=NOW - 1, tags=("t",))])
    entry = store.peek("/a")
    assert entry is not None
    assert not judge(entry, clock(), store.row, BUILD).servable


async def test_of_a_seed_an_entry_that_is_alone_too_large_is_left_out(clock: MovableClock) -> None:
    store = store_of(clock, max_bytes=2 * ENTRY_BYTES)
    await store.seed([entry_at("/0", body=b"x" * 1000), entry_at("/1", body=b"x" * 5000)])
    assert keys_of(store) == {"/0"}


# Tag rows


async def test_rows_are_bounded(clock: MovableClock) -> None:
    store = store_of(clock, max_tags=80)
    for number in range(1000):
        store.invalidate([f"tag {number}"])
    assert len(store._rows) <= 80 + 2 * 10
    assert store.row("tag 999") is not None
    assert store.row("tag 0") is None


async def test_a_row_that_goes_takes_the_entries_it_fenced_with_it(clock: MovableClock) -> None:
    store = store_of(clock, max_tags=8)
    fenced = entry_at("/fenced", tags=("t",))
    await store.commit(fenced)
    await store.commit(entry_at("/other", tags=("u",)))
    store.invalidate(["t"])
    for number in range(20):
        store.invalidate([f"tag {number}"])
        there = store.peek("/fenced")
        assert there is None or not judge(there, clock(), store.row, BUILD).servable
    assert store.row("t") is None
    assert keys_of(store) == {"/other"}


async def test_a_row_that_goes_leaves_entries_that_were_rendered_after_it(clock: MovableClock) -> None:
    store = store_of(clock, max_tags=8)
    generation = store.invalidate(["t"])
    await store.commit(entry_at(tags=("t",), generation=generation))
    for number in range(20):
        store.invalidate([f"tag {number}"])
    assert store.row("t") is None
    assert keys_of(store) == {"/a"}


async def test_a_render_that_is_older_than_a_row_that_went_is_refused(clock: MovableClock) -> None:
    store = store_of(clock, max_tags=8)
    captured = store.generation()
    store.invalidate(["t"])
    for number in range(20):
        store.invalidate([f"tag {number}"])
    late = entry_at(tags=("t",), generation=captured, rendered_at=NOW - 1)
    assert await store.commit(late) is Commit.INVALIDATED
    await store.seed([late])
    assert keys_of(store) == set()


async def test_a_row_that_is_invalidated_again_counts_as_young(clock: MovableClock) -> None:
    store = store_of(clock, max_tags=8)
    entry = entry_at(tags=("t",))
    await store.commit(entry)
    for number in range(50):
        store.invalidate(["t"], expire_after=None)
        store.invalidate([f"tag {number}"])
    assert store.peek("/a") == entry
    assert store.row("t") is not None


async def test_one_call_may_name_more_tags_than_are_kept(clock: MovableClock) -> None:
    store = store_of(clock, max_tags=8)
    await store.commit(entry_at(tags=("t 3",)))
    generation = store.invalidate([f"t {number}" for number in range(100)])
    entry = store.peek("/a")
    assert entry is None or not judge(entry, clock(), store.row, BUILD).servable
    assert await store.commit(entry_at(tags=("t 3",), generation=generation)) is Commit.STORED


async def test_a_reader_with_an_entry_in_hand_still_finds_the_row_that_fences_it(clock: MovableClock) -> None:
    store = store_of(clock, max_tags=80)
    await store.commit(entry_at(tags=("t",)))
    in_hand = store.peek("/a")
    store.invalidate(["t"])
    number = 0
    while store.peek("/a") is not None:
        store.invalidate([f"tag {number}"])
        number += 1
    assert in_hand is not None
    assert not judge(in_hand, clock(), store.row, BUILD).servable


# Leases


async def test_leases_that_nobody_released_are_forgotten_in_time(clock: MovableClock) -> None:
    store = store_of(clock)
    for number in range(10_000):
        await store.acquire(f"/{number}", 1)
        clock.advance(0.01)
    assert len(store._leases) < 2000
    assert await store.acquire("/9999", 1) is None


async def test_a_waiter_does_not_poll_fast(clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    def monotonic() -> float:
        nonlocal looks
        looks += 1
        return 0.0

    store = MemoryStore(max_bytes=PLENTY, clock=clock, monotonic=monotonic)
    await taken(store, "/a", 3600)
    looks = 0
    await store.wait("/a", 0.1)
    assert looks <= 3 + 2 * (0.1 / 0.02)


def test_a_release_in_one_thread_wakes_a_waiter_in_another_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millpond.stores.memory._LOOK_AGAIN_SECONDS", 60.0)
    store = MemoryStore(max_bytes=PLENTY, clock=time.time)
    lease = asyncio.run(taken(store, "/a", 3600))
    waiting = threading.Event()
    latency = 0.0

    async def wait() -> None:
        nonlocal latency
        task = asyncio.create_task(store.wait("/a", 30))
        await asyncio.sleep(0)
        waiting.set()
        await task
        latency = time.monotonic() - released

    waiter = threading.Thread(target=lambda: asyncio.run(wait()))
    waiter.start()
    assert waiting.wait(5)
    released = time.monotonic()
    asyncio.run(store.release(lease))
    waiter.join(5)
    assert not waiter.is_alive()
    assert latency < 0.5
    assert len(store._waiters) == 0


def test_a_waiter_whose_loop_was_closed_does_not_hinder_a_release() -> None:
    store = MemoryStore(max_bytes=PLENTY, clock=time.time)
    lease = asyncio.run(taken(store, "/a", 3600))
    loop = asyncio.new_event_loop()
    store._waiters._waiting["/a"] = {loop.create_future()}
    loop.close()
    asyncio.run(store.release(lease))
    assert isinstance(asyncio.run(store.acquire("/a", 1)), Lease)


# Threads


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns as often as they can, so that a missing lock shows."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("restless")
def test_threads_that_write_and_read_at_once_leave_a_sound_store() -> None:
    store = MemoryStore(max_bytes=20 * ENTRY_BYTES, clock=lambda: NOW, max_tags=16)
    problems: list[str] = []
    start = threading.Barrier(6)

    async def write(seed: int) -> None:
        for number in range(400):
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
        for number in range(8000):
            entry = store.peek(f"/{number % 40}")
            if entry is not None and entry.key != f"/{number % 40}":
                problems.append(f"{entry.key} under /{number % 40}")
            if number % 500 == 0 and sum(entry.size for entry in store.entries()) > 20 * ENTRY_BYTES:
                problems.append("over the limit")

    def run(number: int) -> None:
        start.wait(10)
        if number < 3:
            asyncio.run(write(number + 1))
        else:
            read()

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(run, range(6)))
    assert problems == []
    assert store._queues.bytes == sum(entry.size for entry in store.entries()) <= 20 * ENTRY_BYTES


@pytest.mark.usefixtures("restless")
def test_no_thread_sees_an_entry_as_fresh_once_its_invalidation_returned() -> None:
    store = MemoryStore(max_bytes=PLENTY, clock=lambda: NOW, max_tags=8)
    invalidated_at = 0
    done = threading.Event()
    wronged: list[tuple[int, int]] = []

    async def renew() -> None:
        nonlocal invalidated_at
        for number in range(1500):
            await store.commit(entry_at(tags=("t",), generation=store.generation(), rendered_at=NOW))
            invalidated_at = store.invalidate(["t"])
            for other in range(3):
                store.invalidate([f"{number} {other}"])
        done.set()

    def read() -> None:
        while not done.is_set():
            known = invalidated_at
            entry = store.peek("/a")
            if entry is not None and entry.generation < known and judge(entry, NOW, store.row, BUILD).servable:
                wronged.append((entry.generation, known))

    with ThreadPoolExecutor(3) as threads:
        readers = [threads.submit(read) for _ in range(2)]
        asyncio.run(renew())
        for reader in readers:
            reader.result(10)
    assert wronged == []


@pytest.mark.usefixtures("restless")
def test_one_of_many_threads_gets_a_lease() -> None:
    store = MemoryStore(max_bytes=PLENTY, clock=time.time)
    start = threading.Barrier(8)

    def ask(_: int) -> list[bool]:
        start.wait(10)

        async def all_keys() -> list[bool]:
            return [await store.acquire(f"/{number}", 60) is not None for number in range(200)]

        return asyncio.run(all_keys())

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(8)))
    assert [sum(column) for column in zip(*answers, strict=True)] == [1] * 200


@pytest.mark.usefixtures("restless")
def test_no_generation_is_given_twice_over_threads() -> None:
    store = MemoryStore(max_bytes=PLENTY, clock=time.time)

    start = threading.Barrier(4)

    def invalidate(_: int) -> list[int]:
        start.wait(10)
        return [store.invalidate(["t", "u", "v"]) for _ in range(3000)]

    with ThreadPoolExecutor(4) as threads:
        given = [one for many in threads.map(invalidate, range(4)) for one in many]
    assert sorted(given) == list(range(1, 12_001))


@pytest.mark.usefixtures("restless")
def test_who_sees_a_generation_sees_the_rows_it_stands_for() -> None:
    store = MemoryStore(max_bytes=PLENTY, clock=lambda: NOW)
    done = threading.Event()
    early: list[int] = []

    def invalidate() -> None:
        for _ in range(5000):
            store.invalidate(["t"])
        done.set()

    def read() -> None:
        while not done.is_set():
            generation = store.generation()
            row = store.row("t")
            if generation and (row is None or row.generation < generation):
                early.append(generation)

    reader = threading.Thread(target=read)
    reader.start()
    invalidate()
    reader.join(10)
    assert early == []
