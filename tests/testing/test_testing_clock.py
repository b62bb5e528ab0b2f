"""The clock of a test client, and what goes on in the background."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from millpond import Millpond
from millpond.testing import Clock, TestClient, assert_hit, assert_miss, assert_stale

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from ponds import Project

    Opened = Callable[..., AbstractContextManager[TestClient]]

ROUTES = {
    "/": """
        revalidate = 60
        runs, fails = [], []
        def GET():
            runs.append(1)
            if fails:
                raise ValueError("no data")
            return len(runs)
        """,
    "/held": """
        import asyncio
        revalidate = 60
        holds, runs = [], []
        async def GET():
            runs.append(1)
            while holds:
                await asyncio.sleep(0.001)
            return len(runs)
        """,
    "/after": """
        import asyncio
        from millpond import after
        done = []
        async def work(name):
            await asyncio.sleep(0.05)
            done.append(name)
        def GET(name: str):
            after(work, name)
            return name
        """,
    "/short": "revalidate = 10\ndef GET(): return 1\n",
}


@pytest.fixture
def shop(project: Project) -> Millpond:
    project.write({"millpond.toml": "expire_time = 100\n"})
    project.routes(ROUTES)
    return Millpond(project.folder / "app")


@pytest.fixture(params=["with", "without"])
def opened(request: pytest.FixtureRequest) -> Opened:
    """Makes a client, with or without a lifespan."""
    if request.param == "with":
        return lambda app, **options: TestClient(app, **options)
    return lambda app, **options: nullcontext(TestClient(app, **options))


def module(shop: Millpond, pattern: str) -> Any:
    return next(route.module.module for route in shop.file_routes if route.pattern == pattern)


def test_an_answer_goes_stale_and_is_rendered_again_before_the_next_request(shop: Millpond, opened: Opened) -> None:
    with opened(shop) as client:
        for number in range(1, 4):
            answer = client.get("/")
            assert answer.json() == max(1, number - 1)
            (assert_miss if number == 1 else assert_stale)(answer)
            assert assert_hit(client.get("/")).json() == number
            client.clock.move(60)
            assert_hit(client.get("/"))
            client.clock.move(1)


def test_an_answer_past_its_end_is_rendered_before_it_is_answered(shop: Millpond, opened: Opened) -> None:
    with opened(shop) as client:
        client.get("/")
        client.clock.move(101)
        assert assert_miss(client.get("/")).json() == 2


def test_the_age_of_answers_is_told_by_the_clock(shop: Millpond, opened: Opened) -> None:
    with opened(shop) as client:
        client.get("/")
        client.clock.move(7)
        answer = client.get("/")
        assert answer.headers["age"] == "7"
        assert "ttl=53" in answer.headers["cache-status"]


def test_a_refresh_that_fails_keeps_the_answer_and_is_tried_again_later(shop: Millpond, opened: Opened) -> None:
    with opened(shop) as client:
        client.get("/")
        route = module(shop, "/")
        client.clock.move(61)
        route.fails.append(1)
        assert_stale(client.get("/"))
        assert "detail=refresh-failed" in assert_hit(client.get("/")).headers["cache-status"]
        route.fails.clear()
        client.clock.move(31)
        assert_stale(client.get("/"))
        assert assert_hit(client.get("/")).json() == 3


def test_a_clock_begins_at_the_present_and_stands_still(shop: Millpond) -> None:
    before = time.time()
    client = TestClient(shop)
    assert before <= client.clock() == client.clock.now <= time.time()
    assert client.clock() == client.clock()


def test_clients_may_share_a_clock_that_begins_where_the_test_says(shop: Millpond) -> None:
    clock = Clock(1_800_000_000)
    one, two = TestClient(shop, clock=clock), TestClient(shop, clock=clock)
    for client in (one, two):
        assert_miss(client.get("/"))
    clock.move(61)
    assert clock.now == 1_800_000_061
    for client in (one, two):
        assert_stale(client.get("/"))


def test_callbacks_of_after_have_ended_when_a_response_is_there(shop: Millpond, opened: Opened) -> None:
    with opened(shop) as client:
        done = module(shop, "/after").done
        for name in ("one", "two"):
            client.get("/after", params={"name": name})
            assert done[-1] == name


def test_without_settling_a_test_sees_what_visitors_get_meanwhile(shop: Millpond) -> None:
    with TestClient(shop, settles=False) as client:
        client.get("/held")
        route = module(shop, "/held")
        route.holds.append(1)
        client.clock.move(61)
        for _ in range(3):
            assert assert_stale(client.get("/held")).json() == 1
        route.holds.clear()
        client.settle()
        assert assert_hit(client.get("/held")).json() == 2
        assert len(route.runs) == 2, "one refresh for all of them"


def test_without_a_lifespan_there_is_nobody_else_who_waits(shop: Millpond) -> None:
    client = TestClient(shop, settles=False)
    client.get("/after", params={"name": "waited for"})
    assert module(shop, "/after").done == ["waited for"]


def test_what_goes_on_in_the_background_ends_before_the_cache_is_cleared(shop: Millpond) -> None:
    with TestClient(shop, settles=False) as client:
        client.get("/after", params={"name": "before"})
        client.clear()
        assert module(shop, "/after").done == ["before"]
        client.get("/after", params={"name": "after"})
    assert module(shop, "/after").done == ["before", "after"]


def test_a_request_isnt_held_up_by_what_another_one_has_begun(shop: Millpond) -> None:
    with TestClient(shop) as client:
        route = module(shop, "/held")
        route.holds.append(1)
        first = threading.Thread(target=lambda: client.get("/held"))
        first.start()
        while not route.runs:
            time.sleep(0.001)
        client.clock.move(61)
        assert_miss(client.get("/short"))
        client.clock.move(11)
        assert_stale(client.get("/short"))
        route.holds.clear()
        first.join()


def test_what_never_ends_is_told(shop: Millpond, monkeypatch: pytest.MonkeyPatch) -> None:
    with TestClient(shop, settles=False) as client:
        client.get("/held")
        holds = module(shop, "/held").holds
        holds.append(1)
        client.clock.move(61)
        client.get("/held")
        with pytest.raises(
            AssertionError,
            match=r"^1 task in the background \(refreshes, after\(\) callbacks\) didn't end within 0.01 s",
        ):
            client.settle(0.01)
        holds.clear()


@pytest.mark.anyio
async def test_settling_in_an_event_loop_without_tasks_returns_at_once(shop: Millpond) -> None:
    from millpond.testing import AsyncTestClient

    client = AsyncTestClient(shop)
    await asyncio.wait_for(client.settle(), 1)
