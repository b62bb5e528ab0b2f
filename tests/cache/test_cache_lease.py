"""Work under a lease: once among many processes, bounded in time, and never not at all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from millpond.cache.runs.lease import under_lease
from millpond.stores.memory import MemoryStore
from ponds import Clock, turns

if TYPE_CHECKING:
    from millpond.stores.contract import Lease

pytestmark = pytest.mark.anyio


class Work:
    def __init__(self) -> None:
        self.leases: list[Lease | None] = []
        self.made: str | None = None
        self.gate = asyncio.Event()

    async def make(self, lease: Lease | None) -> str:
        self.leases.append(lease)
        await self.gate.wait()
        self.made = f"made {len(self.leases)}"
        return self.made

    async def found(self) -> str | None:
        return self.made


@pytest.fixture
def clock() -> Clock:
    return Clock(0.0)


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(max_bytes=10_000, clock=clock, monotonic=clock)


def begun(store: MemoryStore, work: Work, patience: float = 5, seconds: float = 10) -> asyncio.Task[str]:
    return asyncio.create_task(under_lease(store, "k", patience, work.make, work.found, seconds))


async def test_one_makes_it_and_the_others_take_what_they_find(store: MemoryStore) -> None:
    work = Work()
    tasks = [begun(store, work) for _ in range(5)]
    await turns()
    work.gate.set()
    assert await asyncio.gather(*tasks) == ["made 1"] * 5
    assert len(work.leases) == 1
    assert work.leases[0] is not None


async def test_what_was_made_just_before_is_not_made_again(store: MemoryStore) -> None:
    work = Work()
    work.made = "already"
    assert await begun(store, work) == "already"
    assert work.leases == []


async def test_a_lease_is_given_back(store: MemoryStore) -> None:
    work = Work()
    work.gate.set()
    await begun(store, work)
    assert await store.acquire("k", 10) is not None


async def test_a_lease_is_given_back_after_a_failure_and_after_a_cancellation(store: MemoryStore) -> None:
    async def fail(lease: Lease | None) -> str:
        raise ValueError("no luck")

    with pytest.raises(ValueError, match="no luck"):
        await under_lease(store, "k", 5, fail, Work().found)
    work = Work()
    task = begun(store, work)
    await turns()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await store.acquire("k", 10) is not None


async def test_when_the_holder_made_nothing_of_use_the_next_one_makes_it(store: MemoryStore) -> None:
    held = await store.acquire("k", 10)
    assert held is not None
    work = Work()
    work.gate.set()
    task = begun(store, work)
    await turns()
    assert work.leases == []
    await store.release(held)
    assert await task == "made 1"
    assert work.leases[0] is not None


async def test_when_a_holder_fails_one_of_those_who_wait_takes_its_place(store: MemoryStore) -> None:
    """Regression 22."""
    held = await store.acquire("k", 10)
    assert held is not None
    work = Work()
    tasks = [begun(store, work) for _ in range(5)]
    await turns()
    await store.release(held)
    await turns()
    assert len(work.leases) == 1
    work.gate.set()
    assert await asyncio.gather(*tasks) == ["made 1"] * 5


async def test_after_its_patience_a_waiter_makes_it_without_a_lease(store: MemoryStore) -> None:
    await store.acquire("k", 1_000)
    work = Work()
    work.gate.set()
    assert await begun(store, work, patience=0.02) == "made 1"
    assert work.leases == [None]


async def test_a_dead_holder_delays_others_only_until_its_lease_runs_out(store: MemoryStore, clock: Clock) -> None:
    await store.acquire("k", 10)
    work = Work()
    work.gate.set()
    task = begun(store, work, patience=1_000)
    await turns()
    assert not task.done()
    clock.move(11)
    assert await asyncio.wait_for(task, 5) == "made 1"


async def test_a_living_holder_keeps_its_lease_however_long_it_works(store: MemoryStore, clock: Clock) -> None:
    work = Work()
    task = begun(store, work, seconds=0.06)  # renewed each 20 ms of real time; the store's clock is moved
    renewed = asyncio.Event()
    renew = store.renew

    async def noting(lease: Lease, seconds: float) -> bool:
        renewed.set()
        return await renew(lease, seconds)

    store.renew = noting  # type: ignore[method-assign]  # to see it happen
    for _ in range(3):
        clock.move(0.05)
        renewed.clear()
        await asyncio.wait_for(renewed.wait(), 5)
        await turns()
        assert await store.acquire("k", 10) is None
    work.gate.set()
    assert await task == "made 1"
