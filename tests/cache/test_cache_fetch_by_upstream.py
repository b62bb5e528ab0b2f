"""`revalidate="upstream"`: the upstream's own headers say how long its answer is used (RFC 9111)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from upstreams import Upstream, upstream

from ponds import cache_of, turns

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

LIVE = """
from millpond import fetch
dynamic = "force-dynamic"
URL, GIVEN = "", {}
async def GET():
    answer = await fetch(URL, **{"revalidate": "upstream", **GIVEN})
    return f"{answer.status_code} {answer.text}"
"""


def static(source: Upstream, config: str = "revalidate = 3600") -> str:
    call = f'await fetch("{source.url}", revalidate="upstream")'
    return f"from millpond import fetch\n{config}\nasync def GET(): return ({call}).text\n"


async def asked(running: Running, url: str, **given: Any) -> str:
    module = running.module("/")
    module.URL, module.GIVEN = url, given
    answer = await running.get("/")
    await running.settle()
    return str(answer.json()) if answer.status_code == 200 else f"failed with {answer.status_code}"


async def seen_at(project: Project, running: Running, url: str, *seconds: float) -> list[str]:
    """What readers get, after each of the pauses."""
    answers = []
    for each in seconds:
        project.clock.move(each)
        answers.append(await asked(running, url))
    return answers


@pytest.mark.parametrize(
    ("headers", "pauses", "answers"),
    [
        ({"Cache-Control": "max-age=10"}, (0, 9, 2, 0), "1 1 2 2"),
        ({"Cache-Control": "max-age=10", "Age": "4"}, (0, 5, 2), "1 1 2"),
        ({"Cache-Control": "max-age=1000, s-maxage=10"}, (0, 9, 2), "1 1 2"),
        ({"Cache-Control": "max-age=10, stale-while-revalidate=20"}, (0, 11, 0, 31), "1 1 2 3"),
        ({"Cache-Control": "no-store"}, (0, 0), "1 2"),
        ({"Cache-Control": "private, max-age=60"}, (0, 0), "1 2"),
        ({"Cache-Control": "no-cache"}, (0, 0), "1 2"),
        ({"Cache-Control": "max-age=0", "ETag": '"a"'}, (0, 0), "1 2"),
        ({"Vary": "*", "Cache-Control": "max-age=60"}, (0, 0), "1 2"),
        ({}, (0, 0), "1 2"),
        ({"Last-Modified": "Mon, 30 Nov 2020 12:00:00 GMT"}, (0, 0), "1 2"),
        ({"Expires": "Fri, 15 Jan 2027 08:01:00 GMT"}, (0, 59, 2), "1 1 2"),
    ],
)
async def test_the_upstream_says_how_long(
    project: Project, headers: dict[str, str], pauses: tuple[float, ...], answers: str
) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        source.headers = headers
        expected = [f"200 / {number}" for number in answers.split()]
        assert await seen_at(project, running, source.url, *pauses) == expected


async def test_an_answer_that_must_be_validated_is_asked_about_at_each_use(project: Project) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        source.headers = {"Cache-Control": "no-cache", "ETag": '"a"'}
        assert await asked(running, source.url) == "200 / 1"
        source.status, source.body = 304, b""
        for number in (2, 3):
            assert await asked(running, source.url) == "200 / 1"
            assert source.requests == number
            assert source.seen[-1].headers["if-none-match"] == '"a"'


async def test_a_304_brings_a_new_lifetime(project: Project) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        source.headers = {"Cache-Control": "max-age=10", "ETag": '"a"', "Age": "9"}
        await asked(running, source.url)
        source.status, source.body, source.headers = 304, b"", {"Cache-Control": "max-age=100"}
        assert await seen_at(project, running, source.url, 2, 99) == ["200 / 1", "200 / 1"]
        assert source.requests == 2


@pytest.mark.parametrize(
    ("control", "at_11", "at_50"),
    [
        ("max-age=10", "200 / 1", "200 / 1"),
        ("max-age=10, stale-if-error=20", "200 / 1", "503 / 3"),
        ("max-age=10, must-revalidate", "503 / 2", "503 / 3"),
        ("s-maxage=10", "503 / 2", "503 / 3"),
    ],
)
async def test_a_failing_upstream_leaves_what_it_allowed(
    project: Project, control: str, at_11: str, at_50: str
) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        source.headers = {"Cache-Control": control}
        await asked(running, source.url)
        source.status = 503
        assert await seen_at(project, running, source.url, 11, 39) == [at_11, at_50]


@pytest.mark.parametrize(
    ("headers", "control"),
    [
        ({"Cache-Control": "max-age=60"}, "s-maxage=60"),
        ({"Cache-Control": "max-age=60", "Age": "20"}, "s-maxage=40"),
        ({"Cache-Control": "max-age=7200"}, "s-maxage=3600"),
    ],
)
async def test_an_answer_lives_no_longer_than_its_data(project: Project, headers: dict[str, str], control: str) -> None:
    async with upstream() as source:
        source.headers = headers
        project.routes({"/": static(source), "/later": static(source)})
        async with project.started() as running:
            assert (await running.get("/")).headers["cache-control"].partition(",")[0] == control


async def test_an_answer_made_later_lives_for_the_rest(project: Project) -> None:
    async with upstream() as source:
        source.headers = {"Cache-Control": "max-age=60"}
        project.routes({"/": static(source), "/later": static(source)})
        async with project.started() as running:
            await running.get("/")
            project.clock.move(45)
            later = await running.get("/later")
            assert (later.json(), later.headers["cache-control"].partition(",")[0]) == ("/ 1", "s-maxage=15")


@pytest.mark.parametrize("headers", [{"Cache-Control": "no-store"}, {"Cache-Control": "private"}, {}])
async def test_what_may_not_be_stored_makes_its_route_live(project: Project, headers: dict[str, str]) -> None:
    async with upstream() as source:
        source.headers = headers
        project.routes({"/": static(source)})
        records = await project.built()
        reason = headers.get("Cache-Control", "the upstream gives no lifetime")
        reason = reason if not headers else f"Cache-Control: {reason}"
        assert (records["/"].static, records["/"].why) == (False, f"fetch() uncached ({reason})")
        async with project.serving() as running:
            assert cache_of(await running.get("/")) is None


async def test_what_an_upstream_no_longer_lets_be_stored_does_not_stand_in_for_it(project: Project) -> None:
    async with upstream() as source:
        source.headers = {"Cache-Control": "max-age=10"}
        project.routes({"/": LIVE, "/page": static(source)})
        async with project.started() as running:
            assert (await running.get("/page")).json() == "/ 1"
            source.headers = {"Cache-Control": "no-store"}
            project.clock.move(11)
            assert await asked(running, source.url) == "200 / 2"
            source.status = 503
            assert await asked(running, source.url) == "503 / 3"


@pytest.mark.parametrize("headers", [{"Cache-Control": "private"}, {"Cache-Control": "no-cache"}, {}])
async def test_what_may_not_be_stored_is_not_stored_as_the_result_of_a_function(
    project: Project, headers: dict[str, str]
) -> None:
    route = """
