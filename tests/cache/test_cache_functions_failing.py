"""A cached function that raises, or that its caller gives up: what it has told of its data counts all the same."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from upstreams import upstream

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

ROUTE = """
import asyncio
from concurrent.futures import ThreadPoolExecutor
import httpx2
from millpond import cache_life, cache_tag, cached, fetch, not_found, revalidate_tag
ROWS, GATE, runs = dict(), asyncio.Event(), 0
{config}
{functions}
{get}
def DELETE(tag: str): revalidate_tag(tag, expire=0)
"""

CATCHING = """
    global runs
    runs += 1
    try:
        return {call}
    except {error}:
        return f"none {{runs}}"
"""

DYNAMIC_TAGS = "def load(row):\n    cache_tag('db', f'row:{row}')\n    return ROWS[row]"
"""Told before the error."""

MODES: list[Any] = [
    pytest.param({"compat": "14"}, "", id="14"),
    pytest.param({"compat": "15"}, 'dynamic = "force-static"', id="15"),
    pytest.param({"compat": "16"}, "revalidate = False", id="16"),
    pytest.param({"cache_components": True}, "", id="16cc"),
]


def route(
    functions: str, call: str, error: str = "LookupError", config: str = "revalidate = False", **kind: str
) -> str:
    get = f"{kind.get('get', 'async def GET():')}{CATCHING.format(call=call, error=error)}"
    return ROUTE.format(config=config, functions=functions, get=get)


async def forgotten_by(project: Project, tag: str, source: str, **config: Any) -> None:
    """The answer is kept, and the tag ends it."""
    project.routes({"/": source})
    async with project.started(**config) as running:
        first = await running.body("/")
        assert await running.body("/") == first
        await running.client.delete("/", params={"tag": tag})
        assert await running.body("/") != first


@pytest.mark.parametrize(("config", "segment"), MODES)
async def test_a_404_for_a_missing_row_ends_with_the_tag_of_the_rows(
    project: Project, config: dict[str, Any], segment: str
) -> None:
    get = "def GET(id: str):\n    try:\n        return load(id)\n    except LookupError:\n        not_found()\n"
    source = ROUTE.format(config=segment, functions="@cached(tags=['db'])\ndef load(row): return ROWS[row]", get=get)
    listed = "def generate_static_params(): return [{'id': 'a'}]\n"
    project.routes({"/rows/[id]": source + listed})
    async with project.started(**config) as running:
        assert (await running.get("/rows/a")).status_code == 404
        assert (await running.get("/rows/a")).headers["x-nextjs-cache"] == "HIT"
        running.module("/rows/[id]").ROWS["a"] = "here"
        await running.client.delete("/rows/a", params={"tag": "db"})
        assert await running.body("/rows/a") == '"here"'


@pytest.mark.parametrize("get", ["def GET():", "async def GET():"])
@pytest.mark.parametrize("tag", ["db", "row:1"])
async def test_tags_that_a_sync_function_gives_before_it_raises_count(project: Project, get: str, tag: str) -> None:
    await forgotten_by(project, tag, route(f"@cached\n{DYNAMIC_TAGS}", "load(1)", get=get))


@pytest.mark.parametrize("tag", ["db", "row:1"])
async def test_tags_that_an_async_function_gives_before_it_raises_count(project: Project, tag: str) -> None:
    await forgotten_by(project, tag, route(f"@cached\nasync {DYNAMIC_TAGS}", "await load(1)"))


@pytest.mark.parametrize("components", [False, True])
@pytest.mark.parametrize("inner", ["inner", "outer"])
async def test_a_function_that_catches_the_error_of_another_one_has_its_tags(
    project: Project, components: bool, inner: str
) -> None:
    functions = """
@cached(tags=["inner"])
async def load(): raise LookupError
@cached(tags=["outer"])
async def whole():
    try:
        return await load()
    except LookupError:
        return runs
"""
    config = "" if components else "revalidate = False"
    await forgotten_by(project, inner, route(functions, "await whole()", config=config), cache_components=components)


async def test_an_answer_of_an_upstream_that_is_refused_inside_has_the_tags_of_the_fetch(project: Project) -> None:
    async with upstream() as service:
        service.status = 503
        functions = f"""
