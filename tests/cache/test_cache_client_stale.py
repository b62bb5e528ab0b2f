"""The `stale` of a lifetime as `max-age`: what clients may use without asking."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from millpond import revalidate_tag
from millpond.policy.http.headers import UNCACHED, cache_control
from millpond.policy.lifetime import YEAR, Lifetime
from millpond.stores.frame import decode_frame, encode_frame

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

ROUTES = {
    "/own": """
        from millpond import response_life
        dynamic = "force-static"
        def GET():
            response_life(stale=30, revalidate=60, expire=600)
            return "x" * 600
    """,
    "/named": """
        from millpond import response_life
        dynamic = "force-static"
        def GET():
            response_life("hours")
            return "x"
    """,
    "/data": """
        from millpond import cache_life, cached
        dynamic = "force-static"

        @cached
        def inner():
            cache_life(stale=45, revalidate=120, expire=900)
            return 1

        @cached
        def outer():
            cache_life(revalidate=100, expire=800)
            return inner()

        @cached(life="days")
        def other(): return 2

        def GET(): return [outer(), other()]
    """,
    "/plain": """
        from millpond import cached
        revalidate = 60

        @cached(tags=["t"])
        def known(): return 1

        def GET(): return known()
    """,
    "/live": """
        from millpond import cache_life, cached
        @cached
        def known():
            cache_life(stale=45, revalidate=120, expire=900)
        def GET(request): return [known(), request.headers.get("a")]
    """,
}


@pytest.mark.parametrize(
    ("lifetime", "stale", "value"),
    [
        (Lifetime(60, 600), 30, b"max-age=30, s-maxage=60, stale-while-revalidate=540"),
        (Lifetime(60, 600), 3000, b"max-age=600, s-maxage=60, stale-while-revalidate=540"),
        (Lifetime(60, None), math.inf, b"max-age=31536000, s-maxage=60"),
        (Lifetime(None, None), 300, b"max-age=300, s-maxage=31536000"),
        (Lifetime(60, 600), 0, b"max-age=0, s-maxage=60, stale-while-revalidate=540"),
        (Lifetime(0, None), 30, UNCACHED),
        (Lifetime(60, 600), None, b"s-maxage=60, stale-while-revalidate=540"),
    ],
)
def test_max_age_is_for_clients_and_changes_nothing_for_shared_caches(
    lifetime: Lifetime, stale: float | None, value: bytes
) -> None:
    assert cache_control(lifetime, stale) == value


async def said(pond: Running, path: str) -> str | None:
    value: str | None = (await pond.get(path)).headers.get("cache-control")
    return value


async def test_what_a_get_says_of_its_own_answer_is_sent(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving() as pond:
        for _ in range(3):
            assert await said(pond, "/own") == "max-age=30, s-maxage=60, stale-while-revalidate=540"
        assert await said(pond, "/named") == "s-maxage=3600, stale-while-revalidate=82800"
        assert await said(pond, "/data") == "s-maxage=100, stale-while-revalidate=700"


@pytest.mark.parametrize("cache_components", [False, True])
async def test_lifetimes_of_data_and_named_ones_are_sent_if_that_is_turned_on(
    project: Project, cache_components: bool
) -> None:
    routes = dict(ROUTES)
    if cache_components:
        routes = {path: text.replace('dynamic = "force-static"', "") for path, text in routes.items()}
        routes["/plain"] = routes["/plain"].replace("revalidate = 60", "")
    project.routes(routes)
    config: dict[str, Any] = {"cache": {"client_stale": True}, "cache_components": cache_components}
    async with project.serving(**config) as pond:
        for _ in range(2):
            assert await said(pond, "/data") == "max-age=45, s-maxage=100, stale-while-revalidate=700"
            assert await said(pond, "/named") == "max-age=300, s-maxage=3600, stale-while-revalidate=82800"
            assert "max-age=300" not in (await said(pond, "/plain") or "")
            assert await said(pond, "/live") is None
        pond.pond._clock.move(101)  # type: ignore[attr-defined]  # what is in the cache of data has it, too
        await said(pond, "/data")
        await pond.settle()
        assert await said(pond, "/data") == "max-age=45, s-maxage=100, stale-while-revalidate=700"


async def test_an_answer_that_no_cache_may_keep_is_not_for_clients_either(project: Project) -> None:
    project.routes(
        {
            "/own": ROUTES["/own"]
            .replace("return", "response_tags('t'); return")
            .replace("import response_life", "import response_life, response_tags")
        }
    )
    async with project.serving(cdn={}) as pond:
        assert await said(pond, "/own") == "max-age=30, s-maxage=60, stale-while-revalidate=540"
        revalidate_tag("t", "max")
        assert await said(pond, "/own") == UNCACHED.decode()


async def test_it_is_kept_with_the_answer(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving() as pond:
        await pond.get("/own")
        entry = pond.entry("/own")
        assert entry is not None
        kept = decode_frame(encode_frame(entry))
        assert kept is not None
        assert (entry.client_stale, kept.client_stale, YEAR) == (30, 30, 31_536_000)
