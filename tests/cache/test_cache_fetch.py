"""fetch() in live routes: what is stored, for how long, and how many requests an upstream gets (5.1)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from upstreams import upstream

from millpond import fetch
from millpond.errors import UsageError
from ponds import turns

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

LIVE = """
from millpond import fetch, revalidate_tag
dynamic = "force-dynamic"
URL, GIVEN = "", {}
async def GET():
    return (await fetch(URL, **GIVEN)).text
def DELETE(tag: str):
    revalidate_tag(tag)
"""


async def read(running: Running, url: str, **options: Any) -> str:
    """What the route's fetch gives."""
    module = running.module("/")
    module.URL, module.GIVEN = url, options
    return str((await running.get("/")).json())


async def test_a_quiet_hour_costs_one_old_answer(project: Project) -> None:
    """C.5."""
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        url, seen = source.url + "/x", []
        for second in (0, 5, 10, 4, 0, 3_600, 0):
            project.clock.move(second)
            seen.append(await read(running, url, revalidate=10))
            await running.settle()
        assert seen == ["/x 1", "/x 1", "/x 1", "/x 2", "/x 2", "/x 2", "/x 3"]


async def test_data_without_a_limit_stays(project: Project) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        await read(running, source.url, cache="force-cache")
        project.clock.move(1e9)
        assert await read(running, source.url, cache="force-cache") == "/ 1"
        assert await read(running, source.url, revalidate=False) == "/ 1"


async def test_time_based_data_ends_at_expire_time(project: Project) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started(expire_time=100) as running:
        await read(running, source.url, revalidate=10)
        project.clock.move(101)
        assert await read(running, source.url, revalidate=10) == "/ 2"


async def test_a_call_may_ask_for_fresher_data_than_another_stored(project: Project) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        await read(running, source.url, revalidate=1_000)
        project.clock.move(50)
        assert await read(running, source.url, revalidate=1_000) == "/ 1"
        assert await read(running, source.url, revalidate=10) == "/ 1"
        await running.settle()
        assert await read(running, source.url, revalidate=10) == "/ 2"


@pytest.mark.parametrize("status", [201, 204, 301, 404, 500])
async def test_only_status_200_is_stored(project: Project, status: int) -> None:
    project.routes({"/": LIVE.replace(").text", ").status_code")})
    async with upstream() as source, project.started() as running:
        source.status, source.body = status, b""
        for _ in range(2):
            assert await read(running, source.url, cache="force-cache") == str(status)
        assert source.requests == 2


async def test_many_readers_at_once_are_one_request(project: Project) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        source.hold()
        readers = [asyncio.create_task(read(running, source.url, cache="force-cache")) for _ in range(20)]
        await source.arrived.wait()
        await turns()
        source.open.set()
        assert set(await asyncio.gather(*readers)) == {"/ 1"}
        assert source.requests == 1


async def test_many_readers_of_what_is_not_stored_do_not_queue(project: Project) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        source.status = 404
        source.hold()
        readers = [asyncio.create_task(read(running, source.url, cache="force-cache")) for _ in range(20)]
        await source.arrived.wait()
        await turns()
        source.open.set()
        await asyncio.gather(*readers)
        assert source.requests == 1


async def test_a_reader_who_goes_away_cancels_nothing(project: Project) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        source.hold()
        gone = asyncio.create_task(read(running, source.url, cache="force-cache"))
        await source.arrived.wait()
        stays = asyncio.create_task(read(running, source.url, cache="force-cache"))
        await turns()
        gone.cancel()
        await turns()
        source.open.set()
        assert await stays == "/ 1"


async def test_a_stale_answer_is_refreshed_once_and_nobody_waits(project: Project) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        await read(running, source.url, revalidate=10)
        project.clock.move(11)
        source.hold()
        assert [await read(running, source.url, revalidate=10) for _ in range(5)] == ["/ 1"] * 5
        await source.arrived.wait()
        source.open.set()
        await running.settle()
        assert source.requests == 2
        assert await read(running, source.url, revalidate=10) == "/ 2"


async def test_an_uncached_call_goes_upstream_each_time(project: Project) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        assert [await read(running, source.url, **o) for o in ({}, {"cache": "no-store"}, {"revalidate": 0})] == [
            "/ 1",
            "/ 2",
            "/ 3",
        ]
        await read(running, source.url, cache="force-cache")
        assert await read(running, source.url, cache="no-store") == "/ 5"


