"""An answer made of another one of this application, by fetch(): it has that one's tags and lifetime (R6.3, R4.17)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

DATA = """
from millpond import cached, response_tags, revalidate_path, revalidate_tag
{config}
runs = 0
@cached(tags=["rows"])
def rows(): return runs
{kind} GET():
    global runs
    runs += 1
    response_tags("data")
    rows()
    return runs
def PUT(tag: str): revalidate_tag(tag, expire=0)
def POST(path: str): revalidate_path(path)
"""

PAGE = """
from millpond import fetch
{config}
async def GET(): return f"page of {{(await fetch('{url}'{options})).text}}"
"""

CACHED = ", cache='force-cache'"

WAYS: list[Any] = [
    pytest.param({"compat": "14"}, "", "", id="14"),
    pytest.param({"compat": "15"}, "revalidate = False", "", id="15"),
    pytest.param({"compat": "16"}, "revalidate = False", "", id="16"),
    pytest.param({"compat": "16"}, "revalidate = False", CACHED, id="16-cached"),
    pytest.param({"cache_components": True}, "", CACHED, id="16cc"),
]


def write(project: Project, page: str, options: str, data: str = "revalidate = False", kind: str = "def") -> None:
    project.routes(
        {"/data": DATA.format(config=data, kind=kind), "/page": PAGE.format(config=page, url="/data", options=options)}
    )


async def page(running: Running) -> str:
    return str((await running.get("/page")).json())


@pytest.mark.parametrize(("config", "segment", "options"), WAYS)
@pytest.mark.parametrize("how", [("put", {"tag": "data"}), ("put", {"tag": "rows"}), ("post", {"path": "/data"})])
async def test_an_invalidation_of_the_data_reaches_the_page(
    project: Project, config: dict[str, Any], segment: str, options: str, how: tuple[str, dict[str, str]]
) -> None:
    write(project, segment, options, "" if config.get("cache_components") else "revalidate = False")
    async with project.started(**config) as running:
        assert await page(running) == await page(running) == "page of 1"
        assert await running.cache("/page") == "HIT"
        await running.client.request(how[0].upper(), "/data", params=how[1])
        assert await page(running) == "page of 2"


@pytest.mark.parametrize(("config", "segment", "options"), WAYS[:4])
async def test_the_lifetime_of_the_data_is_the_pages(
    project: Project, config: dict[str, Any], segment: str, options: str
) -> None:
    write(project, segment, options, "revalidate = 7")
    async with project.started(**config) as running:
        for _ in range(2):  # the second time the data is at hand
            assert (await running.get("/page")).headers["cache-control"].startswith("s-maxage=7,")
            await running.client.post("/data", params={"path": "/page"})


@pytest.mark.parametrize("options", ["", CACHED])
async def test_a_page_is_made_of_fresh_data_where_stale_data_is_stored(project: Project, options: str) -> None:
    write(project, "revalidate = False", options, "revalidate = 7")
    async with project.started() as running:
        assert await page(running) == "page of 1"
        project.clock.move(8)
        assert await page(running) == "page of 1"  # stale; rendered again
        await running.settle()
        assert await page(running) == "page of 2"


@pytest.mark.parametrize("tag", ["data", "rows"])
async def test_a_live_answer_brings_the_tags_of_what_it_is_made_of(project: Project, tag: str) -> None:
    write(project, "revalidate = False", CACHED, 'dynamic = "force-dynamic"')
    async with project.started() as running:
        assert await page(running) == await page(running) == "page of 1"
        await running.client.put("/data", params={"tag": tag})
        assert await page(running) == "page of 2"


async def test_a_chain_of_answers_passes_tags_and_lifetimes_on(project: Project) -> None:
    write(project, "revalidate = False", "", "revalidate = 7")
    project.routes({"/top": PAGE.format(config="revalidate = False", url="/page", options="")})
    async with project.started() as running:
        assert (await running.get("/top")).json() == 'page of "page of 1"'
        assert (await running.get("/top")).headers["cache-control"].startswith("s-maxage=7,")
        await running.client.put("/data", params={"tag": "rows"})
        assert (await running.get("/top")).json() == 'page of "page of 2"'


@pytest.mark.parametrize("options", ["", CACHED])
async def test_a_path_that_is_late_counts_by_its_path(project: Project, options: str) -> None:
    late = """
