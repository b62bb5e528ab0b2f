"""Static routes whose answers turn out to be one request's own while they are served (D5, D7)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ponds import cache_of, turns

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

TURNING = """
import asyncio
from millpond import Response, cookies
gate = asyncio.Event()
gate.set()
runs = 0
reads = False
extra = {}
revalidate = 10
def generate_static_params(): return [{"id": "1"}]
async def GET(id):
    global runs
    runs += 1
    await gate.wait()
    who = cookies().get("who", "nobody") if reads else "everybody"
    return Response(f"for {who}", headers=extra)
"""
ME = {"cookie": "who=me"}


@pytest.fixture
async def shop(project: Project) -> Project:
    project.routes({"/items/[id]": TURNING})
    await project.built()
    return project


async def test_a_miss_that_turns_dynamic_is_run_live(shop: Project, caplog: pytest.LogCaptureFixture) -> None:
    async with shop.started() as running:
        running.module("/items/[id]").reads = True
        answer = await running.get("/items/9", headers=ME)
        assert (answer.status_code, answer.text, cache_of(answer)) == (200, "for me", None)
        assert answer.headers["cache-status"] == "Millpond; fwd=bypass; detail=turned-dynamic"
        assert "cache-control" not in answer.headers
        assert running.entry("/items/[id]", id="9") is None
        assert "cookies() · app/items/[id]/route.py:15" in caplog.text


async def test_a_path_that_turned_dynamic_is_tried_again_after_a_while(shop: Project) -> None:
    async with shop.started() as running:
        module = running.module("/items/[id]")
        module.reads = True
        await running.get("/items/9")
        assert module.runs == 2  # the attempt, and the live run
        await running.get("/items/9")
        assert module.runs == 3
        module.reads = False
        shop.clock.move(9)
        assert cache_of(await running.get("/items/9")) is None
        shop.clock.move(2)
        assert await running.cache("/items/9") == "MISS"
        assert await running.cache("/items/9") == "HIT"


async def test_a_refresh_that_turns_dynamic_keeps_the_entry_and_backs_off(shop: Project) -> None:
    async with shop.started() as running:
        module = running.module("/items/[id]")
        module.reads = True
        shop.clock.move(11)
        assert await running.cache("/items/1", headers=ME) == "STALE"
        await running.settle()
        answer = await running.get("/items/1", headers=ME)
        assert (answer.text, cache_of(answer)) == ("for everybody", "HIT")
        assert module.runs == 1
        shop.clock.move(11)
        assert await running.cache("/items/1") == "STALE"
        await running.settle()
        assert module.runs == 2


async def test_the_entry_of_a_route_that_turned_dynamic_still_expires(shop: Project) -> None:
    async with shop.started(expire_time=20) as running:
        running.module("/items/[id]").reads = True
        shop.clock.move(11)
        await running.get("/items/1")
        await running.settle()
        shop.clock.move(31_536_000)
        assert await running.body("/items/1", headers=ME) == "for me"


@pytest.mark.parametrize(
    "extra",
    [
        {"set-cookie": "session=abc"},
        {"cache-control": "private"},
        {"cache-control": "max-age=5, no-store"},
        {"vary": "*"},
    ],
    ids=str,
)
async def test_an_answer_that_turns_private_drops_what_was_stored(shop: Project, extra: dict[str, str]) -> None:
    async with shop.started() as running:
        running.module("/items/[id]").extra = extra
        shop.clock.move(11)
        assert await running.cache("/items/1") == "STALE"
        await running.settle()
        assert running.entry("/items/[id]", id="1") is None
        answer = await running.get("/items/1")
        assert cache_of(answer) is None
        ((name, value),) = extra.items()
        assert answer.headers[name] == value
        answer = await running.get("/items/8")
        assert (cache_of(answer), answer.headers[name]) == (None, value)
        assert running.entry("/items/[id]", id="8") is None


async def test_followers_of_a_path_that_turned_dynamic_run_at_once_and_side_by_side(shop: Project) -> None:
    async with shop.started() as running:
        module = running.module("/items/[id]")
        module.reads = True
        module.gate.clear()
        tasks = [
            asyncio.create_task(running.get("/items/9", headers={"cookie": f"who=w{number}"})) for number in range(8)
        ]
        await turns(60)
        assert module.runs == 1
        module.gate.set()
        await turns(60)
        module.gate.clear()
        more = [asyncio.create_task(running.get("/items/9", headers=ME)) for _ in range(4)]
        await turns(60)
        assert module.runs == 1 + 8 + 4  # nobody queues behind another
        module.gate.set()
        answers = await asyncio.gather(*tasks, *more)
        assert [answer.text for answer in answers] == [f"for w{number}" for number in range(8)] + ["for me"] * 4


async def test_an_answer_over_the_limit_is_live_and_never_kept(shop: Project) -> None:
    project = shop
    project.routes(
        {
            "/big": """
            from millpond import StreamingResponse
            revalidate = 60
            size = 10
            def GET(): return StreamingResponse(iter(["x" * 10] * size))
            """
        }
    )
    limits = {"cache": {"max_entry_bytes": 500}}
    async with project.serving(**limits) as running:
        assert await running.cache("/big") == "HIT"
        running.module("/big").size = 1000
        project.clock.move(61)
        assert await running.cache("/big") == "STALE"
        await running.settle()
        assert len(await running.body("/big")) == 100
    running.module("/big").size = 10


async def test_an_answer_over_the_limit_at_build_makes_the_route_live(project: Project) -> None:
    project.routes({"/big": "revalidate = 60\ndef GET(): return 'x' * 1000\n"})
    async with project.serving(cache={"max_entry_bytes": 500}) as running:
        answer = await running.get("/big")
        assert (len(answer.json()), cache_of(answer)) == (1000, None)
        record = running.pond.manifest()
    assert record is not None
    assert record.routes[0].why == "an answer of more than 500 bytes (cache.max_entry_bytes)"


async def test_under_error_a_live_run_still_refuses_the_functions(project: Project) -> None:
    project.routes(
        {
            "/[id]": """
            from millpond import cookies
            dynamic = "error"
            def generate_static_params(): return []
            def GET(id): return dict(cookies())
            """
        }
    )
    async with project.serving() as running:
        answer = await running.get("/a")
        assert (answer.status_code, answer.content) == (500, b"Internal Server Error")


async def test_what_after_collected_in_an_attempt_that_ended_is_dropped(project: Project) -> None:
    project.routes(
        {
            "/": """
            from millpond import after, cookies
            revalidate = 60
            notes = []
            async def note(text): notes.append(text)
            def GET():
                after(note("an awaitable"))
                after(notes.append, "a function")
                return dict(cookies())
            """
        }
    )
    async with project.serving() as running:
        await running.get("/")
        await running.settle()
        assert running.module("/").notes == ["an awaitable", "a function"]


async def test_the_memory_of_paths_that_turned_dynamic_is_bounded(
    shop: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millpond.cache.responses._MOST_LIVE_PATHS", 2)
    async with shop.started() as running:
        module = running.module("/items/[id]")
        module.reads = True
        for number in ("7", "8", "9"):
            await running.get(f"/items/{number}")
        module.runs = 0
        await running.get("/items/9")
        assert module.runs == 1  # it is known: no attempt
        await running.get("/items/7")
        assert module.runs == 3  # the oldest was forgotten: an attempt, and the live run
