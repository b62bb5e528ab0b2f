"""Cached functions that call others: what the inner one computes is its own result, too (R5.24)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ponds import client_of, turns

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

NESTED = """
import asyncio
from concurrent.futures import ThreadPoolExecutor
from millpond import cached, connection, revalidate_tag
runs = []
value = 1

@cached(tags=["inner"])
{inner}: runs.append("inner"); return value

@cached(tags=["outer"])
{outer}: runs.append("outer"); return [{call}, "outer"]

async def GET(which: str):
    await connection()
    runs.clear()
    found = {{"outer": outer, "inner": inner}}[which]()
    return [await found if asyncio.iscoroutine(found) else found, [*runs]]

async def PUT(new: int, tag: str = ""):
    global value
    value = new
    if tag: revalidate_tag(tag)
"""
ASYNC, SYNC = "async def", "def"
KINDS = {
    "async in async": (ASYNC, ASYNC, "await inner()"),
    "sync in async": (SYNC, ASYNC, "inner()"),
    "sync in sync": (SYNC, SYNC, "inner()"),
    "sync in a thread of async": (SYNC, ASYNC, "await asyncio.to_thread(inner)"),
    "sync in a pool of sync": (SYNC, SYNC, "ThreadPoolExecutor(1).submit(inner).result()"),
}
MODELS: list[dict[str, Any]] = [{"compat": "14"}, {"compat": "16"}, {"cache_components": True}]
FIRST = [[1, "outer"], ["outer", "inner"]]


def nested(kind: str) -> dict[str, str]:
    inner, outer, call = KINDS[kind]
    return {"/": NESTED.format(inner=f"{inner} inner()", outer=f"{outer} outer()", call=call)}


async def answer(running: Running, which: str, **headers: str) -> Any:
    found = (await running.get(f"/?which={which}", headers=headers)).json()
    await turns()
    return found


async def change(running: Running, new: int, tag: str = "") -> None:
    assert (await running.client.put(f"/?new={new}&tag={tag}")).status_code == 200


@pytest.mark.parametrize("config", MODELS, ids=["14", "16", "16cc"])
@pytest.mark.parametrize("kind", KINDS)
async def test_what_the_inner_function_has_computed_is_a_hit_for_the_next_caller(
    project: Project, kind: str, config: dict[str, Any]
) -> None:
    project.routes(nested(kind))
    async with project.started(**config) as running:
        assert await answer(running, "outer") == FIRST
        await change(running, 2)
        assert await answer(running, "inner") == [1, []], "the outer result was made of it"
        assert await answer(running, "outer") == [[1, "outer"], []]
        await change(running, 3, "inner")
        assert await answer(running, "outer") == [[3, "outer"], ["outer", "inner"]]
        await change(running, 4)
        assert await answer(running, "inner") == [3, []]


@pytest.mark.parametrize("config", MODELS, ids=["14", "16", "16cc"])
async def test_after_an_invalidation_of_either_they_agree(project: Project, config: dict[str, Any]) -> None:
    project.routes(nested("async in async"))
    async with project.started(**config) as running:
        for new, tag in ((1, ""), (2, "outer"), (3, "inner"), (4, "outer")):
            await change(running, new, tag)
            (composed, _), (alone, _) = [await answer(running, which) for which in ("outer", "inner")]
            assert composed == [alone, "outer"]


async def test_for_an_editor_neither_is_kept(project: Project) -> None:
    project.routes(nested("sync in async"))
    async with project.started() as running:
        assert running.pond._runtimes.first is not None
        cookie = f"__prerender_bypass={running.pond._runtimes.first.dispatcher.live.draft_secret}"
        for _ in range(2):
            assert await answer(running, "outer", cookie=cookie) == FIRST
        assert await answer(running, "inner") == [1, ["inner"]]


async def test_what_an_inner_function_has_computed_at_build_is_served(project: Project) -> None:
    project.routes(
        {
            "/": """
            from millpond import cached
            runs = []
            @cached
            async def inner(): runs.append(1); return len(runs)
            @cached
            async def outer(): return [await inner()]
            async def GET(): return await outer()
            """,
            "/live": """
            from app.route import inner, runs
            dynamic = "force-dynamic"
            async def GET(): return [await inner(), len(runs)]
            """,
        }
    )
    pond = project.pond(compat="14")
    assert (await pond.build()).failures == []
    async with pond.lifespan(), client_of(pond) as client:
        assert (await client.get("/live")).json() == [1, 1]


async def test_results_of_another_lifetime_and_a_failing_inner_function(project: Project) -> None:
    project.routes(
        {
            "/": """
            from millpond import cache_life, cached
            dynamic = "force-dynamic"
            runs = []
            @cached
            async def never(): cache_life(revalidate=0); runs.append("never"); return 1
            @cached
            async def fails(): runs.append("fails"); raise LookupError("none")
            @cached(revalidate=60)
            async def outer():
                try: await fails()
                except LookupError: pass
                return await never()
            async def GET():
                runs.clear()
                await outer()
                await never()
                try: await fails()
                except LookupError: pass
                return runs
            """
        }
    )
    async with project.started() as running:
        assert (await running.get("/")).json() == ["fails", "never", "never", "fails"]
        assert (await running.get("/")).json() == ["never", "fails"]


async def test_an_argument_that_can_be_no_key_is_named_inside_of_another_function_too(project: Project) -> None:
    project.routes(
        {
            "/": """
            from millpond import cached
            dynamic = "force-dynamic"
            @cached
            async def inner(session): return 1
            @cached
            async def outer(): return await inner(object())
            async def GET():
                try: return await outer()
                except Exception as error: return str(error)
            """
        }
    )
    async with project.started() as running:
        assert 'inner(): the argument "session" is of type object' in (await running.get("/")).json()
