"""@cached: what one call of a function keeps for others (5.2, 5.3)."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from millpond.render.scopes.live_scope import LiveScope
from ponds import cache_of, turns

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

KINDS = ["async", "sync in a thread", "sync in the loop"]


def route(kind: str, *, options: str = "", inside: str = "", config: str = 'dynamic = "force-dynamic"') -> str:
    """A route that reads a cached function, `value`, of one of the kinds."""
    function, handler = {
        "async": ("async ", "async "),
        "sync in a thread": ("", ""),
        "sync in the loop": ("", "async "),
    }[kind]
    awaits = "await " if function else ""
    return f"""
import asyncio, threading
from millpond import cache_life, cache_tag, cached, fetch, headers, revalidate_tag
{config}
runs, fails, gate, threads = 0, None, None, set()

@cached{options}
{function}def value(n=0):
    global runs
    runs += 1
    threads.add(threading.get_ident())
    {"if gate is not None: await gate.wait()" if function else "if gate is not None: gate.wait()"}
    if fails is not None: raise fails
    {inside or "pass"}
    return [n, runs]

{handler}def GET():
    return {awaits}value()

{handler}def PUT(n: int):
    return {awaits}value(n)

def DELETE(tag: str, expire: float | None = None):
    revalidate_tag(tag, expire=expire)