@cached
async def prices():
    answer = await fetch({service.url!r} + "/prices", tags=["prices"])
    answer.raise_for_status()
"""
        await forgotten_by(project, "prices", route(functions, "await prices()", "httpx2.HTTPStatusError"))


@pytest.mark.parametrize("tag", ["declared", "told"])
async def test_a_caller_that_gives_up_waiting_learns_what_was_told_so_far(project: Project, tag: str) -> None:
    functions = """
@cached(tags=["declared"])
async def slow():
    cache_tag("told")
    await GATE.wait()
    cache_tag("later")
    return "slow"
"""
    source = route(functions, "await asyncio.wait_for(slow(), 0.05)", "TimeoutError")
    project.routes({"/": source})
    async with project.started() as running:
        assert await running.body("/") == '"none 1"'
        entry = running.entry("/")
        assert entry is not None
        assert {"declared", "told"} <= set(entry.tags)
        assert "later" not in entry.tags
        await running.client.delete("/", params={"tag": tag})
        running.module("/").GATE.set()
        await running.settle()
        assert await running.body("/") == '"slow"'


@pytest.mark.parametrize("kind", ["async def", "def"])
async def test_everybody_who_joined_the_run_learns_it(project: Project, kind: str) -> None:
    wait = "await GATE.wait()" if kind == "async def" else "import time; time.sleep(0.2)"
    library = f"""
import asyncio
from millpond import cache_tag, cached
GATE = asyncio.Event()
runs = 0
@cached
{kind} load():
    global runs
    runs += 1
    cache_tag("db")
    {wait}
    raise LookupError
"""
    reading = f"""
from library import load
from millpond import not_found
revalidate = False
{kind} GET():
    try:
        {"await " if kind == "async def" else ""}load()
    except LookupError:
        not_found()
"""
    project.write({"library.py": library})
    project.routes({f"/{name}": reading for name in "abc"})
    async with project.started() as running:
        asked = [asyncio.create_task(running.get(f"/{name}")) for name in "abc"]
        if kind == "async def":
            await asyncio.sleep(0.2)
            running.module("/a").load.__wrapped__.__globals__["GATE"].set()
        assert [answer.status_code for answer in await asyncio.gather(*asked)] == [404] * 3
        assert running.module("/a").load.__wrapped__.__globals__["runs"] == 1
        for name in "abc":
            entry = running.entry(f"/{name}")
            assert entry is not None
            assert "db" in entry.tags


async def test_a_lifetime_that_is_told_before_the_error_counts(project: Project) -> None:
    functions = "@cached(revalidate=90)\ndef load():\n    cache_life(revalidate=60)\n    raise LookupError"
    project.routes({"/": route(functions, "load()")})
    async with project.started() as running:
        assert (await running.get("/")).headers["cache-control"].startswith("s-maxage=60,")


async def test_a_result_that_cannot_be_kept_tells_its_tags_too(project: Project) -> None:
    functions = "from millpond import UsageError\n@cached(tags=['db'])\ndef load(): return object()"
    await forgotten_by(project, "db", route(functions, "load()", "UsageError"))


@pytest.mark.parametrize("kind", ["async def", "def"])
async def test_the_error_is_the_functions_own_with_its_cause_and_place(project: Project, kind: str) -> None:
    source = f"""
from millpond import cached
dynamic = "force-dynamic"
@cached
{kind} load():
    try:
        {{}}["row"]
    except KeyError as error:
        raise LookupError("no row") from error
{kind} GET():
    for _ in range(2):
        try:
            {"await " if kind == "async def" else ""}load()
        except LookupError as error:
            lines, trace = [], error.__traceback__
            while trace:
                lines.append(trace.tb_lineno)
                trace = trace.tb_next
            cause, context = error.__cause__, error.__context__
    return [repr(cause), context is cause, lines[-1], len(lines) < 25]
"""
    project.routes({"/": source})
    async with project.started() as running:
        assert (await running.get("/")).json() == ["KeyError('row')", True, 9, True]
