"""`soft_timeout`: a render takes stale data that may be used, where fresh data takes too long."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import pytest
from upstreams import Upstream, upstream

from millpond import cached, fetch
from millpond.errors import UsageError
from ponds import turns

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

SOON = 0.01

PAGES = """
from millpond import fetch, revalidate_tag
revalidate = 3600

async def GET(id: str):
    return (await fetch("{url}/data", revalidate=60, tags=["t"]{more})).text

async def POST(id: str):
    return (await fetch("{url}/data", revalidate=60, tags=["t"]{more})).text

async def DELETE(id: str, soft: bool):
    revalidate_tag("t", "max" if soft else None)
"""


def pages(source: Upstream, more: str = f", soft_timeout={SOON}") -> dict[str, str]:
    return {"/p/[id]": PAGES.format(url=source.url, more=more)}


async def control(running: Running, path: str) -> tuple[Any, str]:
    answer = await running.get(path)
    return answer.json(), answer.headers["cache-control"].partition(",")[0]


@pytest.mark.parametrize("by_config", [False, True])
async def test_a_cold_page_is_made_of_stale_data_and_is_soon_made_again(project: Project, by_config: bool) -> None:
    async with upstream() as source:
        project.routes(pages(source, "" if by_config else f", soft_timeout={SOON}"))
        cache = {"soft_timeout": SOON} if by_config else {}
        async with project.started(cache=cache) as running:
            assert await control(running, "/p/first") == ("/data 1", "s-maxage=60")
            project.clock.move(61)
            source.hold()
            assert await control(running, "/p/cold") == ("/data 1", "s-maxage=1")
            await source.arrived.wait()
            page = running.entry("/p/[id]", id="cold")
            assert page is not None
            assert page.revalidate == 1
            assert page.expire == 31536000 - 61
            source.open.set()  # the call goes on, and its answer is stored
            await running.settle()
            assert await control(running, "/p/other") == ("/data 2", "s-maxage=60")
            project.clock.move(2)
            assert await running.cache("/p/cold") == "STALE"
            await running.settle()
            assert await control(running, "/p/cold") == ("/data 2", "s-maxage=60")
            assert source.requests == 2


async def test_without_the_option_it_waits(project: Project) -> None:
    async with upstream() as source:
        project.routes(pages(source, ""))
        async with project.started() as running:
            await control(running, "/p/first")
            project.clock.move(61)
            source.hold()
            asked = asyncio.create_task(running.body("/p/cold"))
            await source.arrived.wait()
            await asyncio.sleep(3 * SOON)
            assert not asked.done()
            source.open.set()
            assert await asked == '"/data 2"'


async def test_inf_overrules_the_configuration_and_a_quick_upstream_is_waited_for(project: Project) -> None:
    async with upstream() as source:
        project.routes(pages(source, ", soft_timeout=float('inf')"))
        async with project.started(cache={"soft_timeout": 0}) as running:
            await control(running, "/p/first")
            project.clock.move(61)
            assert await control(running, "/p/cold") == ("/data 2", "s-maxage=60")


async def test_a_refresh_in_the_background_waits_as_nobody_waits_for_it(project: Project) -> None:
    async with upstream() as source:
        project.routes(pages(source))
        async with project.started() as running:
            await control(running, "/p/first")
            project.clock.move(61)
            source.hold()
            assert await running.cache("/p/first") == "STALE"
            await source.arrived.wait()
            await asyncio.sleep(3 * SOON)
            assert await running.cache("/p/first") == "STALE"
            source.open.set()
            await running.settle()
            assert await control(running, "/p/first") == ("/data 2", "s-maxage=60")


@pytest.mark.parametrize("soft", [True, False])
async def test_what_was_softly_invalidated_may_be_used_and_what_was_hard_may_not(project: Project, soft: bool) -> None:
    async with upstream() as source:
        project.routes(pages(source))
        async with project.started() as running:
            await control(running, "/p/first")
            await running.client.delete("/p/first", params={"soft": soft})
            source.hold()
            asked = asyncio.create_task(control(running, "/p/cold"))
            await source.arrived.wait()
            if soft:
                assert await asked == ("/data 1", "s-maxage=1")
                return
            await asyncio.sleep(3 * SOON)
            assert not asked.done()
            source.open.set()
            assert await asked == ("/data 2", "s-maxage=60")


async def test_a_hard_invalidation_while_it_waits_ends_the_stale_data(project: Project) -> None:
    async with upstream() as source:
        project.routes(pages(source, ", soft_timeout=0.05"))
        async with project.started() as running:
            await control(running, "/p/first")
            project.clock.move(61)
            source.hold()
            asked = asyncio.create_task(running.body("/p/cold"))
            await source.arrived.wait()
            await running.client.delete("/p/first", params={"soft": False})
            await asyncio.sleep(0.1)
            assert not asked.done()
            source.open.set()
            assert await asked in ('"/data 2"', '"/data 3"')


async def test_past_its_expire_nothing_is_used(project: Project) -> None:
    async with upstream() as source:
        project.routes(pages(source))
        async with project.started(expire_time=100) as running:
            await control(running, "/p/first")
            project.clock.move(101)
            source.hold()
            asked = asyncio.create_task(running.body("/p/cold"))
            await source.arrived.wait()
            await asyncio.sleep(3 * SOON)
            assert not asked.done()
            source.open.set()
            assert await asked == '"/data 2"'


async def test_what_little_is_left_of_its_expire_is_all_that_a_page_gets(project: Project) -> None:
    async with upstream() as source:
        project.routes(pages(source))
        async with project.started(expire_time=100) as running:
            await control(running, "/p/first")
            project.clock.move(90)
            source.hold()
            await control(running, "/p/cold")
            page = running.entry("/p/[id]", id="cold")
            assert page is not None
            assert page.lifetime == (1, 10)


async def test_a_call_that_fails_after_all_leaves_the_page_and_is_told_once(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    async with upstream() as source:
        project.routes(pages(source))
        async with project.started() as running:
            await control(running, "/p/first")
            project.clock.move(61)
            source.hold()
            assert (await control(running, "/p/cold"))[0] == "/data 1"
            source.hangs_up = True
            source.open.set()
            await running.settle()
            assert len([record for record in caplog.records if "refreshing cached data" in record.message]) == 1
            assert (await control(running, "/p/cold"))[0] == "/data 1"


async def test_many_cold_pages_share_one_call_and_live_ones_take_stale_data_at_once(project: Project) -> None:
    async with upstream() as source:
        project.routes(pages(source))
        async with project.started() as running:
            await control(running, "/p/first")
            project.clock.move(61)
            source.hold()
            assert (await running.post("/p/live")).json() == "/data 1"
            bodies = await asyncio.gather(*(running.body(f"/p/{number}") for number in range(30)))
            assert set(bodies) == {'"/data 1"'}
            source.open.set()
            await running.settle()
            assert source.requests == 2


FUNCTIONS = """
import asyncio
from millpond import cache_life, cached
revalidate = 3600
version = 1
held = asyncio.Event()
held.set()

