"""Invalidations against work in flight: nothing older than an expire is served once it has returned."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from millpond import revalidate_path, revalidate_tag
from ponds import turns

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

SOURCE = """
import asyncio
from millpond import cached, fetch
{config}
truth, gate, began, reads = "old", asyncio.Event(), asyncio.Event(), 0
gate.set()

async def read():
    global reads
    reads += 1
    seen = truth
    began.set()
    await gate.wait()
    return seen
{body}
"""
RENDER = """
from millpond.render.scopes.current_scope import current
async def GET():
    current().tags["t"] = None
    return await read()
"""
FUNCTION = '@cached(tags=["t"])\nasync def value(): return await read()\nasync def GET(): return await value()'
FETCH = """
import httpx2
async def answer(request): return httpx2.Response(200, text=await read())
client = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
async def GET(): return (await fetch("http://up/", cache="force-cache", tags=["t"], client=client)).text
"""
LIVE, SHARED = 'dynamic = "force-dynamic"', "revalidate = 1_000_000"
WAYS = {
    "a render": (SHARED, RENDER),
    "a live function": (LIVE, FUNCTION),
    "a shared function": (SHARED, FUNCTION),
    "a live fetch": (LIVE, FETCH),
    "a shared fetch": (SHARED, FETCH),
}
EXPIRES: dict[str, Any] = {
    "tag": lambda: revalidate_tag("t"),
    "path": lambda: revalidate_path("/"),
    "layout": lambda: revalidate_path("/", "layout"),
}


@pytest.fixture(params=WAYS)
def source(request: pytest.FixtureRequest) -> str:
    config, body = WAYS[request.param]
    return SOURCE.format(config=config, body=body)


async def get(running: Running) -> str:
    return str((await running.get("/")).json())


async def in_flight(running: Running) -> tuple[Any, asyncio.Task[str]]:
    """The route's module, and a request that has read the truth and not yet ended."""
    module = running.module("/")
    module.gate.clear()
    module.began.clear()
    task = asyncio.create_task(get(running))
    await asyncio.wait_for(module.began.wait(), 5)
    return module, task


@pytest.mark.parametrize("expire", EXPIRES.values(), ids=EXPIRES)
async def test_a_late_result_is_served_to_nobody_who_came_after_an_expire(
    project: Project, source: str, expire: Any
) -> None:
    project.routes({"/": source})
    async with project.started() as running:
        module, _early = await in_flight(running)
        module.truth = "new"
        expire()
        late = [asyncio.create_task(get(running)) for _ in range(5)]
        await turns()
        module.gate.set()
        assert await asyncio.gather(*late) == ["new"] * 5
        assert await get(running) == "new"
        assert module.reads == 2


async def test_a_late_result_is_stale_from_the_start_after_a_soft_invalidation(project: Project, source: str) -> None:
    project.routes({"/": source})
    async with project.started() as running:
        module, early = await in_flight(running)
        module.truth = "new"
        revalidate_tag("t", "max")
        module.gate.set()
        assert await early == "old"
        assert await get(running) == "old"
        await running.settle()
        assert await get(running) == "new"


async def test_each_expire_during_a_run_counts(project: Project, source: str) -> None:
    project.routes({"/": source})
    async with project.started() as running:
        module, _ = await in_flight(running)
        revalidate_tag("t")
        revalidate_tag("t")
        module.truth = "new"
        revalidate_tag("t")
        late = asyncio.create_task(get(running))
        await turns()
        module.gate.set()
        assert await late == "new"
        assert await get(running) == "new"


async def test_an_expire_during_a_background_refresh_is_not_lost(project: Project, source: str) -> None:
    project.routes({"/": source})
    async with project.started() as running:
        await get(running)
        revalidate_tag("t", "max")
        module = running.module("/")
        module.gate.clear()
        module.began.clear()
        assert await get(running) == "old"
        await asyncio.wait_for(module.began.wait(), 5)
        module.truth = "new"
        revalidate_tag("t")
        late = asyncio.create_task(get(running))
        await turns()
        module.gate.set()
        assert await late == "new"
        await running.settle()
        assert await get(running) == "new"


async def test_a_purge_of_a_tag_that_nobody_has_yet_counts_for_what_is_being_made(
    project: Project, source: str
) -> None:
    """Regression 30: the tag becomes known when the run ends."""
    project.routes({"/": source})
    async with project.started() as running:
        module, early = await in_flight(running)
        generation = revalidate_tag("t").generation
        module.truth = "new"
        module.gate.set()
        await early
        assert generation == running.pond.store.generation()
        assert await get(running) == "new"


async def test_an_invalidation_of_something_else_disturbs_nothing(project: Project, source: str) -> None:
    project.routes({"/": source})
    async with project.started() as running:
        module, early = await in_flight(running)
        revalidate_tag("other")
        revalidate_path("/other")
        module.gate.set()
        assert [await early, await get(running)] == ["old", "old"]
        assert module.reads == 1


async def test_requests_whose_shared_runs_are_all_invalidated_end_with_runs_of_their_own(
    project: Project, source: str
) -> None:
    project.routes({"/": source})
    async with project.started() as running:
        module, early = await in_flight(running)
        late = [asyncio.create_task(get(running)) for _ in range(6)]
        await turns()
        for number in range(4):
            module.truth = f"new {number}"
            revalidate_tag("t")
            module.began.clear()
            module.gate.set()
            module.gate.clear()
            await asyncio.wait_for(module.began.wait(), 5)
        module.gate.set()
        answers = await asyncio.wait_for(asyncio.gather(*late), 5)
        assert await early == "old"
        assert set(answers) <= {f"new {number}" for number in range(4)}
        assert await get(running) == "new 3"