async def test_what_is_too_large_is_used_and_not_kept(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started(cache={"max_data_bytes": 100}) as running:
        source.body = b"x" * 101
        for _ in range(2):
            assert await read(running, source.url, cache="force-cache") == "x" * 101
        assert source.requests == 2
        assert "over the 100 of cache.max_data_bytes: not cached" in caplog.text
        source.body = b"x" * 100
        await read(running, source.url, cache="force-cache")
        await read(running, source.url, cache="force-cache")
        assert source.requests == 3


async def test_data_that_grew_too_large_takes_the_former_data_with_it(project: Project) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started(cache={"max_data_bytes": 100}) as running:
        await read(running, source.url, revalidate=10)
        source.body = b"new" * 100
        project.clock.move(11)
        await read(running, source.url, revalidate=10)
        await running.settle()
        assert await read(running, source.url, revalidate=10) == "new" * 100


async def test_an_invalidated_tag_makes_the_next_reader_wait_for_fresh(project: Project) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        await read(running, source.url, cache="force-cache", tags=["t", "a,b"])
        await running.client.delete("/?tag=other")
        assert await read(running, source.url, cache="force-cache") == "/ 1"
        await running.client.delete("/", params={"tag": "a,b"})
        assert await read(running, source.url, cache="force-cache") == "/ 2"


async def test_a_single_string_is_one_tag(project: Project) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        await read(running, source.url, cache="force-cache", tags="products")
        await running.client.delete("/?tag=products")
        assert await read(running, source.url, cache="force-cache", tags="products") == "/ 2"


async def test_an_editor_reads_past_the_cache_and_leaves_nothing_in_it(project: Project) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        assert running.pond._runtimes.first is not None
        cookie = f"__prerender_bypass={running.pond._runtimes.first.dispatcher.live.draft_secret}"
        await read(running, source.url, cache="force-cache")
        drafts = [(await running.get("/", headers={"cookie": cookie})).json() for _ in range(2)]
        assert drafts == ["/ 2", "/ 3"]
        assert await read(running, source.url, cache="force-cache") == "/ 1"


# Calls that make no sense


@pytest.mark.parametrize("value", [-1, True, "5", float("nan"), [1]])
async def test_what_is_no_lifetime_is_refused(value: Any) -> None:
    with pytest.raises(UsageError, match="give seconds, 0 or more"):
        await fetch("http://up/", revalidate=value)


async def test_infinity_is_no_limit(project: Project) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        await read(running, source.url, revalidate=float("inf"))
        project.clock.move(1e9)
        assert await read(running, source.url, revalidate=float("inf")) == "/ 1"


@pytest.mark.parametrize("value", ["default", "no-cache", "Force-Cache", 1])
async def test_an_unknown_cache_option_is_refused(value: Any) -> None:
    with pytest.raises(UsageError, match='the options are "force-cache" and "no-store"'):
        await fetch("http://up/", cache=value)


async def test_a_conflict_with_the_route_names_file_and_line(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.routes({"/": LIVE.replace("dynamic =", 'fetch_cache = "only-no-store"\ndynamic =')})
    async with project.started() as running:
        running.module("/").URL, running.module("/").GIVEN = "http://up/", {"cache": "force-cache"}
        assert (await running.get("/")).status_code == 500
    assert "app/route.py:7: " in caplog.text
    assert 'fetch_cache = "only-no-store"' in caplog.text


async def test_a_contradiction_is_a_warning_with_file_and_line(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        await read(running, source.url, cache="no-store", revalidate=10)
    assert f"app/route.py:6: fetch({source.url}" in caplog.text
    assert "both are ignored" in caplog.text


async def test_outside_of_handlers_nothing_is_cached(project: Project) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started():
        bodies = [(await fetch(source.url, cache="force-cache")).text for _ in range(2)]
    assert bodies == ["/ 1", "/ 2"]


async def test_a_client_of_ones_own_is_used() -> None:
    async with httpx2.AsyncClient(
        transport=httpx2.MockTransport(lambda _: httpx2.Response(200, text="mine"))
    ) as client:
        assert (await fetch("http://up/", client=client)).text == "mine"


async def test_an_after_callback_reads_and_fills_the_same_cache(project: Project) -> None:
    project.routes(
        {
            "/": LIVE.replace("from millpond import", "from millpond import after,")
            + """
def POST():
    after(GET)
"""
        }
    )
    async with upstream() as source, project.started() as running:
        running.module("/").URL, running.module("/").GIVEN = source.url, {"cache": "force-cache"}
        await running.post("/")
        await running.settle()
        assert source.requests == 1
        assert await running.body("/") == '"/ 1"'
        assert source.requests == 1
