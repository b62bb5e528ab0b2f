"""How many stale answers are refreshed at once, and which come first."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, NamedTuple

import pytest

from millpond.cache.runs import refresh_queue
from millpond.cache.runs.flight import Flight
from millpond.cache.runs.refresh_queue import RefreshQueue
from ponds import turns

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio


class Asked(NamedTuple):
    key: str

    @property
    def group(self) -> str:
        """The beginning of "slow/a"; others have one each."""
        return self.key.partition("/")[0]


class Refreshes:
    """Refreshes that end when they are told to."""

    def __init__(self, at_once: int) -> None:
        self.begun: list[str] = []
        self.under_way: dict[str, asyncio.Event] = {}
        self.latest: asyncio.Task[object]
        self.queue: RefreshQueue[Asked] = RefreshQueue(at_once, self._begin)

    def _begin(self, read: Asked) -> asyncio.Task[object] | None:
        if read.key == "fresh":
            return None
        self.begun.append(read.key)
        over = self.under_way[read.key] = asyncio.Event()
        self.latest = asyncio.create_task(over.wait())
        return self.latest

    def ask(self, *keys: str) -> None:
        for key in keys:
            self.queue.ask(Asked(key))

    async def end(self, key: str) -> None:
        self.under_way.pop(key).set()
        await turns()


async def test_no_more_run_at_once_than_may() -> None:
    refreshes = Refreshes(2)
    refreshes.ask("a", "b", "c", "d")
    assert refreshes.begun == ["a", "b"]
    await refreshes.end("b")
    assert refreshes.begun == ["a", "b", "c"]
    assert len(refreshes.queue) == 1


async def test_what_is_asked_for_most_comes_first() -> None:
    refreshes = Refreshes(1)
    refreshes.ask("a", "b", "c", "d", "c", "c", "d", "c")
    for key in ("a", "c", "d"):
        await refreshes.end(key)
    assert refreshes.begun == ["a", "c", "d", "b"]


async def test_what_runs_is_not_queued_again_and_may_run_later() -> None:
    refreshes = Refreshes(1)
    refreshes.ask("a", "a", "b", "a")
    assert len(refreshes.queue) == 1
    await refreshes.end("a")
    refreshes.ask("a")
    await refreshes.end("b")
    assert refreshes.begun == ["a", "b", "a"]


async def test_what_was_refreshed_meanwhile_costs_no_turn() -> None:
    refreshes = Refreshes(1)
    refreshes.ask("a", "fresh", "fresh", "b")
    await refreshes.end("a")
    assert refreshes.begun == ["a", "b"]


async def test_a_refresh_that_is_cancelled_makes_room() -> None:
    refreshes = Refreshes(1)
    refreshes.ask("a", "b")
    refreshes.latest.cancel()
    await turns()
    assert refreshes.begun == ["a", "b"]


async def test_so_many_wait_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh_queue, "MOST_WAITING", 3)
    refreshes = Refreshes(1)
    refreshes.ask(*"abcdef")
    assert len(refreshes.queue) == 3
    for key in "abcd":
        await refreshes.end(key)
    refreshes.ask("e")
    assert refreshes.begun == list("abcde")


async def test_the_heap_does_not_grow_with_what_is_asked() -> None:
    refreshes = Refreshes(1)
    refreshes.ask("a", *["b"] * 100_000)
    assert len(refreshes.queue._lines["b"]._turns) < 20


async def test_one_group_has_half_of_the_places_and_no_more() -> None:
    refreshes = Refreshes(4)
    refreshes.ask("slow/a", "slow/b", "slow/c", "slow/c", "slow/d", "x")
    assert refreshes.begun == ["slow/a", "slow/b", "x"]
    refreshes.ask("y", "z")
    assert refreshes.begun == ["slow/a", "slow/b", "x", "y"]
    await refreshes.end("x")
    assert refreshes.begun[4:] == ["z"]
    await refreshes.end("slow/a")
    assert refreshes.begun[5:] == ["slow/c"]
    await refreshes.end("slow/c")
    await refreshes.end("slow/b")
    assert refreshes.begun[6:] == ["slow/d"]
    assert len(refreshes.queue) == 0


async def test_what_of_a_group_waits_is_asked_for_again_in_its_own_line() -> None:
    refreshes = Refreshes(1)
    refreshes.ask("a/1", "b/1", "b/2", "c/1", "b/2", "b/2", "b/2", "c/1")
    for key in ("a/1", "b/2", "c/1"):
        await refreshes.end(key)
    assert refreshes.begun == ["a/1", "b/2", "c/1", "b/1"]


SLOW = """
import asyncio

