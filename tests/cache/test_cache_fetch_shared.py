"""fetch() in answers for everybody: what it brings for them (R4.17, R4.21, R6.3, B.4), and the build's data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from upstreams import Upstream, upstream

from ponds import cache_of

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = pytest.mark.anyio


def static(source: Upstream, *calls: str, config: str = "revalidate = 60") -> str:
    """A route whose GET makes `calls`, written as the options of fetch()."""
    fetches = "".join(
        f"    answers.append((await fetch('{source.url}/{n}', {call})).text)\n" for n, call in enumerate(calls)
    )
    return f"from millpond import fetch\n{config}\nasync def GET():\n    answers = []\n{fetches}    return answers\n"


async def control(running: Running) -> str:
    return (await running.get("/")).headers["cache-control"].partition(",")[0]


@pytest.mark.parametrize(
    ("calls", "control_"),
    [
        (["revalidate=10"], "s-maxage=10"),
        (["revalidate=300"], "s-maxage=60"),
        (["revalidate=30", "revalidate=20", "revalidate=40"], "s-maxage=20"),
        (["cache='force-cache'"], "s-maxage=60"),
        (["revalidate=False"], "s-maxage=60"),
        (["tags=['t']"], "s-maxage=60"),
    ],
)
async def test_the_lowest_lifetime_wins(project: Project, calls: list[str], control_: str) -> None:
    async with upstream() as source:
        project.routes({"/": static(source, *calls)})
        async with project.serving() as running:
            assert await control(running) == control_


async def test_a_hit_of_the_data_cache_lowers_the_answer_too(project: Project) -> None:
    async with upstream() as source:
        both = static(source, "revalidate=10")
        project.routes({"/": both, "/other": both})
        async with project.started() as running:
            await running.get("/other")
            assert await control(running) == "s-maxage=10"
            assert source.requests == 1


@pytest.mark.parametrize("tags", ["cache='force-cache', tags=['t']", "revalidate=10, tags=['t']"])
async def test_a_tag_of_its_data_invalidates_the_answer(project: Project, tags: str) -> None:
    async with upstream() as source:
        project.routes(
            {
                "/": static(source, "cache='force-cache', tags=['u']", tags),
                "/purge": "from millpond import revalidate_tag\ndef POST():\n    revalidate_tag('t')\n",
            }
        )
        async with project.serving() as running:
            before = await running.get("/")
            await running.post("/purge")
            after = await running.get("/")
            assert (cache_of(before), cache_of(after)) == ("HIT", "MISS")
            assert (before.json(), after.json()) == (["/0 1", "/1 1"], ["/0 1", "/1 2"])


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ("cache='no-store'", 'fetch() uncached (cache = "no-store")'),
        ("revalidate=0", "fetch() uncached (revalidate = 0)"),
    ],
)
async def test_an_uncached_fetch_makes_a_get_live_and_the_build_says_where(
    project: Project, call: str, why: str
) -> None:
    async with upstream() as source:
        project.routes({"/": static(source, call)})
        record = (await project.built())["/"]
        assert (record.glyph, record.why, record.place) == ("λ", why, ("app/route.py", 5))


async def test_an_uncached_fetch_is_no_matter_under_force_static(project: Project) -> None:
    async with upstream() as source:
        project.routes({"/": static(source, "cache='no-store'", config="dynamic = 'force-static'")})
        assert (await project.built())["/"].glyph == "○"


async def test_an_uncached_fetch_fails_the_build_where_the_file_promises(project: Project) -> None:
    async with upstream() as source:
        project.routes({"/": static(source, "cache='no-store'", config="dynamic = 'error'")})
        (failure,) = await project.failures()
        assert "app/route.py:5" in failure
        assert "fetch() uncached" in failure


async def test_a_regeneration_waits_for_fresh_data(project: Project) -> None:
    async with upstream() as source:
        project.routes({"/": static(source, "revalidate=10")})
        async with project.started() as running:
            await running.get("/")
            project.clock.move(11)
            await running.get("/")
            await running.settle()
            assert (await running.get("/")).json() == ["/0 2"]  # one refresh, and not one behind


async def test_a_regeneration_keeps_using_data_that_is_fresh(project: Project) -> None:
    async with upstream() as source:
        project.routes({"/": static(source, "revalidate=300")})
        async with project.started() as running:
            await running.get("/")
            project.clock.move(61)
            await running.get("/")
            await running.settle()
            assert source.requests == 1


# The data of a build


@pytest.mark.parametrize("compat", ["14", "15", "16"])
async def test_what_a_build_fetched_ships_with_it(project: Project, compat: str) -> None:
    async with upstream() as source:
        live = static(source, "cache='force-cache'", config="dynamic = 'force-dynamic'")
        project.routes({"/": static(source, "cache='force-cache'"), "/live": live})
        async with project.serving(compat=compat) as running:
            assert (await running.get("/live")).json() == ["/0 1"]
            assert source.requests == 1


async def test_data_of_a_build_is_as_old_as_it_is(project: Project) -> None:
    async with upstream() as source:
        live = static(source, "revalidate=10", config="dynamic = 'force-dynamic'")
        project.routes({"/": static(source, "revalidate=10"), "/live": live})
        await project.built()
        project.clock.move(11)
        async with project.started() as running:
            await running.get("/live")
            await running.settle()
            assert (await running.get("/live")).json() == ["/0 2"]


async def test_bare_calls_of_one_build_are_one_request_and_later_ones_are_uncached(project: Project) -> None:
    async with upstream() as source:
        project.routes({"/": static(source, ""), "/b": static(source, "")})
        async with project.serving() as running:
            assert source.requests == 1
            project.clock.move(61)
            for path in ("/", "/b"):
                await running.get(path)
            await running.settle()
            assert source.requests == 3


async def test_in_14_a_bare_call_is_cached_until_the_request_is_read(project: Project) -> None:
    async with upstream() as source:
        project.routes(
            {
                "/": f"""
                from millpond import Request, fetch
                dynamic = "auto"
                async def GET(request: Request):
                    request.headers.get("x")
                    first = await fetch("{source.url}/a")
                    return first.text
                def POST(): pass
                """
            }
        )
        async with project.started(compat="14") as running:
            assert [await running.body("/") for _ in range(2)] == ['"/a 1"', '"/a 2"']


@pytest.mark.parametrize("mode", ["", 'fetch_cache = "auto"', 'fetch_cache = "only-cache"'])
@pytest.mark.parametrize(
    ("config", "before"),
    [
        ("revalidate = 0", "pass"),
        ('dynamic = "force-dynamic"', "headers()"),
        ("revalidate = False", "headers()"),
        ("revalidate = 60", "headers()"),
    ],
)
async def test_in_14_a_bare_fetch_is_uncached_where_the_answer_is_one_requests_already(
    project: Project, mode: str, config: str, before: str
) -> None:
    """R5.6, R5.10: the answer lives for 0 seconds, by the file or as the request was read, and so does the fetch."""
    async with upstream() as service:
        source = f"""
            from millpond import fetch, headers
            {config}
            {mode}
            async def GET():
                {before}
                return (await fetch("{service.url}/a")).text
            """
        project.routes({"/": source})
        async with project.started(compat="14") as running:
            for _ in range(2):
                assert (await running.get("/")).status_code == 200
        assert service.requests == 2


@pytest.mark.parametrize("encoding", ["cp1251", lambda content: "cp1251"])
async def test_the_encoding_that_a_client_knows_of_its_upstream_is_kept(project: Project, encoding: Any) -> None:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, content="пруд".encode("cp1251")))
    route = """
from millpond import fetch
dynamic = "force-dynamic"
CLIENT = None
async def GET(): return (await fetch("http://up/", client=CLIENT, cache="force-cache")).text
"""
    project.routes({"/": route})
    async with project.started() as running:
        running.module("/").CLIENT = httpx2.AsyncClient(transport=transport, default_encoding=encoding)
        assert [(await running.get("/")).json() for _ in range(2)] == ["пруд", "пруд"]
