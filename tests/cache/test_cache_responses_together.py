"""Many requests, one render: shared misses, shared refreshes, clients that leave, invalidations in between."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

import pytest

from ponds import cache_of, turns

if TYPE_CHECKING:
    import httpx2

    from millpond.policy.entry import Entry
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

GATED = """
import asyncio
from millpond import Response
from millpond.render.scopes.current_scope import current
gate = asyncio.Event()
gate.set()
runs = 0
status = 200
fails = False
data = "old"
revalidate = 10
def generate_static_params(): return [{"id": "1"}]
async def GET(id):
    global runs
    runs += 1
    current().tags["stock"] = None
    read = data
    await gate.wait()
    if fails:
        raise OSError("no source")
    return Response(f"{read} {runs}", status)
"""


@pytest.fixture
async def shop(project: Project) -> Project:
    project.routes({"/items/[id]": GATED})
    await project.built()
    return project


async def ask(running: Running, number: int, path: str = "/items/1") -> list[asyncio.Task[httpx2.Response]]:
    """So many requests, each as far as it gets while the gate is closed."""
    tasks = [asyncio.create_task(running.get(path)) for _ in range(number)]
    await turns(60)
    return tasks


async def test_many_stale_requests_set_off_one_render(shop: Project) -> None:
    async with shop.started() as running:
        module = running.module("/items/[id]")
        module.gate.clear()
        shop.clock.move(11)
        answers = await asyncio.gather(*(running.get("/items/1") for _ in range(30)))
        assert {cache_of(answer) for answer in answers} == {"STALE"}
        module.gate.set()
        await running.settle()
        assert module.runs == 1
        answer = await running.get("/items/1")
        assert (answer.text, cache_of(answer)) == ("old 1", "HIT")


async def test_many_misses_share_one_render_and_say_so(shop: Project) -> None:
    async with shop.started() as running:
        module = running.module("/items/[id]")
        module.gate.clear()
        tasks = await ask(running, 30, "/items/9")
        module.gate.set()
        answers = await asyncio.gather(*tasks)
        assert module.runs == 1
        assert {(answer.status_code, answer.text, cache_of(answer)) for answer in answers} == {(200, "old 1", "MISS")}
        collapsed = [answer for answer in answers if "collapsed" in answer.headers["cache-status"]]
        assert len(collapsed) == 29
        assert await running.cache("/items/9") == "HIT"


async def test_different_paths_are_rendered_at_the_same_time(shop: Project) -> None:
    async with shop.started() as running:
        module = running.module("/items/[id]")
        module.gate.clear()
        tasks = [*await ask(running, 2, "/items/8"), *await ask(running, 2, "/items/9")]
        assert module.runs == 2
        module.gate.set()
        await asyncio.gather(*tasks)


async def test_a_client_that_leaves_cancels_nobody_else(shop: Project) -> None:
    async with shop.started() as running:
        module = running.module("/items/[id]")
        module.gate.clear()
        first, *others = await ask(running, 4, "/items/9")
        first.cancel()
        await turns()
        module.gate.set()
        answers = await asyncio.gather(*others)
        assert {(answer.status_code, answer.text) for answer in answers} == {(200, "old 1")}
        assert module.runs == 1


async def test_a_render_whose_only_client_left_is_stored(shop: Project) -> None:
    async with shop.started() as running:
        module = running.module("/items/[id]")
        module.gate.clear()
        (only,) = await ask(running, 1, "/items/9")
        only.cancel()
        await turns()
        module.gate.set()
        await running.settle()
        assert (await running.cache("/items/9"), module.runs) == ("HIT", 1)


async def test_a_failed_miss_fails_all_who_waited_once(shop: Project, caplog: pytest.LogCaptureFixture) -> None:
    async with shop.started() as running:
        module = running.module("/items/[id]")
        module.gate.clear()
        module.fails = True
        tasks = await ask(running, 10, "/items/9")
        module.gate.set()
        answers = await asyncio.gather(*tasks)
        assert {(answer.status_code, answer.content) for answer in answers} == {(500, b"Internal Server Error")}
        assert module.runs == 1
        assert caplog.text.count("Traceback") == 1


async def test_an_unstorable_answer_is_shared_by_all_who_waited(shop: Project) -> None:
    async with shop.started() as running:
        module = running.module("/items/[id]")
        module.gate.clear()
        module.status = 503
        tasks = await ask(running, 10, "/items/9")
        module.gate.set()
        answers = await asyncio.gather(*tasks)
        assert {answer.status_code for answer in answers} == {503}
        assert {answer.headers["cache-control"].partition(",")[0] for answer in answers} == {"private"}
        assert module.runs == 1


async def test_a_render_that_takes_too_long_keeps_the_last_good_answer(shop: Project) -> None:
    async with shop.started(cache={"render_timeout": 0.02}) as running:
        module = running.module("/items/[id]")
        module.gate.clear()
        shop.clock.move(11)
        assert await running.cache("/items/1") == "STALE"
        await running.settle()
        answer = await running.get("/items/1")
        assert (answer.text, cache_of(answer)) == ("old 1", "HIT")
        assert "refresh-failed" in answer.headers["cache-status"]


async def test_a_miss_that_takes_too_long_is_500_and_its_late_result_is_dropped(
    shop: Project, caplog: pytest.LogCaptureFixture
) -> None:
    async with shop.started(cache={"render_timeout": 0.02}) as running:
        running.module("/items/[id]").gate.clear()
        assert (await running.get("/items/9")).status_code == 500
        running.module("/items/[id]").gate.set()
        await turns()
        assert running.entry("/items/[id]", id="9") is None
    assert "no answer after 0.02 s (cache.render_timeout)" in caplog.text


async def test_an_invalidation_during_a_refresh_is_not_lost(shop: Project) -> None:
    async with shop.started() as running:
        module = running.module("/items/[id]")
        module.gate.clear()
        shop.clock.move(11)
        assert await running.body("/items/1") == "old 1"
        await turns()
        assert module.runs == 1  # it has read the old data and is under way
        module.data = "new"
        running.pond.store.invalidate(["stock"])
        module.gate.set()
        await running.settle()
        answer = await running.get("/items/1")
        assert (answer.text, cache_of(answer)) == ("new 2", "MISS")
        assert "detail=tag" in answer.headers["cache-status"]


async def test_a_soft_invalidation_during_a_refresh_leaves_a_stale_answer(shop: Project) -> None:
    async with shop.started() as running:
        module = running.module("/items/[id]")
        module.gate.clear()
        shop.clock.move(11)
        await running.get("/items/1")
        await turns()
        module.data = "new"
        running.pond.store.invalidate(["stock"], expire_after=None)
        module.gate.set()
        await running.settle()
        answer = await running.get("/items/1")
        assert (answer.text, cache_of(answer)) == ("old 1", "STALE")
        await running.settle()
        assert await running.body("/items/1") == "new 2"


async def test_who_asks_after_an_invalidation_never_gets_a_render_that_began_before(shop: Project) -> None:
    async with shop.started() as running:
        module = running.module("/items/[id]")
        module.gate.clear()
        before = await ask(running, 1, "/items/9")
        module.data = "new"
        running.pond.store.invalidate(["stock"])
        after = await ask(running, 5, "/items/9")
        module.gate.set()
        assert {answer.text for answer in await asyncio.gather(*after)} == {"new 2"}
        (first,) = await asyncio.gather(*before)
        assert first.text == "old 1"
        assert first.headers["cache-control"].startswith("private")  # nor may a cache in front keep it
        assert (await running.body("/items/9"), module.runs) == ("new 2", 2)


async def test_invalidations_without_end_keep_nobody_waiting_for_ever(shop: Project) -> None:
    async with shop.started() as running:
        module = running.module("/items/[id]")
        module.gate.clear()
        tasks = await ask(running, 3, "/items/9")
        for _ in range(12):
            running.pond.store.invalidate(["stock"])
            module.gate.set()
            await turns(3)
            module.gate.clear()
            await turns(3)
        module.gate.set()
        assert {answer.status_code for answer in await asyncio.gather(*tasks)} == {200}


async def test_an_invalidated_tag_blocks_the_next_reader_for_fresh_content(shop: Project) -> None:
    async with shop.started() as running:
        running.module("/items/[id]").data = "new"
        await running.get("/items/8")
        running.pond.store.invalidate(["stock"])
        answer = await running.get("/items/8")
        assert (answer.text, cache_of(answer)) == ("new 2", "MISS")
        assert answer.headers["cache-status"] == "Millpond; fwd=stale; fwd-status=200; stored; detail=tag"
        assert await running.cache("/items/8") == "HIT"


async def test_an_invalidation_with_a_grace_serves_stale_and_then_no_more(shop: Project) -> None:
    async with shop.started() as running:
        running.pond.store.invalidate(["stock"], expire_after=5)
        shop.clock.move(3)
        assert await running.cache("/items/1") == "STALE"
        await running.settle()
        assert await running.cache("/items/1") == "HIT"
        running.pond.store.invalidate(["stock"], expire_after=5)
        shop.clock.move(6)
        assert await running.cache("/items/1") == "MISS"


async def test_an_invalidation_ends_the_pause_after_a_failure(shop: Project) -> None:
    async with shop.started() as running:
        module = running.module("/items/[id]")
        module.fails = True
        shop.clock.move(11)
        await running.get("/items/1")
        await running.settle()
        assert await running.cache("/items/1") == "HIT"
        module.fails = False
        running.pond.store.invalidate(["stock"], expire_after=None)
        assert await running.cache("/items/1") == "STALE"
        await running.settle()
        assert await running.cache("/items/1") == "HIT"


async def test_head_and_get_share_one_answer(shop: Project) -> None:
    async with shop.started() as running:
        head = await running.client.head("/items/9")
        assert (cache_of(head), head.content, head.headers["content-length"]) == ("MISS", b"", "5")
        answer = await running.get("/items/9")
        assert (cache_of(answer), answer.text) == ("HIT", "old 1")
        head = await running.client.head("/items/9")
        assert (cache_of(head), head.content) == ("HIT", b"")
        assert {name: head.headers[name] for name in head.headers} == dict(answer.headers)


async def test_a_shutdown_waits_for_a_refresh(shop: Project) -> None:
    async with shop.started() as running:
        module, store = running.module("/items/[id]"), running.pond.store
        key = running.entry("/items/[id]", id="1")
        module.gate.clear()
        shop.clock.move(11)
        await running.get("/items/1")
        await turns()
        asyncio.get_running_loop().call_later(0.02, module.gate.set)
    refreshed = store.peek(key.key) if key is not None else None
    assert refreshed is not None
    assert refreshed.rendered_at == shop.clock.now


async def test_a_handler_that_cancels_itself_is_a_failure_like_any_other(shop: Project) -> None:
    async with shop.started() as running:
        module = running.module("/items/[id]")

        class Cancelled(asyncio.Event):
            async def wait(self) -> Literal[True]:
                raise asyncio.CancelledError

        module.gate = Cancelled()
        assert (await running.get("/items/9")).status_code == 500
        shop.clock.move(11)
        assert await running.cache("/items/1") == "STALE"
        await running.settle()
        assert await running.cache("/items/1") == "HIT"


async def test_an_answer_that_is_found_late_and_old_is_sent_as_what_it_is(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store doesn't answer for a moment; what it has after that is no new answer."""
    project.routes({"/": "revalidate = 10\nruns = []\ndef GET():\n    runs.append(1)\n    return len(runs)\n"})
    async with project.serving() as running:
        await running.get("/")
        project.clock.move(3600)
        store = running.pond.store
        get, peek, missed = store.get, store.peek, [True]

        async def late(key: str) -> Entry | None:
            return None if missed and missed.pop() else await get(key)

        monkeypatch.setattr(store, "get", late)
        monkeypatch.setattr(store, "peek", lambda key: None if missed else peek(key))
        answer = await running.get("/")
        assert answer.headers["cache-status"] == "Millpond; hit; ttl=-3590; detail=age"
        assert answer.headers["age"] == "3600"
        await running.settle()
        assert running.module("/").runs == [1]  # refreshed, after the build's in another process