revalidate = 60
running = most = renders = 0
may_end = asyncio.Event()


def generate_static_params():
    return [{"id": str(number)} for number in range(40)]


async def GET(id: str):
    global running, most, renders
    running, renders = running + 1, renders + 1
    most = max(most, running)
    await asyncio.sleep(0)
    if renders > 40:
        await may_end.wait()
    running -= 1
    return id
"""


async def test_of_many_stale_answers_at_most_that_many_are_rendered_at_once_and_all_are_in_the_end(
    project: Project,
) -> None:
    project.routes({"/p/[id]": SLOW})
    async with project.serving(cache={"refreshes_at_once": 6}, build={"concurrency": 1}) as served:
        module = served.module("/p/[id]")
        project.clock.move(61)
        for _ in range(2):
            for number in range(40):
                assert await served.cache(f"/p/{number}") == "STALE"
        await turns()
        assert module.running == 3
        module.may_end.set()
        await served.settle()
        assert module.most == 3
        for number in range(40):
            assert await served.cache(f"/p/{number}") == "HIT"


async def test_a_shutdown_waits_for_what_runs_and_begins_nothing_that_waits(project: Project) -> None:
    project.routes({"/p/[id]": SLOW})
    await project.built(build={"concurrency": 1})
    async with project.started(cache={"refreshes_at_once": 6}) as served:
        module = served.module("/p/[id]")
        module.renders = 40
        project.clock.move(61)
        for number in range(40):
            await served.cache(f"/p/{number}")
        await turns()
        asyncio.get_running_loop().call_later(0.05, module.may_end.set)
    assert module.renders == 43


async def test_a_run_that_has_ended_is_freed_without_a_garbage_collection(project: Project) -> None:
    """What ten thousand refreshes leave behind would otherwise be collected at once, while every request waits."""
    project.routes({"/": "revalidate = 1\ndef GET(): return 1"})
    # asyncio keeps timers that were cancelled, a hundred at most, while an earlier one waits: that of the counters.
    async with project.serving(metrics={"counters": False}) as served:
        await served.get("/")
        gc.collect()
        of_others = {id(one) for one in gc.get_objects() if isinstance(one, Flight)}
        gc.disable()
        try:
            for _ in range(5):
                project.clock.move(2)
                await served.get("/")
                await served.settle()
            await asyncio.sleep(0)
            left = [one for one in gc.get_objects() if isinstance(one, Flight) and id(one) not in of_others]
            assert len(left) <= 1
        finally:
            gc.enable()


async def test_with_one_place_a_refresh_that_never_ends_makes_room_after_its_time(project: Project) -> None:
    project.routes({"/p/[id]": SLOW, "/q": "revalidate = 60\nversion = 1\nasync def GET(): return version"})
    cache = {"refreshes_at_once": 1, "render_timeout": 0.05}
    async with project.serving(cache=cache, build={"concurrency": 1}) as served:
        module = served.module("/p/[id]")
        module.renders = 40  # none of them ends
        served.module("/q").version = 2
        project.clock.move(61)
        assert await served.cache("/p/1") == "STALE"
        assert await served.cache("/q") == "STALE"
        await turns()
        assert module.running == 1
        await served.settle()
        assert await served.body("/q") == "2"
        assert await served.cache("/p/1") == "HIT"  # the last good answer, until the next attempt
