"""DataCache by itself: several processes with one store, limits, and what a reader may have."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from millpond.cache.data import DataCache, DataRead, Filled
from millpond.cache.told import Told
from millpond.policy.freshness import Reader
from millpond.policy.lifetime import FOREVER, Lifetime
from millpond.render.pending_tasks import drain_tasks
from millpond.stores.memory import MemoryStore
from ponds import NOON, Clock, turns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.anyio


class Source:
    """Gives "1", "2", …, when the gate is open."""

    def __init__(self, lifetime: Lifetime = FOREVER, tags: tuple[str, ...] = ("t",)) -> None:
        self.lifetime, self.tags = lifetime, tags
        self.runs, self.status = 0, 200
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> Filled:
        self.runs += 1
        run = self.runs
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return Filled(self.status, (), str(run).encode(), self.lifetime, self.tags, self.status == 200)


def reading(
    *,
    key: str = "fetch\0k",
    revalidate: float | None = None,
    tags: tuple[str, ...] = (),
    own: dict[str, int] | None = None,
    waits: bool = False,
) -> tuple[str, Reader]:
    return key, Reader(revalidate, tags, own or {}, waits)


class Hosts:
    """Processes that share a store; each has its own flights."""

    def __init__(self, number: int = 2, patience: float = 5, max_bytes: int = 1_000_000) -> None:
        self.clock = Clock(NOON)
        self.store = MemoryStore(max_bytes=max_bytes, clock=self.clock)
        self.caches = [
            DataCache(store=self.store, clock=self.clock, expire_time=1e6, max_data_bytes=1_000, patience=patience)
            for _ in range(number)
        ]

    def data_read(self, source: Callable[[], Awaitable[Filled]], read: tuple[str, Reader], host: int = 0) -> DataRead:
        key, reader = read
        return DataRead(self.caches[host], key, "the data", reader, lambda _: source())

    async def read(self, source: Callable[[], Awaitable[Filled]], read: tuple[str, Reader], host: int = 0) -> str:
        return (await self.caches[host].obtain(self.data_read(source, read, host))).body.decode()

    async def settle(self) -> None:
        for cache in self.caches:
            assert await drain_tasks(cache.engine.tasks, 5) == 0


async def test_processes_that_miss_at_once_make_it_once() -> None:
    hosts, source = Hosts(4), Source()
    source.gate.clear()
    readers = [asyncio.create_task(hosts.read(source, reading(), n % 4)) for n in range(12)]
    await turns()
    source.gate.set()
    assert await asyncio.gather(*readers) == ["1"] * 12
    assert source.runs == 1


async def test_processes_that_see_it_stale_refresh_it_once_and_nobody_waits() -> None:
    hosts, source = Hosts(4), Source(Lifetime(10))
    await hosts.read(source, reading())
    hosts.clock.move(11)
    source.gate.clear()
    assert [await hosts.read(source, reading(), n) for n in range(4)] == ["1"] * 4
    await turns()
    source.gate.set()
    await hosts.settle()
    assert (source.runs, await hosts.read(source, reading(), 3)) == (2, "2")


async def test_who_waited_for_another_process_takes_what_it_made_though_that_is_stale_already() -> None:
    hosts, source = Hosts(), Source()
    source.gate.clear()
    readers = [asyncio.create_task(hosts.read(source, reading(), n)) for n in range(2)]
    await turns()
    hosts.store.invalidate(["t"], expire_after=None)
    source.gate.set()
    assert await asyncio.gather(*readers) == ["1", "1"]
    await hosts.settle()
    assert source.runs == 2  # who found it stale refreshes it, like anything stale


async def test_a_reader_that_waits_takes_nothing_stale_from_another_process_either() -> None:
    hosts, source = Hosts(), Source()
    source.gate.clear()
    readers = [asyncio.create_task(hosts.read(source, reading(), n)) for n in range(2)]
    await turns()
    hosts.store.invalidate(["t"], expire_after=None)
    waiting = asyncio.create_task(hosts.read(source, reading(waits=True), 1))  # joins the second one's run
    await turns()
    source.gate.set()
    assert await asyncio.gather(*readers) == ["1", "1"]
    assert await waiting == "2"


async def test_work_that_cancels_itself_has_failed_and_is_not_tried_at_each_read() -> None:
    hosts, source = Hosts(), Source(Lifetime(10))
    await hosts.read(source, reading())
    hosts.clock.move(11)

    async def gives_up() -> Filled:
        source.runs += 1
        ended = asyncio.ensure_future(asyncio.sleep(10))
        ended.cancel()
        await ended
        raise AssertionError

    for _ in range(5):
        assert await hosts.read(gives_up, reading()) == "1"
        await turns()
    assert source.runs == 2


async def test_a_process_that_takes_too_long_is_not_waited_for() -> None:
    hosts, source = Hosts(patience=0.05), Source()
    source.gate.clear()
    slow = asyncio.create_task(hosts.read(source, reading()))
    await turns()
    quick = Source()
    assert await asyncio.wait_for(hosts.read(quick, reading(), 1), 5) == "1"
    source.gate.set()
    await slow


async def test_when_the_holder_fails_another_process_tries() -> None:
    hosts, bad, good = Hosts(), Source(), Source()
    bad.error = ValueError("no luck")
    bad.gate.clear()
    first = asyncio.create_task(hosts.read(bad, reading()))
    await turns()
    second = asyncio.create_task(hosts.read(good, reading(), 1))
    await turns()
    bad.gate.set()
    with pytest.raises(ValueError, match="no luck"):
        await first
    assert await second == "1"


async def test_readers_of_what_is_not_stored_share_one_answer_and_the_next_asks_again() -> None:
    hosts, source = Hosts(), Source()
    source.status = 404
    source.gate.clear()
    readers = [asyncio.create_task(hosts.caches[0].obtain(hosts.data_read(source, reading()))) for _ in range(5)]
    await turns()
    source.gate.set()
    assert {entry.status for entry in await asyncio.gather(*readers)} == {404}
    assert source.runs == 1
    await hosts.caches[0].obtain(hosts.data_read(source, reading()))
    assert source.runs == 2


async def test_a_reader_that_waits_takes_no_stale_data() -> None:
    hosts, source = Hosts(), Source(Lifetime(10))
    await hosts.read(source, reading())
    hosts.clock.move(11)
    assert await hosts.read(source, reading(waits=True)) == "2"


async def test_a_reader_that_waits_joins_the_refresh_that_is_under_way() -> None:
    hosts, source = Hosts(), Source(Lifetime(10))
    await hosts.read(source, reading())
    hosts.clock.move(11)
    source.gate.clear()
    assert await hosts.read(source, reading()) == "1"
    waiting = asyncio.create_task(hosts.read(source, reading(waits=True)))
    await turns()
    source.gate.set()
    assert (await waiting, source.runs) == ("2", 2)


async def test_a_reader_that_waits_tries_though_a_refresh_failed_a_moment_ago() -> None:
    hosts, source = Hosts(), Source(Lifetime(10))
    await hosts.read(source, reading())
    hosts.clock.move(11)
    source.error = ValueError("no luck")
    await hosts.read(source, reading())
    await hosts.settle()
    source.error = None
    assert await hosts.read(source, reading()) == "1"  # the pause
    assert await hosts.read(source, reading(waits=True)) == "3"


async def test_an_invalidation_of_the_readers_own_path_concerns_that_reader_only() -> None:
    hosts, source = Hosts(), Source()
    await hosts.read(source, reading(tags=("path:/a",)))
    hosts.store.invalidate(["path:/a"])
    assert await hosts.read(source, reading(tags=("path:/b",))) == "1"
    assert await hosts.read(source, reading(tags=("path:/a",))) == "2"
    assert await hosts.read(source, reading(tags=("path:/a",))) == "2"


async def test_who_invalidated_reads_fresh_though_others_may_have_stale() -> None:
    hosts, source = Hosts(), Source()
    await hosts.read(source, reading())
    generation = hosts.store.invalidate(["t"], expire_after=None)
    source.gate.clear()
    assert await hosts.read(source, reading()) == "1"
    own = asyncio.create_task(hosts.read(source, reading(own={"t": generation})))
    await turns()
    source.gate.set()
    assert await own == "2"
    assert await hosts.read(source, reading(own={"t": generation})) == "2"


async def test_what_one_process_expires_no_other_serves() -> None:
    hosts, source = Hosts(), Source()
    await hosts.read(source, reading(), 1)
    hosts.store.invalidate(["t"])
    assert await hosts.read(source, reading(), 1) == "2"


async def test_a_shutdown_leaves_nothing_running_and_says_what_was_cut_off() -> None:
    hosts, source = Hosts(), Source()
    source.gate.clear()
    reader = asyncio.create_task(hosts.read(source, reading()))
    await turns()
    assert await drain_tasks(hosts.caches[0].engine.tasks, 0.01) == 1
    with pytest.raises(Exception, match="was cancelled"):
        await reader


async def test_data_that_is_larger_than_the_store_is_used_and_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    hosts, source = Hosts(max_bytes=150), Source()
    assert [await hosts.read(source, reading()) for _ in range(2)] == ["1", "2"]
    assert "more than the store accepts: not cached" in caplog.text


async def test_what_came_from_the_future_is_stale_and_refreshed() -> None:
    """Regression 18."""
    hosts, source = Hosts(), Source(Lifetime(10))
    await hosts.read(source, reading())
    hosts.clock.move(-3_600)
    assert await hosts.read(source, reading()) == "1"
    await hosts.settle()
    assert await hosts.read(source, reading()) == "2"


async def test_entries_say_what_they_are() -> None:
    hosts, source = Hosts(), Source()
    await hosts.read(source, reading(key="fetch\0k"))
    await hosts.read(source, reading(key="function\0k"))
    assert sorted(entry.kind for entry in hosts.store.entries()) == ["fetch", "function"]


async def test_of_several_runs_for_one_key_each_is_heard_while_it_lasts() -> None:
    """One may run in the event loop, and others in threads that found it blocked."""
    cache = Hosts(1).caches[0]
    tags = ["a"]
    with cache.telling("k", lambda: Told(Lifetime(9.0), tuple(tags))):
        with cache.telling("k", lambda: Told(Lifetime(5.0), ("b",), short_lived=True)):
            assert cache.told_so_far("k") == Told(Lifetime(5.0), ("a", "b"), short_lived=True)
        tags.append("c")
        assert cache.told_so_far("k") == Told(Lifetime(9.0), ("a", "c"))
    assert cache.told_so_far("k") is None
    assert not cache._telling


@pytest.mark.parametrize("fails", [False, True])
async def test_a_run_that_was_overtaken_does_not_touch_the_newer_entry(fails: bool) -> None:
    hosts, slow, quick = Hosts(patience=0), Source(), Source()
    await hosts.read(slow, reading())
    slow.gate.clear()
    slow.status, slow.error = 404, OSError("down") if fails else None
    hosts.clock.move(11)
    await hosts.read(slow, reading(revalidate=10), 0)
    await turns()
    hosts.clock.move(1)
    quick.runs = 7
    assert await hosts.read(quick, reading(revalidate=10, waits=True), 1) == "8"
    slow.gate.set()
    await hosts.settle()
    entry = await hosts.store.get("fetch\0k")
    assert entry is not None
    assert (entry.body, entry.backoff) == (b"8", None)
