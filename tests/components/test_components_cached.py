"""Cached data and prerenders: lifetimes, tags, short-lived values, fetches; misuse inside of cached functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from components_project import assert_ends, assert_static, built_one, built_routes, failures

from ponds import cache_of

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

YEAR = 31_536_000

PROFILES = {
    "default": ("○", 900, YEAR),
    "seconds": ("λ", None, None),
    "minutes": ("○", 60, 3_600),
    "hours": ("○", 3_600, 86_400),
    "days": ("○", 86_400, 604_800),
    "weeks": ("○", 604_800, 2_592_000),
    "max": ("○", 2_592_000, YEAR),
}


@pytest.mark.parametrize("way", ["option", "call"])
@pytest.mark.parametrize(("profile", "expected"), PROFILES.items(), ids=PROFILES)
async def test_a_profile_is_the_lifetime_of_what_uses_it(
    project: Project, way: str, profile: str, expected: tuple[str, int | None, int | None]
) -> None:
    option, call = (f'(life="{profile}")', "") if way == "option" else ("", f'cache_life("{profile}")')
    record = await built_one(
        project,
        f"from millpond import cache_life, cached\n@cached{option}\ndef load():\n    {call or 'pass'}\n"
        "    return 1\nasync def GET(): return load()\n",
    )
    assert (record.glyph, record.revalidate, record.expire) == expected


async def test_a_profile_of_the_project_counts(project: Project) -> None:
    project.config["cache_life"] = {"catalog": {"revalidate": 700, "expire": 7_000}}
    record = await built_one(
        project,
        'from millpond import cached\n@cached(life="catalog")\ndef load(): return 1\nasync def GET(): return load()\n',
    )
    assert (record.revalidate, record.expire) == (700, 7_000)


LIVES = {
    "nothing said: the default": ("", "", 900, YEAR),
    "the inner one, where the outer says nothing": ("", "cache_life(revalidate=60, expire=3_600)", 60, 3_600),
    "a longer inner one doesn't raise the default": ("", 'cache_life("max")', 900, YEAR),
    "the outer one wins over a shorter inner one": ('cache_life("hours")', 'cache_life("minutes")', 3_600, 86_400),
    "the outer one wins over a longer inner one": ('cache_life("minutes")', 'cache_life("max")', 60, 3_600),
    "fields left out come from inside": (
        "cache_life(revalidate=600)",
        "cache_life(revalidate=60, expire=3_600)",
        600,
        3_600,
    ),
    "of several calls the lowest": ('cache_life("days"); cache_life(revalidate=400, expire=500)', "", 400, 500),
    "never": ("cache_life(revalidate=math.inf, expire=math.inf)", "cache_life(revalidate=60)", None, None),
}


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize(("outer", "inner", "revalidate", "expire"), LIVES.values(), ids=LIVES)
async def test_the_lifetime_of_nested_functions(
    project: Project, kind: str, outer: str, inner: str, revalidate: int | None, expire: int | None
) -> None:
    source = f"""
import math
from millpond import cache_life, cached
@cached
async def inner():
    {inner or "pass"}
    return 1
@cached
async def outer():
    {outer or "pass"}
    return await inner()
async def GET():
    return await outer()
