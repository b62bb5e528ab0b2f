"""Renders that wait for fresh data, and an upstream that has none: stale data, and no new age for it (RFC 5861)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from upstreams import Upstream, upstream

from ponds import cache_of

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

CARELESS = """
from millpond import fetch, revalidate_tag
revalidate = {life}
async def GET():
    answer = await fetch("{url}", revalidate={data}, tags=["t"]{more})
    return f"{{answer.status_code}} {{answer.text}}"
def DELETE(expire: int | None = None):
    revalidate_tag("t", expire=expire)
"""


def careless(source: Upstream, life: object = 3600, data: object = 10, more: str = "") -> str:
    """A route that takes whatever fetch() gives for its data."""
    return CARELESS.format(url=source.url, life=life, data=data, more=more)


def breaks(source: Upstream, how: str) -> None:
    source.hangs_up, source.status = how == "hangs up", 200 if how == "hangs up" else int(how)


async def control(running: Running, path: str = "/") -> tuple[str, str]:
    answer = await running.get(path)
    await running.settle()
    return answer.json(), answer.headers["cache-control"].partition(",")[0]


@pytest.mark.parametrize("how", ["500", "503", "429", "hangs up"])
async def test_a_careless_render_gets_the_stale_data_and_lives_as_long_as_its_pause(project: Project, how: str) -> None:
    async with upstream() as source:
        project.routes({"/": careless(source, data=20)})
        async with project.started() as running:
            assert await control(running) == ("200 / 1", "s-maxage=20")
            breaks(source, how)
            project.clock.move(21)
            assert (await control(running))[0] == "200 / 1"
            assert await control(running) == ("200 / 1", "s-maxage=20")  # the pause: 20 s
            assert source.requests == 2
            breaks(source, "200")
            project.clock.move(10)
            await control(running)
            assert source.requests == 2
            project.clock.move(11)
            await control(running)
            assert await control(running) == ("200 / 3", "s-maxage=20")


async def test_old_data_gets_no_new_age_by_an_answer_without_limit(project: Project) -> None:
    async with upstream() as source:
        project.routes({"/": careless(source, life=False, data=False)})
        async with project.started() as running:
            assert await control(running) == ("200 / 1", "s-maxage=31536000")
            breaks(source, "500")
            await running.client.delete("/?expire=1000")
            await control(running)
            assert await control(running) == ("200 / 1", "s-maxage=3")
            breaks(source, "200")
            project.clock.move(4)
            await control(running)
            assert await control(running) == ("200 / 3", "s-maxage=31536000")


async def test_a_page_that_is_asked_for_first_while_the_upstream_is_down(project: Project) -> None:
    async with upstream() as source:
        project.routes({"/": careless(source), "/other": careless(source)})
        async with project.started() as running:
            await control(running)
            breaks(source, "502")
            project.clock.move(11)
            assert await control(running, "/other") == ("200 / 1", "s-maxage=10")
            project.clock.move(4)
            assert await control(running) == ("200 / 1", "s-maxage=10")
            assert (await control(running, "/other"))[0] == "200 / 1"


CAREFUL = """
from millpond import JSONResponse, fetch, not_found, redirect
revalidate = 3600
async def GET():
    answer = await fetch("{url}", revalidate=10)
    if answer.status_code >= 500:
        {decision}
    return answer.text
"""


@pytest.mark.parametrize(
    ("decision", "outcome"),
    [
        ("not_found()", (404, "HIT")),
        ("return JSONResponse({}, 404)", (404, "HIT")),
        ("redirect('/x')", (307, "HIT")),
        ("return JSONResponse({}, 503)", (200, "HIT")),  # not stored: the old answer stays
        ("raise OSError", (200, "HIT")),
        ("return 'nothing'", (200, "HIT")),
    ],
)
async def test_a_handler_that_sees_to_the_error_decides(
    project: Project, decision: str, outcome: tuple[int, str]
) -> None:
    async with upstream() as source:
        project.routes({"/": CAREFUL.format(url=source.url, decision=decision)})
        async with project.started() as running:
            await running.get("/")
            breaks(source, "500")
            project.clock.move(11)
            await running.get("/")
            await running.settle()
            answer = await running.get("/")
            assert (answer.status_code, cache_of(answer)) == outcome
            if answer.status_code == 200:
                assert answer.json() == "/ 1"


async def test_raise_for_status_gets_stale_data_and_what_it_did_before_counts_once(project: Project) -> None:
    route = """
