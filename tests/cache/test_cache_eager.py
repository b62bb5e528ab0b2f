"""`eager`: what is asked for again near the end of its lifetime is refreshed before it goes stale."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from millpond.cache.runs.asked_again import AskedAgain
from millpond.policy.entry import Entry
from millpond.stores.memory import MemoryStore
from ponds import turns

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

EAGER: dict[str, Any] = {"cache": {"eager": 0.1}}

PAGE = """
import asyncio
from millpond import response_tags, revalidate_tag
revalidate = 60
runs = 0
fails = False
held = asyncio.Event()
held.set()

def generate_static_params():
    return [{"id": "built"}]

async def GET(id: str):
    global runs
    response_tags("page")
    runs += 1
    run = runs
    if fails:
        raise ValueError("it fails")
    await held.wait()
    return run

def DELETE(soft: bool): revalidate_tag("page", "max" if soft else None)
"""

FOREVER = PAGE.replace("revalidate = 60", "revalidate = False")


async def ask(served: Running, path: str, times: int = 1) -> list[str | None]:
    answers = [await served.cache(path) for _ in range(times)]
    await served.settle()
    return answers


@pytest.mark.parametrize("path", ["/p/built", "/p/demanded"])
async def test_a_hot_answer_never_goes_stale(project: Project, path: str) -> None:
    project.routes({"/p/[id]": PAGE})
    async with project.serving(**EAGER) as served:
        await ask(served, path, 3)
        before = served.module("/p/[id]").runs
        for _ in range(10):
            project.clock.move(55)
            assert await ask(served, path, 4) == ["HIT"] * 4
        assert served.module("/p/[id]").runs == before + 10
        assert await served.body(path) == str(before + 10)


@pytest.mark.parametrize("age", [20, 53])
async def test_earlier_nothing_is_refreshed(project: Project, age: float) -> None:
    project.routes({"/p/[id]": PAGE})
    async with project.serving(**EAGER) as served:
        project.clock.move(age)
        assert await ask(served, "/p/built", 5) == ["HIT"] * 5
        assert served.module("/p/[id]").runs == 0


async def test_what_is_asked_for_once_is_not_refreshed(project: Project) -> None:
    project.routes({"/p/[id]": PAGE})
    async with project.serving(**EAGER) as served:
        await ask(served, "/p/built", 3)
        project.clock.move(55)
        assert await ask(served, "/p/built") == ["HIT"]
        assert served.module("/p/[id]").runs == 0
        project.clock.move(1)
        assert await ask(served, "/p/built") == ["HIT"]
        assert served.module("/p/[id]").runs == 1


async def test_without_the_option_and_without_a_lifetime_nothing_is(project: Project) -> None:
    project.routes({"/p/[id]": PAGE, "/q/[id]": FOREVER})
    async with project.serving() as served:
        project.clock.move(59)
        assert await ask(served, "/p/built", 5) == ["HIT"] * 5
        assert served.module("/p/[id]").runs == 0
    async with project.serving(**EAGER) as served:
        for _ in range(5):
            project.clock.move(1e6)
            assert await ask(served, "/q/built", 5) == ["HIT"] * 5
        assert served.module("/q/[id]").runs == 0


async def test_a_refresh_that_fails_leaves_hits_and_is_tried_again_after_a_pause(project: Project) -> None:
    project.config["cache"] = {"eager": 0.5}
    project.routes({"/p/[id]": PAGE})
    async with project.serving() as served:
        module = served.module("/p/[id]")
        module.fails = True
        project.clock.move(31)
        for _ in range(4):
            answers = [await served.get("/p/built") for _ in range(3)]
            await served.settle()
            assert {answer.headers["x-nextjs-cache"] for answer in answers} == {"HIT"}
            assert {answer.headers["cache-status"].rpartition("; ")[2] for answer in answers} == {"detail=fresh"}
            assert {answer.headers["cache-control"] for answer in answers} == {
                "s-maxage=60, stale-while-revalidate=31535940"
            }
            project.clock.move(1)
        assert module.runs == 1
        module.fails = False
        project.clock.move(26.5)  # 61.5 seconds old: the pause has ended at 61, and so has the lifetime
        assert await ask(served, "/p/built") == ["STALE"]
        assert await served.body("/p/built") == "2"


@pytest.mark.parametrize(("soft", "after"), [(True, "STALE"), (False, "MISS")])
async def test_an_invalidation_while_it_is_refreshed_is_not_lost(project: Project, soft: bool, after: str) -> None:
    project.routes({"/p/[id]": PAGE})
    async with project.serving(**EAGER) as served:
        module = served.module("/p/[id]")
        module.held.clear()
        project.clock.move(55)
        assert [await served.cache("/p/built") for _ in range(3)] == ["HIT"] * 3
        await turns()
        assert module.runs == 1
        await served.client.delete("/p/built", params={"soft": soft})
        module.held.set()
        await served.settle()
        assert await served.cache("/p/built") == after
        await served.settle()
        assert await served.cache("/p/built") == "HIT"
        assert await served.body("/p/built") == "2"


async def test_several_processes_refresh_it_once(project: Project) -> None:
    project.store = MemoryStore(max_bytes=2**20, clock=project.clock)
    project.routes({"/p/[id]": PAGE})
    await project.built(**EAGER)
    async with project.started(**EAGER) as one, project.started(**EAGER) as other:
        await ask(one, "/p/built", 2)
        await ask(other, "/p/built", 2)
        modules = one.module("/p/[id]"), other.module("/p/[id]")
        before = sum(module.runs for module in set(modules))
        project.clock.move(55)
        for module in modules:
            module.held.clear()
        for served in (one, other):
            assert [await served.cache("/p/built") for _ in range(5)] == ["HIT"] * 5
        await turns(50)
        for module in modules:
            module.held.set()
        await one.settle()
        await other.settle()
        assert sum(module.runs for module in set(modules)) == before + 1
        for served in (one, other):
            assert await ask(served, "/p/built", 5) == ["HIT"] * 5
        assert sum(module.runs for module in set(modules)) == before + 1


TOGETHER = """
from millpond import cached
revalidate = 60
version = 1
fails = False