"""


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def read(running: Running, path: str = "/") -> Any:
    answer = await asyncio.wait_for(running.get(path), 5)
    return answer.json() if answer.status_code == 200 else answer.status_code


async def test_a_result_is_kept_by_its_arguments(project: Project, kind: str) -> None:
    project.routes({"/": route(kind)})
    async with project.started() as running:
        assert [await read(running) for _ in range(3)] == [[0, 1]] * 3
        assert (await running.client.put("/?n=1")).json() == [1, 2]
        assert (await running.client.put("/?n=0")).json() == [0, 1]


async def test_without_a_lifetime_a_result_stays(project: Project, kind: str) -> None:
    project.routes({"/": route(kind)})
    async with project.started() as running:
        await read(running)
        project.clock.move(1e9)
        assert await read(running) == [0, 1]


@pytest.mark.parametrize(
    "life", ["(revalidate=10)", '(life="ten")', "|cache_life(revalidate=10)", '|cache_life("ten")']
)
async def test_a_stale_result_is_served_while_one_refresh_runs(project: Project, kind: str, life: str) -> None:
    options, _, inside = life.partition("|")
    project.routes({"/": route(kind, options=options, inside=inside)})
    async with project.started(cache_life={"ten": {"revalidate": 10, "expire": 1_000}}) as running:
        await read(running)
        project.clock.move(11)
        assert await read(running) == [0, 1]
        await running.settle()
        assert [await read(running) for _ in range(2)] == [[0, 2]] * 2


async def test_a_result_past_its_end_is_waited_for(project: Project, kind: str) -> None:
    project.routes({"/": route(kind, inside="cache_life(revalidate=10, expire=20)")})
    async with project.started() as running:
        await read(running)
        project.clock.move(21)
        assert await read(running) == [0, 2]


async def test_where_the_reader_is_stored_it_waits_for_fresh(project: Project, kind: str) -> None:
    project.routes({"/": route(kind, options="(revalidate=10)", config="revalidate = 10")})
    async with project.started() as running:
        assert await read(running) == [0, 1]
        project.clock.move(11)
        await read(running)
        await running.settle()
        assert await read(running) == [0, 2]


async def test_what_is_raised_is_not_kept(project: Project, kind: str) -> None:
    project.routes({"/": route(kind)})
    async with project.started() as running:
        module = running.module("/")
        module.fails = ValueError("no luck")
        assert [await read(running) for _ in range(2)] == [500, 500]
        module.fails = None
        assert await read(running) == [0, 3]


async def test_a_failed_refresh_keeps_the_result_and_backs_off(project: Project, kind: str) -> None:
    project.routes({"/": route(kind, options="(revalidate=10)")})
    async with project.started() as running:
        module = running.module("/")
        await read(running)
        module.fails = ValueError("no luck")
        for _ in range(30):
            project.clock.move(1)
            assert await read(running) == [0, 1]
            await running.settle()
        assert module.runs == 3  # at 11 and 21 s


@pytest.mark.parametrize("error", [StopIteration("s"), StopAsyncIteration("s"), KeyError("k"), SystemExit(3)])
async def test_whatever_is_raised_ends_the_call(project: Project, kind: str, error: BaseException) -> None:
    project.routes({"/": route(kind)})
    async with project.started() as running:
        running.module("/").fails = error
        assert await read(running) == 500
        running.module("/").fails = None
        assert await read(running) == [0, 2]


@pytest.mark.parametrize("outcome", ["redirect('/x')", "not_found()"])
async def test_an_outcome_that_is_raised_inside_is_the_answer(project: Project, kind: str, outcome: str) -> None:
    source = route(kind, inside=outcome).replace("import cache_life", "import not_found, redirect, cache_life")
    project.routes({"/": source})
    async with project.started() as running:
        expected = 307 if outcome.startswith("redirect") else 404
        assert [await read(running) for _ in range(2)] == [expected] * 2
        assert running.module("/").runs == 2


async def test_a_tag_of_the_result_reaches_it_and_the_answers_that_used_it(project: Project, kind: str) -> None:
    for options, inside in (('(tags=["t"])', ""), ('(tags="t")', ""), ("", 'cache_tag("t")')):
        project.routes({"/": route(kind, options=options, inside=inside, config="revalidate = 60")})
        async with project.started() as running:
            assert await read(running) == [0, 1]
            await running.client.delete("/?tag=other")
            assert await read(running) == [0, 1]
            await running.client.delete("/?tag=t")
            again = await running.get("/")
            assert (again.json(), cache_of(again)) == ([0, 2], "MISS")


async def test_a_hit_brings_its_tags_and_lifetime_too(project: Project, kind: str) -> None:
    project.routes({"/": route(kind, inside='cache_tag("t"); cache_life(revalidate=10)', config="revalidate = 60")})
    async with project.started() as running:
        await running.client.put("/?n=0")
        first = await running.get("/")
        assert first.json() == [0, 1]
        assert first.headers["cache-control"].startswith("s-maxage=10")
        await running.client.delete("/?tag=t")
        assert await read(running) == [0, 2]


async def test_revalidate_zero_is_never_served_twice_and_makes_a_get_live(project: Project, kind: str) -> None:
    source = route(kind, inside="cache_life(revalidate=0)", config="revalidate = 60")
    project.routes({"/": source})
    async with project.serving() as running:
        assert running.pond.manifest() is not None
        assert [(await read(running))[1] - (await read(running))[1] for _ in range(2)] == [-1, -1]
    record = (await project.built())["/"]
    assert (record.glyph, record.why) == ("λ", "@cached value() with revalidate = 0")


async def test_a_result_that_says_never_takes_the_former_one_with_it(project: Project, kind: str) -> None:
    project.routes({"/": route(kind, inside="cache_life(revalidate=0 if runs > 1 else 10, expire=10_000)")})
    async with project.started() as running:
        await read(running)
        project.clock.move(11)
        await read(running)
        await running.settle()
        assert [(await read(running))[1] for _ in range(2)] == [3, 4]


async def test_no_caller_can_change_what_another_gets(project: Project, kind: str) -> None:
    source = route(kind).replace("value()\n\n", "value()\n    r.append('mine')\n    return r\n\n", 1)
    source = source.replace("    return await value()", "    r = await value()").replace(
        "    return value()\n    r.", "    r = value()\n    r."
    )
    project.routes({"/": source})
    async with project.started() as running:
        assert [await read(running) for _ in range(2)] == [[0, 1, "mine"]] * 2


async def test_an_editor_reads_past_the_cache(project: Project, kind: str) -> None:
    project.routes({"/": route(kind)})
    async with project.started() as running:
        assert running.pond._runtimes.first is not None
        cookie = f"__prerender_bypass={running.pond._runtimes.first.dispatcher.live.draft_secret}"
        await read(running)
        drafts = [(await running.get("/", headers={"cookie": cookie})).json() for _ in range(2)]
        assert drafts == [[0, 2], [0, 3]]
        assert await read(running) == [0, 1]


async def test_what_a_build_computed_ships_with_it(project: Project, kind: str) -> None:
    project.routes({"/": route(kind, config="revalidate = 60"), "/other": "def GET(): pass"})
    async with project.serving() as running:
        assert (await running.client.put("/?n=0")).json() == [0, 1]
        assert running.module("/").runs == 0


async def test_without_an_application_the_function_just_runs(project: Project, kind: str) -> None:
    project.routes({"/": route(kind)})
    async with project.started() as running:
        module = running.module("/")
    results = [await module.value() if kind == "async" else module.value() for _ in range(2)]
    assert results == [[0, 1], [0, 2]]


async def test_outside_of_handlers_the_one_application_keeps_results(project: Project, kind: str) -> None:
    project.routes({"/": route(kind)})
    async with project.started() as running:
        module = running.module("/")
        results = [await module.value() if kind == "async" else module.value() for _ in range(2)]
        assert results == [[0, 1], [0, 1]]
        assert await read(running) == [0, 1]


async def test_a_thread_of_ones_own_reads_the_same_cache(project: Project) -> None:
    project.routes({"/": route("sync in a thread")})
    async with project.started() as running:
        first = await asyncio.get_running_loop().run_in_executor(None, running.module("/").value)
        assert first == await read(running) == [0, 1]


async def test_concurrent_calls_are_one(project: Project) -> None:
    project.routes({"/": route("async")})
    async with project.started() as running:
        module = running.module("/")
        module.gate = asyncio.Event()
        readers = [asyncio.create_task(read(running)) for _ in range(20)]
        await turns(50)
        readers[0].cancel()
        await turns()
        module.gate.set()
        assert await asyncio.gather(*readers[1:]) == [[0, 1]] * 19


async def test_a_caller_that_fails_takes_the_others_with_it_and_nobody_else(project: Project) -> None:
    project.routes({"/": route("async")})
    async with project.started() as running:
        module = running.module("/")
        module.gate, module.fails = asyncio.Event(), ValueError("no luck")
        readers = [asyncio.create_task(read(running)) for _ in range(5)]
        await turns(50)
        module.gate.set()
        assert await asyncio.gather(*readers) == [500] * 5
        module.fails = None
        assert await read(running) == [0, 2]


CHAIN = """
import asyncio
from millpond import cached
dynamic = "force-dynamic"
done, errors, tasks = [], [], set()