from millpond import after, fetch
revalidate = 3600
DONE = []
async def GET():
    after(lambda: DONE.append(1))
    return (await fetch("{url}", revalidate=10)).raise_for_status().text
"""
    async with upstream() as source:
        project.routes({"/": route.replace("{url}", source.url), "/other": route.replace("{url}", source.url)})
        async with project.started() as running:
            await running.get("/")
            breaks(source, "500")
            project.clock.move(11)
            other = await running.get("/other")
            await running.settle()
            assert (other.status_code, other.json()) == (200, "/ 1")
            assert running.module("/other").DONE == [1]


async def test_an_upstream_that_is_late_counts_as_one_that_fails(project: Project) -> None:
    async with upstream() as source:
        project.routes({"/": careless(source, more=", timeout=0.1")})
        async with project.started() as running:
            await control(running)
            project.clock.move(11)
            source.hold()
            await control(running)
            assert await control(running) == ("200 / 1", "s-maxage=10")


async def test_nothing_ends_the_end_of_data(project: Project) -> None:
    async with upstream() as source:
        project.routes({"/": careless(source)})
        async with project.started(expire_time=100) as running:
            await control(running)
            breaks(source, "500")
            project.clock.move(99)
            assert (await control(running))[0] == "200 / 1"
            answer = await running.get("/")
            assert answer.headers["cache-control"] == "s-maxage=10"  # its end comes before
            project.clock.move(2)
            assert (await control(running))[0] != "200 / 1"


async def test_what_was_expired_isnt_used_again(project: Project) -> None:
    async with upstream() as source:
        project.routes({"/": careless(source)})
        async with project.started() as running:
            await control(running)
            breaks(source, "500")
            await running.client.delete("/")
            assert (await running.get("/")).json() == "500 / 2"


@pytest.mark.parametrize("status", ["400", "401", "403"])
async def test_an_answer_that_is_one_reaches_the_render(project: Project, status: str) -> None:
    async with upstream() as source:
        project.routes({"/": careless(source)})
        async with project.started() as running:
            await control(running)
            breaks(source, status)
            project.clock.move(11)
            await control(running)
            assert (await control(running))[0] == f"{status} / 2"


async def test_own_routes_that_fail_are_no_exception(project: Project) -> None:
    own = """
from millpond import fetch
revalidate = 3600
async def GET():
    return (await fetch("/data", revalidate=10)).text
"""
    data = """
FAILS = False
dynamic = "force-dynamic"
def GET():
    if FAILS: raise OSError("no database")
    return "data"
"""
    project.routes({"/": own, "/data": data})
    async with project.started() as running:
        assert await control(running) == ('"data"', "s-maxage=10")
        running.module("/data").FAILS = True
        project.clock.move(11)
        await control(running)
        assert await control(running) == ('"data"', "s-maxage=10")


# What is gone


GONE = """
from millpond import fetch
{config}
async def GET():
    answer = await fetch("{url}", revalidate=10)
    return f"{{answer.status_code}} {{answer.text}}"
"""


@pytest.mark.parametrize("status", [404, 410])
async def test_what_is_gone_upstream_is_gone_in_live_routes_at_the_next_refresh(project: Project, status: int) -> None:
    async with upstream() as source:
        project.routes({"/": GONE.format(config="dynamic = 'force-dynamic'", url=source.url)})
        async with project.started() as running:
            assert (await running.get("/")).json() == "200 / 1"
            source.status = status
            project.clock.move(11)
            assert (await running.get("/")).json() == "200 / 1"
            await running.settle()
            assert (await running.get("/")).json() == f"{status} / 3"
            source.status = 200
            assert (await running.get("/")).json() == "200 / 4"


async def test_what_a_render_found_gone_is_gone_for_everybody(project: Project) -> None:
    async with upstream() as source:
        live = GONE.format(config="dynamic = 'force-dynamic'", url=source.url)
        project.routes({"/": GONE.format(config="revalidate = 5", url=source.url), "/live": live})
        async with project.started() as running:
            await running.get("/")
            source.status = 404
            project.clock.move(11)
            await running.get("/")
            await running.settle()
            assert (await running.get("/")).json() == "404 / 2"
            assert cache_of(await running.get("/")) == "HIT"
            assert (await running.get("/live")).json() == "404 / 3"