@cached(revalidate=60)
{kind} version_of_data():
    if fails:
        raise ValueError("no data")
    return version

async def GET():
    return {call}

async def POST():
    return {call}
"""
ASYNC = TOGETHER.format(kind="async def", call="await version_of_data()")
SYNC = TOGETHER.format(kind="def", call="version_of_data()").replace("async def GET", "def GET")


@pytest.mark.parametrize("source", [ASYNC, SYNC], ids=["async", "sync"])
async def test_a_page_and_its_data_that_are_due_together_are_made_anew_together(project: Project, source: str) -> None:
    project.routes({"/": source})
    async with project.serving(**EAGER) as served:
        served.module("/").version = 2
        project.clock.move(55)
        assert await ask(served, "/", 3) == ["HIT"] * 3
        assert await served.body("/") == "2"


@pytest.mark.parametrize("source", [ASYNC, SYNC], ids=["async", "sync"])
async def test_data_that_is_due_stands_in_where_its_refresh_fails(project: Project, source: str) -> None:
    project.routes({"/": source})
    async with project.serving(**EAGER) as served:
        module = served.module("/")
        module.version, module.fails = 2, True
        project.clock.move(55)
        assert await ask(served, "/", 3) == ["HIT"] * 3
        assert await served.body("/") == "1"
        page = served.entry("/")
        assert page is not None
        assert page.rendered_at == project.clock.now  # it could be rendered


async def test_data_that_a_live_route_asks_for_again_is_refreshed_meanwhile(project: Project) -> None:
    project.routes({"/": ASYNC})
    async with project.serving(**EAGER) as served:
        module = served.module("/")
        module.version = 2
        project.clock.move(55)
        assert [(await served.post("/")).text for _ in range(2)] == ["1", "1"]
        await served.settle()
        assert (await served.post("/")).text == "2"


async def test_due_refreshes_take_their_turn_like_all(project: Project) -> None:
    many = PAGE.replace('[{"id": "built"}]', '[{"id": str(number)} for number in range(20)]')
    project.routes({"/p/[id]": many})
    config = {"cache": {"eager": 0.1, "refreshes_at_once": 1}}
    async with project.serving(**config) as served:
        module = served.module("/p/[id]")
        module.held.clear()
        project.clock.move(55)
        for _ in range(3):
            for number in range(20):
                assert await served.cache(f"/p/{number}") == "HIT"
        await turns()
        assert module.runs == 1
        module.held.set()
        await served.settle()
        await asyncio.sleep(0)
        assert module.runs == 20


def test_how_many_keys_are_remembered_is_bounded() -> None:
    asked = AskedAgain(most=3)
    entries = [
        Entry(key=key, status=200, headers=(), body=b"", rendered_at=1.0, revalidate=1, expire=None) for key in "abcd"
    ]
    assert [asked.note(entry) for entry in entries] == [False] * 4
    assert asked.note(entries[3])
    assert not asked.note(entries[0])
    assert len(asked._once) == 3