async def poll(n):
    await asyncio.sleep(0)
    try:
        await latest(n)
    except BaseException as error:
        errors.append(repr(error))

@cached
async def latest(n: int):
    done.append(n)
    if n < 1200:
        task = asyncio.create_task(poll(n + 1))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    return n

async def GET():
    return await latest(0)
"""


async def test_functions_that_call_each_other_later_hold_neither_each_other_nor_the_first_request(
    project: Project,
) -> None:
    project.routes({"/": CHAIN})
    async with project.serving() as running:
        await running.get("/", headers={"cookie": "session=first"})
        module = running.module("/")
        await turns(5)
        gc.collect()
        assert module.tasks
        held = (each for each in gc.get_objects() if type(each) is LiveScope)
        assert [each for each in held if each.project == project.folder] == []
        while module.tasks:
            await asyncio.wait(module.tasks)
        assert module.errors == []
        assert len(module.done) == 1201


@pytest.mark.parametrize("damage", [b"\0\xc1", b"\0", b"", b"\1\x92\x01\x90", "cut", "zone"])
async def test_a_stored_result_that_can_not_be_read_is_made_again(
    project: Project, kind: str, damage: bytes | str, caplog: pytest.LogCaptureFixture
) -> None:
    project.routes({"/": route(kind)})
    async with project.started() as running:
        assert await read(running) == [0, 1]
        await running.settle()
        [entry] = [each for each in running.pond.store.entries() if each.kind == "function"]
        body = entry.body[:-1] if damage == "cut" else damage
        if damage == "zone":  # of a host that knows other time zones
            moment = msgspec.msgpack.encode(["2026-01-01T00:00:00", 0, "Nowhere/Land"])
            body = b"\0" + msgspec.msgpack.encode(msgspec.msgpack.Ext(4, moment))
        assert isinstance(body, bytes)
        await running.pond.store.commit(msgspec.structs.replace(entry, body=body))
        assert [await read(running) for _ in range(3)] == [[0, 2]] * 3
        await running.settle()
        assert await read(running) == [0, 2]
    assert caplog.text.count("can't be read back, so the function runs again") == 1