@cached(revalidate=60, soft_timeout=0.01)
async def inner():
    await held.wait()
    return version

@cached
async def outer():
    cache_life("days")
    return ["outer", await inner()]

async def GET(id: str):
    return await (outer() if id.startswith("outer") else inner())
"""


async def test_results_of_functions_likewise(project: Project) -> None:
    project.routes({"/p/[id]": FUNCTIONS})
    async with project.started() as running:
        module = running.module("/p/[id]")
        assert await control(running, "/p/first") == (1, "s-maxage=60")
        project.clock.move(61)
        module.version = 2
        module.held.clear()
        assert await control(running, "/p/cold") == (1, "s-maxage=1")
        module.held.set()
        await running.settle()
        assert await control(running, "/p/other") == (2, "s-maxage=60")


LISTED = """
def generate_static_params():
    return [{"id": "built"}]
"""


async def test_a_function_that_has_used_stale_data_says_so_whatever_lifetime_it_names(project: Project) -> None:
    project.routes({"/p/[id]": FUNCTIONS.replace("revalidate = 3600", LISTED)})
    async with project.started(cache_components=True) as running:
        module = running.module("/p/[id]")
        assert (await control(running, "/p/first"))[0] == 1
        project.clock.move(61)
        module.version = 2
        module.held.clear()
        assert await control(running, "/p/outer") == (["outer", 1], "s-maxage=1")
        module.held.set()
        await running.settle()
        project.clock.move(2)
        assert await running.cache("/p/outer") == "STALE"
        await running.settle()
        assert await running.body("/p/outer") == '["outer",2]'
        assert await running.cache("/p/outer") == "HIT"


async def test_a_build_waits_for_what_it_ships(project: Project) -> None:
    async with upstream() as source:
        project.write(
            {
                "app/[id]/route.py": PAGES.format(url=source.url, more=", soft_timeout=0")
                + "def generate_static_params(): return [{'id': 'a'}, {'id': 'b'}]"
            }
        )
        built = await project.built()
        assert [path.revalidate for path in built["/[id]"].paths] == [60, 60]


@pytest.mark.parametrize("seconds", [-1, math.nan, "1", True])
async def test_what_is_no_number_of_seconds_is_refused(seconds: Any) -> None:
    with pytest.raises(UsageError, match=r"soft_timeout=.*give seconds, 0 or more"):
        await fetch("http://127.0.0.1:1/", soft_timeout=seconds)
    with pytest.raises(UsageError, match=r"soft_timeout=.*give seconds, 0 or more"):

        @cached(soft_timeout=seconds)
        async def function() -> None: ...


def test_a_sync_function_runs_where_it_is_waited_for_so_it_has_none() -> None:
    with pytest.raises(UsageError, match=r"test_cache_soft_timeout.py:\d+: .*soft_timeout is for async functions"):

        @cached(soft_timeout=1)
        def function() -> None: ...


async def test_an_upstream_that_is_slow_near_the_end_of_its_data_is_not_waited_for(project: Project) -> None:
    """With `eager`: what is due is fresh, so what is made of it has its whole lifetime."""
    async with upstream() as source:
        project.routes(pages(source))
        async with project.started(cache={"eager": 0.1}) as running:
            await control(running, "/p/first")
            project.clock.move(55)
            source.hold()
            assert await control(running, "/p/cold") == ("/data 1", "s-maxage=60")
            source.open.set()
            await running.settle()
            await turns()
            assert await control(running, "/p/other") == ("/data 2", "s-maxage=60")


@pytest.mark.parametrize("how", ["500", "hangs up"])
async def test_an_upstream_that_fails_near_the_end_of_its_data_changes_nothing(project: Project, how: str) -> None:
    async with upstream() as source:
        project.routes(pages(source, ""))
        async with project.started(cache={"eager": 0.1}) as running:
            await control(running, "/p/first")
            project.clock.move(55)
            source.hangs_up, source.status = how == "hangs up", 200 if how == "hangs up" else int(how)
            assert await control(running, "/p/cold") == ("/data 1", "s-maxage=60")
            assert source.requests == 2