import asyncio
from millpond import revalidate_path
revalidate = False
GATE = asyncio.Event()
async def GET():
    await GATE.wait()
    return "done"
def POST(path: str): revalidate_path(path)
"""
    waiting = f"""
import asyncio
from millpond import fetch
revalidate = False
async def GET():
    try:
        return (await asyncio.wait_for(fetch("/data"{options}), 0.1)).json()
    except TimeoutError:
        return "late"
"""
    project.routes({"/data": late, "/page": waiting})
    async with project.started() as running:
        assert await page(running) == "late"
        running.module("/data").GATE.set()
        await running.settle()
        assert await page(running) == "late"
        await running.client.post("/data", params={"path": "/data"})
        assert await page(running) == "done"


@pytest.mark.parametrize("options", ["", CACHED])
async def test_a_path_that_fails_counts_by_its_path(project: Project, options: str) -> None:
    failing = "from millpond import revalidate_path\nBROKEN = True\nrevalidate = False\n"
    failing += "def GET():\n    if BROKEN: raise OSError\n    return 1\ndef POST(path: str): revalidate_path(path)\n"
    status = PAGE.format(config="revalidate = False", url="/data", options=options).replace(".text", ".status_code")
    project.routes({"/data": failing, "/page": status})
    async with project.started() as running:
        assert await page(running) == "page of 500"
        running.module("/data").BROKEN = False
        await running.client.post("/data", params={"path": "/data"})
        assert await page(running) == "page of 200"


async def test_old_data_whose_refresh_fails_gets_no_new_age(project: Project) -> None:
    data = "BROKEN = False\nrevalidate = 7\ndef GET():\n    if BROKEN: raise OSError\n    return 1\n"
    project.routes({"/data": data, "/page": PAGE.format(config="revalidate = False", url="/data", options="")})
    async with project.started() as running:
        assert await page(running) == "page of 1"
        running.module("/data").BROKEN = True
        project.clock.move(8)
        assert await page(running) == "page of 1"
        await running.settle()
        answer = await running.get("/page")
        assert (answer.json(), answer.headers["x-nextjs-cache"]) == ("page of 1", "HIT")
        assert answer.headers["cache-control"].startswith("s-maxage=7,")  # the pause before the next attempt
        running.module("/data").BROKEN = False
        project.clock.move(8)
        await page(running)
        await running.settle()
        assert (await running.get("/page")).headers["age"] == "0"


async def test_pages_that_share_one_fetch_all_learn_of_it(project: Project) -> None:
    write(project, "revalidate = False", CACHED, "revalidate = 7", kind="async def")
    source = PAGE.format(config="revalidate = False", url="/data", options=CACHED)
    project.routes({f"/{name}": source for name in "abc"})
    async with project.started() as running:
        for run in (1, 2):
            answers = await asyncio.gather(*(running.get(f"/{name}") for name in "abc"))
            assert {answer.headers["cache-control"].partition(",")[0] for answer in answers} == {"s-maxage=7"}
            assert {answer.json() for answer in answers} == {f"page of {run}"}
            await running.client.put("/data", params={"tag": "rows"})


@pytest.mark.parametrize("how", [("put", {"tag": "rows"}), ("post", {"path": "/data"})])
async def test_what_a_cached_function_reads_of_a_stream_counts(
    project: Project, how: tuple[str, dict[str, str]]
) -> None:
    page_of_stream = """
from millpond import cached, fetch
revalidate = False
@cached
async def data():
    async with fetch.stream("/data") as answer:
        return (await answer.aread()).decode()
async def GET(): return f"page of {await data()}"
"""
    write(project, "", "", data="revalidate = 60")
    project.routes({"/page": page_of_stream})
    async with project.started() as running:
        assert await page(running) == "page of 1"
        assert (await running.get("/page")).headers["cache-control"].startswith("s-maxage=60,")
        method, query = how
        await running.client.request(method, "/data", params=query)
        assert await page(running) == "page of 2"
