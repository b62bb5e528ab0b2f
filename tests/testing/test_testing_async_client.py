"""The async test client: in the test's own event loop, with a lifespan."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from millpond import Millpond, revalidate_tag
from millpond.errors import ProjectError
from millpond.testing import AsyncTestClient, Clock, assert_hit, assert_live, assert_miss, assert_stale

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI

    from ponds import Project

pytestmark = pytest.mark.anyio

ROUTES = {
    "/": "revalidate = 60\nruns = []\ndef GET():\n    runs.append(1)\n    return len(runs)\n",
    "/tagged": """
        from millpond import cached
        revalidate = 60
        @cached(tags=["posts"])
        async def posts(): return []
        async def GET(): return await posts()
        """,
    "/loop": """
        import asyncio
        loops = []
        async def GET():
            loops.append(asyncio.get_running_loop())
        """,
    "/held": """
        import asyncio
        revalidate = 60
        runs, begun, go = [], asyncio.Event(), asyncio.Event()
        async def GET():
            begun.set()
            await go.wait()
            runs.append(1)
            return len(runs)
        """,
    "/state": "from fastapi import Request\nasync def GET(request: Request): return request.state.name\n",
    "/raises": "def GET(): raise ValueError('no data')\n",
    "/streams": """
        from millpond import StreamingResponse
        def GET(): return StreamingResponse(iter([b"one\\n", b"two\\n"]))
        """,
    "/agent": "from millpond import headers\nrevalidate = 60\ndef GET(): return headers()['user-agent']\n",
}


@pytest.fixture
def shop(project: Project) -> Millpond:
    project.routes(ROUTES)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        app.state.log = ["started"]
        yield {"name": "shop"}
        app.state.log.append("ended")

    return Millpond(project.folder / "app", lifespan=life)


def module(shop: Millpond, pattern: str) -> Any:
    return next(route.module.module for route in shop.file_routes if route.pattern == pattern)


async def test_it_does_what_the_sync_client_does(shop: Millpond) -> None:
    async with AsyncTestClient(shop, clock=Clock(1_800_000_000)) as client:
        assert_miss(await client.get("/"))
        assert_hit(await client.get("/"))
        client.clock.move(61)
        assert_stale(await client.get("/"))
        assert (await client.get("/")).json() == 2
        client.invalidate(paths="/")
        assert_miss(await client.get("/"))
        assert_hit(await client.visitor(cookies={"a": "b"}).get("/"))
        assert str(await client.why_live("/agent")) == "headers() · app/agent/route.py:3"
        await client.clear()
        assert_miss(await client.get("/"))
        assert (await client.get("/streams")).text == "one\ntwo\n"
        with pytest.raises(AssertionError, match=r"was live \(turned-dynamic\), not HIT: headers\(\) · app/agent"):
            assert_hit(await client.get("/agent"))
        assert client.clock.now == 1_800_000_061


async def test_handlers_run_in_the_test_s_loop(shop: Millpond) -> None:
    async with AsyncTestClient(shop) as client:
        assert_live(await client.get("/loop"))
        assert module(shop, "/loop").loops == [asyncio.get_running_loop()]


async def test_the_lifespan_runs_in_async_with_only(shop: Millpond) -> None:
    async with AsyncTestClient(shop) as client:
        assert shop.state.log == ["started"]
        assert (await client.get("/state")).json() == "shop"
        assert (await client.visitor().get("/state")).json() == "shop"
    assert shop.state.log == ["started", "ended"]
    client = AsyncTestClient(shop)
    assert_miss(await client.get("/"))
    with pytest.raises(AttributeError):
        await client.get("/state")


async def test_a_lifespan_may_end_in_another_task_than_it_began_in(shop: Millpond) -> None:
    client = AsyncTestClient(shop)
    await asyncio.create_task(client.__aenter__())
    assert_miss(await client.get("/"))
    await asyncio.create_task(client.__aexit__())
    assert shop.state.log == ["started", "ended"]


@pytest.mark.parametrize("step", ["start", "end"])
async def test_a_lifespan_that_fails_fails_the_test(project: Project, step: str) -> None:
    project.routes(ROUTES)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        if step == "start":
            raise ConnectionError("no database")
        yield
        raise ConnectionError("no database")

    with pytest.raises(ConnectionError, match="no database"):
        async with AsyncTestClient(Millpond(project.folder / "app", lifespan=life)) as client:
            assert_miss(await client.get("/"))


async def test_a_lifespan_that_takes_too_long_is_cancelled_with_the_test(project: Project) -> None:
    project.routes(ROUTES)
    ended = asyncio.Event()

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        yield

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01), AsyncTestClient(Millpond(project.folder / "app", lifespan=life)):
            pass
    await asyncio.wait_for(ended.wait(), 5)


async def test_an_application_without_lifespans_says_so() -> None:
    async def bare(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive, send

    with pytest.raises(ProjectError, match="the application's lifespan failed at startup, and raised nothing"):
        async with AsyncTestClient(bare):
            pass


async def test_what_a_handler_raises_is_raised_in_the_test_or_is_a_500(shop: Millpond) -> None:
    with pytest.raises(ValueError, match="no data"):
        await AsyncTestClient(shop).get("/raises")
    assert (await AsyncTestClient(shop, raise_server_exceptions=False).get("/raises")).status_code == 500


async def test_several_ask_at_once_and_one_render_answers_them(shop: Millpond) -> None:
    async with AsyncTestClient(shop) as client:
        held = module(shop, "/held")
        asked = asyncio.gather(*(client.get("/held") for _ in range(5)))
        await held.begun.wait()
        assert_miss(await asyncio.wait_for(client.get("/"), 5))
        held.go.set()
        assert [answer.json() for answer in await asked] == [1] * 5


async def test_two_clients_at_once_and_functions_that_the_test_calls(shop: Millpond) -> None:
    async with AsyncTestClient(shop) as one, AsyncTestClient(shop) as two:
        for client in (one, two):
            assert_miss(await client.get("/tagged"))
        revalidate_tag("posts")
        assert_hit(await one.get("/tagged"))
        assert_miss(await two.get("/tagged"))


async def test_of_two_clients_that_start_at_once_one_is_meant(shop: Millpond) -> None:
    clients = AsyncTestClient(shop), AsyncTestClient(shop)
    await asyncio.gather(*(client.get("/tagged") for client in clients))
    revalidate_tag("posts")
    answers = [(await client.get("/tagged")).headers["x-nextjs-cache"] for client in clients]
    assert sorted(answers) == ["HIT", "MISS"]


def test_a_client_of_the_module_works_in_one_loop_after_another(shop: Millpond) -> None:
    client = AsyncTestClient(shop)

    async def ask() -> list[str]:
        return [(await client.get("/")).headers["x-nextjs-cache"] for _ in range(2)]

    assert [asyncio.run(ask()) for _ in range(2)] == [["MISS", "HIT"], ["HIT", "HIT"]]