"""
    if kind == "sync":
        source = source.replace("async def", "def").replace("await ", "")
    record = await built_one(project, source)
    assert (record.glyph, record.revalidate, record.expire) == ("○", revalidate, expire)


async def test_of_siblings_the_lowest_of_each_field_counts_and_tags_are_united_from_all_depths(
    project: Project,
) -> None:
    record = await built_one(
        project,
        """
        import asyncio
        from millpond import cache_life, cache_tag, cached
        @cached(tags=["deep"])
        async def deep():
            return 1
        @cached(tags=["a"])
        async def a():
            cache_life(revalidate=60, expire=9_000)
            return await deep()
        @cached
        async def b():
            cache_tag("b", "more")
            cache_life(revalidate=600, expire=3_000)
            return 2
        async def GET():
            return await asyncio.gather(a(), b())
        """,
    )
    assert (record.revalidate, record.expire) == (60, 3_000)
    assert sorted(record.paths[0].tags) == ["a", "b", "deep", "more"]


SHORT = {
    "revalidate 0": "revalidate=0",
    "expire under five minutes": "expire=299",
    "stale under half a minute": "stale=29",
}


@pytest.mark.parametrize("life", SHORT.values(), ids=SHORT)
async def test_a_short_lived_value_ends_the_prerender(project: Project, life: str) -> None:
    why = "@cached load() with revalidate = 0" if life == "revalidate=0" else "@cached load() is short-lived"
    await assert_ends(
        project,
        f"from millpond import cache_life, cached\n@cached\nasync def load():\n    cache_life({life})\n    return 1\n"
        "async def GET():\n    return await load()  # here\n",
        why,
    )


@pytest.mark.parametrize("life", ["expire=300", "stale=30", "revalidate=1"])
async def test_a_value_that_lives_just_long_enough_is_prerendered(project: Project, life: str) -> None:
    record = await built_one(
        project,
        f"from millpond import cache_life, cached\n@cached\nasync def load():\n    cache_life({life})\n    return 1\n"
        "async def GET():\n    return await load()\n",
    )
    assert record.glyph == "○"


async def test_a_short_lived_value_is_cached_while_serving(project: Project) -> None:
    await built_one(
        project,
        """
        from millpond import cached
        runs = 0
        @cached(life="seconds")
        def load():
            global runs
            runs += 1
            return runs
        async def GET():
            return load()
        """,
    )
    async with project.started() as running:
        first = await running.body("/")
        assert [await running.body("/") for _ in range(3)] == [first] * 3
        project.clock.move(61)
        assert await running.body("/") == str(int(first) + 1)


NESTED_SHORT = """
from millpond import cache_life, cached
@cached(life="seconds")
async def quick():
    return 1
@cached
async def outer():
    {says}
    return await quick()
async def GET():
    return await outer()
"""


async def test_a_short_lived_value_in_a_function_that_says_nothing_fails_the_build(project: Project) -> None:
    (failure,) = await failures(project, NESTED_SHORT.format(says="pass"))
    assert "@cached outer() uses @cached quick(), which is too short-lived to be rendered at build" in failure
    assert "cache_life()" in failure
    assert "Traceback" not in failure


async def test_a_function_that_says_how_long_it_lives_may_use_a_short_lived_value(project: Project) -> None:
    record = await built_one(project, NESTED_SHORT.format(says='cache_life("hours")'))
    assert (record.glyph, record.revalidate) == ("○", 3_600)


async def test_a_short_lived_value_in_a_live_route_may_be_nested_as_it_likes(project: Project) -> None:
    await built_one(
        project,
        NESTED_SHORT.format(says="pass")
        .replace("    return await outer()", "    headers()\n    return await outer()")
        .replace("from millpond import", "from millpond import headers,"),
    )
    async with project.started() as running:
        assert await running.body("/") == "1"


MISUSES = {
    "headers": ("headers()", "headers()"),
    "cookies": ("cookies()", "cookies()"),
    "connection": ("connection()", "connection()"),
    "draft": ("draft_mode().enable()", "draft_mode().enable()"),
    "revalidate_tag": ('revalidate_tag("a", "max")', "revalidate_tag()"),
    "update_tag": ('update_tag("a")', "update_tag()"),
    "revalidate_path": ('revalidate_path("/")', "revalidate_path()"),
    "after": ("after(print)", "after()"),
}


@pytest.mark.parametrize("swallowed", [False, True])
@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize(("call", "api"), MISUSES.values(), ids=MISUSES)
async def test_misuse_inside_of_a_cached_function_fails_the_build_with_its_line(
    project: Project, call: str, api: str, kind: str, swallowed: bool
) -> None:
    body = f"try: {call}\n    except BaseException: pass" if swallowed else call
    await_ = "await " if kind == "async def" else ""
    (failure,) = await failures(
        project,
        "from millpond import after, cached, connection, cookies, draft_mode, headers\n"
        "from millpond import revalidate_path, revalidate_tag, update_tag\n\n\n"
        f"@cached\n{kind} load():\n    {body}\n    return 1\n"
        f"async def GET():\n    return {await_}load()\n",
    )
    assert f"app/route.py:7: {api} inside of the cached function load()" in failure
    assert "pass what the function needs as an argument" in failure


FETCHES = {
    "nothing": ("", None),
    "no-store": (', cache="no-store"', None),
    "revalidate 0": (", revalidate=0", None),
    "tags alone": (', tags=["a"]', None),
    "force-cache": (', cache="force-cache"', False),
    "revalidate": (", revalidate=70", 70),
    "revalidate False": (", revalidate=False", False),
    "force-cache and tags": (', cache="force-cache", tags=["a"]', False),
}
CLIENT = """
import httpx2
from millpond import fetch
sent = []
def answer(request):
    sent.append(request)
    return httpx2.Response(200, text="up")
client = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
"""


@pytest.mark.parametrize(("options", "revalidate"), FETCHES.values(), ids=FETCHES)
async def test_a_fetch_that_says_it_is_cached_is_static_and_others_end_the_prerender(
    project: Project, options: str, revalidate: int | bool | None
) -> None:
    source = f"""{CLIENT}
async def GET():
    return (await fetch("http://shop.example/", client=client{options})).text
"""
    record = await built_one(project, source)
    if revalidate is None:
        assert record.glyph == "λ"
        assert record.why.startswith("fetch() uncached (")
        assert record.place == ("app/route.py", source.splitlines().index("async def GET():") + 2)
    else:
        assert (record.glyph, record.revalidate) == ("○", revalidate or None)


async def test_an_uncached_fetch_is_not_even_sent_at_build(project: Project) -> None:
    project.config["cache_components"] = True
    project.routes(
        {"/": f'{CLIENT}\nasync def GET(): return (await fetch("http://shop.example/", client=client)).text\n'}
    )
    pond = project.pond()
    assert [record.glyph for record in (await pond.build()).manifest.routes] == ["λ"]
    assert pond.file_routes[0].module.module.sent == []


async def test_fetched_data_ships_with_the_build_and_functions_values_do_not(project: Project) -> None:
    await built_one(
        project,
        """
        import httpx2
        from millpond import cached, fetch, headers
        calls = {"fetch": 0, "cached": 0}
        def answer(request):
            calls["fetch"] += 1
            return httpx2.Response(200)
        client = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
        @cached
        async def load():
            calls["cached"] += 1
        async def GET():
            await fetch("http://shop.example/", client=client, cache="force-cache")
            await load()
            return 1
        async def POST():
            await fetch("http://shop.example/", client=client, cache="force-cache")
            await load()
            return calls
        """,
    )
    async with project.started() as running:
        assert (await running.post("/")).json() == {"fetch": 0, "cached": 1}


async def test_a_value_past_revalidate_in_a_live_route_is_served_while_it_is_refreshed(project: Project) -> None:
    await built_one(
        project,
        """
        from millpond import cache_life, cached, headers
        runs = 0
        @cached
        async def load():
            global runs
            cache_life(revalidate=10, expire=3600)
            runs += 1
            return runs
        async def GET():
            headers()
            return await load()
        """,
    )
    async with project.started() as running:
        assert await running.body("/") == "1"
        project.clock.move(15)
        assert await running.body("/") == "1"
        await running.settle()
        assert await running.body("/") == "2"
        project.clock.move(3_601)
        assert await running.body("/") == "3"


SLOW = """
import asyncio
from millpond import cached
starts = 0
@cached
async def load():
    global starts
    starts += 1
    number = starts
    await asyncio.sleep(0.05)
    return number
