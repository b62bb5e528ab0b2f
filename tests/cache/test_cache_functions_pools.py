"""Sync cached functions called in threads that an async handler waits for: the event loop is blocked meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from millpond.cache.runs import loop_watch

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

POOLED = """
import asyncio
from concurrent.futures import ThreadPoolExecutor
from millpond import cached, revalidate_tag
dynamic = "force-dynamic"
runs = 0
@cached(tags=["prices"])
def price(id):
    global runs
    runs += 1
    return id * 10
@cached
def double(id): return price(id) * 2
{get}
def PUT(id: int): return price(id)
def DELETE(): revalidate_tag("prices", expire=0)
"""

MAPPING = """
async def GET():
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map({function}, range({count})))
"""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_watch, "BLOCKED_SECONDS", 0.1)


async def answer(running: Running) -> object:
    return (await asyncio.wait_for(running.get("/"), 10)).json()


def routes(project: Project, function: str = "price", count: int = 1) -> None:
    project.routes({"/": POOLED.format(get=MAPPING.format(function=function, count=count))})


async def test_what_is_at_hand_needs_no_loop(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    routes(project)
    async with project.started() as running:
        await running.client.put("/", params={"id": 0})
        assert await answer(running) == [0]
        assert running.module("/").runs == 1
    assert "blocked" not in caplog.text


@pytest.mark.parametrize(("function", "factor", "line"), [("price", 10, 7), ("double", 20, 12)])
async def test_what_must_run_runs_in_the_thread_that_calls_after_a_bound(
    project: Project, caplog: pytest.LogCaptureFixture, function: str, factor: int, line: int
) -> None:
    routes(project, function, 8)
    async with project.started() as running:
        for _ in range(2):
            assert await answer(running) == [n * factor for n in range(8)]
            await running.settle()
        assert running.module("/").runs == 8
        assert caplog.text.count("runs there") == 1
        assert (
            f"app/route.py:{line}: @cached {function}() was called in a thread while the event loop was blocked"
            in caplog.text
        )
        await running.client.delete("/")
        running.module("/").runs = 0
        assert await answer(running) == [n * factor for n in range(8)]
        assert running.module("/").runs == 8


async def test_a_stale_value_is_served_and_refreshed_once_the_loop_is_free(project: Project) -> None:
    source = POOLED.format(get=MAPPING.format(function="price", count=1))
    project.routes({"/": source.replace('tags=["prices"]', "revalidate=60").replace("id * 10", "runs")})
    async with project.started() as running:
        await running.client.put("/", params={"id": 0})
        project.clock.move(61)
        assert await answer(running) == [1]
        await running.settle()
        assert await answer(running) == [2]


async def test_a_call_that_the_loop_has_begun_before_it_was_blocked_ends_too(project: Project) -> None:
    get = """
async def GET():
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(price, 7)
        for _ in range(3):
            await asyncio.sleep(0)
        return waiting.result()
"""
    project.routes({"/": POOLED.format(get=get)})
    async with project.started() as running:
        assert await answer(running) == 70
        await running.settle()
        runs = running.module("/").runs
        assert await answer(running) == 70
        assert running.module("/").runs == runs


async def test_an_error_in_a_thread_is_the_functions_own(project: Project) -> None:
    get = """
@cached
def missing(id): raise LookupError("no row")
async def GET():
    with ThreadPoolExecutor(1) as pool:
        try:
            return list(pool.map(missing, [1]))
        except LookupError as error:
            return str(error)
"""
    project.routes({"/": POOLED.format(get=get)})
    async with project.started() as running:
        assert await answer(running) == "no row"


async def test_a_loop_that_works_is_waited_for_however_long_a_run_takes(
    project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    slow = """
import time
from millpond import cached
dynamic = "force-dynamic"
runs = 0
@cached
def slow():
    global runs
    runs += 1
    time.sleep(0.4)
    return runs
def GET(): return slow()
"""
    monkeypatch.setattr("millpond.cache.functions.sync_bridge.LOOK_SECONDS", 0.01)
    project.routes({"/": slow})
    async with project.started() as running:
        assert await asyncio.gather(*(answer(running) for _ in range(3))) == [1, 1, 1]
    assert "blocked" not in caplog.text