from millpond import cached, fetch
@cached
async def data(): return (await fetch("{url}", revalidate="upstream")).text
async def GET(): return await data()
"""
    async with upstream() as source:
        source.headers = headers
        project.routes({"/": route.replace("{url}", source.url)})
        async with project.started(cache_components=True) as running:
            first, second = [await running.get("/") for _ in range(2)]
            assert first.text != second.text
            assert cache_of(second) is None


async def test_calls_that_share_one_request_dont_share_what_may_not_be_stored(project: Project) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        source.headers = {"Cache-Control": "private"}
        running.module("/").URL = source.url
        source.hold()
        tasks = [asyncio.create_task(running.get("/")) for _ in range(3)]
        await source.arrived.wait()
        await turns()
        source.open.set()
        answers = [answer.json() for answer in await asyncio.gather(*tasks)]
        assert len(set(answers)) == 3


async def test_calls_by_the_upstream_and_by_seconds_each_judge_what_is_stored(project: Project) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        source.headers = {"Cache-Control": "max-age=10"}
        assert await asked(running, source.url, revalidate=False) == "200 / 1"
        project.clock.move(11)
        assert await asked(running, source.url, revalidate=False) == "200 / 1"
        assert await asked(running, source.url) == "200 / 2"


@pytest.mark.parametrize("headers", [{"Cache-Control": "private"}, {}])
async def test_what_calls_by_seconds_have_stored_is_left_to_them(project: Project, headers: dict[str, str]) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        source.headers = headers
        assert await asked(running, source.url, revalidate=False) == "200 / 1"
        assert await asked(running, source.url) == "200 / 2"
        assert await asked(running, source.url, revalidate=False) == "200 / 1"


async def test_credentials_need_the_upstreams_consent(project: Project) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        source.headers = {"Cache-Control": "max-age=60"}
        given = {"headers": {"Authorization": "Bearer x"}}
        assert [await asked(running, source.url, **given) for _ in range(2)] == ["200 / 1", "200 / 2"]
        source.headers = {"Cache-Control": "public, max-age=60"}
        assert [await asked(running, source.url, **given) for _ in range(2)] == ["200 / 3", "200 / 3"]


async def test_credentials_that_a_hook_adds_count_as_well(project: Project) -> None:
    async def sign(request: httpx2.Request) -> None:
        request.headers["authorization"] = "Bearer x"

    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        source.headers = {"Cache-Control": "max-age=60"}
        client = httpx2.AsyncClient(event_hooks={"request": [sign]})
        assert [await asked(running, source.url, client=client) for _ in range(2)] == ["200 / 1", "200 / 2"]


async def test_with_no_store_it_contradicts(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        await asked(running, source.url, cache="no-store")
        assert "contradict each other" in caplog.text