"""


async def test_a_cached_function_that_is_slow_is_waited_for_and_run_once(project: Project) -> None:
    project.write({"load.py": SLOW})
    route = "from load import load\nasync def GET(): return await load()\n"
    records = await built_routes(project, {f"/{name}": route for name in ("a", "b", "c")})
    assert {record.glyph for record in records.values()} == {"○"}
    async with project.started() as running:
        assert {await running.body(f"/{name}") for name in ("a", "b", "c")} == {"1"}


async def test_a_fill_goes_on_when_the_render_that_began_it_ends(project: Project) -> None:
    project.write({"load.py": SLOW})
    project.config["build"] = {"concurrency": 1}  # so that it is this one that begins
    records = await built_routes(
        project,
        {
            "/ends": """
            import asyncio
            import load as load_module
            from load import load
            from millpond import cookies
            async def GET():
                task = asyncio.create_task(load())
                while not load_module.starts:
                    await asyncio.sleep(0)
                cookies()
            """,
            "/static": "from load import load\nasync def GET(): return await load()\n",
        },
    )
    assert (records["/ends"].why, records["/static"].glyph) == ("cookies()", "○")
    async with project.started() as running:
        assert await running.body("/static") == "1"


async def test_what_sync_code_computed_in_an_ending_render_is_kept_for_others(project: Project) -> None:
    project.write({"load.py": "from millpond import cached\nruns = []\n@cached\ndef load(): runs.append(1)\n"})
    project.config["cache_components"] = True
    project.routes(
        {
            "/a": "from load import load\nfrom millpond import cookies\nasync def GET():\n    load()\n    cookies()\n",
            "/b": "from load import load, runs\nasync def GET(): load()\n",
        }
    )
    pond = project.pond()
    assert [record.glyph for record in (await pond.build()).manifest.routes] == ["λ", "○"]
    assert pond.file_routes[1].module.module.runs == [1]


async def test_no_time_passes_for_a_render_while_a_cache_is_filled(project: Project) -> None:
    project.write({"load.py": SLOW})
    await assert_ends(
        project,
        """
        import asyncio, time
        from load import load
        async def nap():
            await asyncio.sleep(0.001)  # here
            time.time()
        async def GET():
            return await asyncio.gather(load(), nap())
        """,
        "awaits asyncio.sleep",
    )


async def test_a_time_limit_around_a_cached_function_is_no_reason_to_be_live(project: Project) -> None:
    project.write({"load.py": SLOW})
    record = await built_one(
        project,
        """
        import asyncio
        from load import load
        async def GET():
            try:
                async with asyncio.timeout(0.001):
                    return await load()
            except TimeoutError:
                return "late"
        """,
    )
    assert record.glyph == "○"
    async with project.started() as running:
        assert await running.body("/") == "1"


async def test_a_fill_that_takes_too_long_fails_the_build(project: Project) -> None:
    project.config["build"] = {"timeout": 0.2}
    (failure,) = await failures(
        project,
        """
        import asyncio
        from millpond import cached
        @cached
        async def load():
            await asyncio.sleep(5)
        async def GET(): return await load()
        """,
    )
    assert "app/route.py:7: no answer within 0.2 s" in failure
    assert "Traceback" not in failure


async def test_an_async_context_manager_may_wait_for_a_fill(project: Project) -> None:
    project.write({"load.py": SLOW})
    record = await built_one(
        project,
        """
        from contextlib import asynccontextmanager
        from load import load
        @asynccontextmanager
        async def opened():
            yield await load()
        async def numbers():
            yield await load()
        async def GET():
            async with opened() as number:
                return [number, *[n async for n in numbers()]]
        """,
    )
    assert record.glyph == "○"


async def test_what_a_cached_function_raises_is_the_handlers_to_handle(project: Project) -> None:
    await assert_static(
        project,
        """
        from millpond import cached
        @cached
        async def load():
            raise LookupError("none")
        async def GET():
            try:
                return await load()
            except LookupError:
                return []
        """,
    )


async def test_an_invalidation_reaches_a_static_answer_through_the_tags_of_its_functions(project: Project) -> None:
    project.write({"stock.txt": "one"})
    await built_one(
        project,
        """
        from pathlib import Path
        from millpond import cached, revalidate_tag
        @cached(tags=["stock"])
        async def load(): return Path("{folder}/stock.txt").read_text()
        async def GET(): return await load()
        async def POST(): revalidate_tag("stock")
        """.replace("{folder}", str(project.folder)),
    )
    async with project.started() as running:
        project.write({"stock.txt": "two"})
        assert [await running.cache("/"), await running.body("/")] == ["HIT", '"one"']
        await running.post("/")
        answer = await running.get("/")
        assert (cache_of(answer), answer.text) == ("MISS", '"two"')
