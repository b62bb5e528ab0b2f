"""Planted wastes and risks: what a build froze, upstreams, crons, failing refreshes."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import httpx2
import pytest
from planted_project import HOUR, Planted, planted_in, told

from millpond.cron.record import CronRecord, entry_of, key_of
from millpond.policy.entry import Came
from millpond.telemetry.minutes import Minute, Minutes

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

FRESH = """\
import os

revalidate = 60


def GET():
    return os.environ.get("SHOP_URL", "none")
"""


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    return planted_in(tmp_path / "project")


async def test_a_variable_that_is_not_the_builds(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    planted.routes({"/sitemap": FRESH.replace("revalidate = 60", "revalidate = False")})
    monkeypatch.setenv("SHOP_URL", "https://build.example")
    async with planted.visited() as running:
        await running.get("/sitemap")
    monkeypatch.setenv("SHOP_URL", "https://server.example")
    [found] = await planted.advice()
    assert (found.kind, found.place, found.risks) == ("frozen-drift", "app/sitemap/route.py:7", True)
    assert found.change[0].text == "SHOP_URL=… millpond build"


async def test_a_variable_is_the_servers_once_the_route_was_rendered_again(
    planted: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted.routes({"/home": FRESH})
    monkeypatch.setenv("SHOP_URL", "https://build.example")
    async with planted.visited() as running:
        monkeypatch.setenv("SHOP_URL", "https://server.example")
        assert [found.kind for found in await planted.advice()] == ["frozen-drift"]
        planted.clock.move(61)
        await running.get("/home")
        await running.settle()
    assert await planted.advice() == []


async def test_a_variable_that_a_cached_function_has_read(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    planted.routes(
        {
            "/about": """\
                import os

                from millpond import cached

                dynamic = "force-static"


                @cached()
                def name():
                    return os.environ.get("SHOP_NAME", "none")


                def GET():
                    return name()
                """
        }
    )
    monkeypatch.setenv("SHOP_NAME", "build")
    async with planted.visited() as running:
        await running.get("/about")
    monkeypatch.setenv("SHOP_NAME", "server")
    place = planted.line("app/about/route.py", "os.environ")
    assert told(await planted.advice()) == {("frozen-drift", place)}


async def test_a_file_that_was_edited_after_the_build(planted: Planted) -> None:
    planted.write({"data/rates.json": "{}"})
    planted.routes(
        {
            "/rates": """\
                from pathlib import Path

                dynamic = "force-static"


                def GET():
                    return Path("data/rates.json").read_text()
                """
        }
    )
    os.chdir(planted.folder)
    async with planted.visited() as running:
        await running.get("/rates")
    os.utime(planted.folder / "data/rates.json", (planted.clock() + 60, planted.clock() + 60))
    assert told(await planted.advice()) == {("frozen-drift", "app/rates/route.py:7")}


def upstream(monkeypatch: pytest.MonkeyPatch, seconds: float = 0.0) -> None:
    async def answer(self: object, request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(seconds)
        return httpx2.Response(200, text="data")

    monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", answer)


async def test_a_fetch_that_is_not_stored_in_a_route_that_asks_to_be(
    planted: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream(monkeypatch)
    planted.routes(
        {
            "/data": """\
                from millpond import fetch

                revalidate = 60


                async def GET():
                    return (await fetch("http://u.example/", cache="no-store")).text
                """
        }
    )
    async with planted.visited() as running:
        await running.get("/data")
    [found] = await planted.advice()
    assert (found.kind, found.place) == ("accidental-no-store", "app/data/route.py:7")


async def test_an_answer_that_forbids_to_be_stored(planted: Planted) -> None:
    planted.routes(
        {
            "/data": """\
                from millpond import PlainTextResponse

                revalidate = 60


                def GET():
                    return PlainTextResponse("a", headers={"cache-control": "no-store"})
                """
        }
    )
    async with planted.visited() as running:
        await running.get("/data")
    found = told(await planted.advice())
    assert [kind for kind, _ in found] == ["accidental-no-store"]
    assert next(iter(found))[1].startswith("app/data/route.py:")


async def test_a_cached_function_without_a_lifetime(planted: Planted) -> None:
    planted.routes(
        {
            "/data": """\
                from millpond import cache_life, cached

                revalidate = 60


                @cached()
                def number():
                    cache_life(revalidate=0)
                    return 1


                def GET():
                    return number()
                """
        }
    )
    async with planted.visited() as running:
        await running.get("/data")
    [found] = await planted.advice()
    assert (found.kind, found.place) == ("accidental-no-store", planted.line("app/data/route.py", "return number()"))


async def test_an_upstream_that_is_slower_than_its_lifetime(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    upstream(monkeypatch, 0.01)
    monkeypatch.setattr("millpond.cache.fetching.exchange.way_of", slow_way)
    planted.routes(
        {
            "/data": """\
                from millpond import fetch


                async def GET(request):
                    return [(await fetch("http://u.example/", revalidate=1)).text, str(request.url)]
                """
        }
    )
    async with planted.visited() as running:
        for _ in range(6):
            await running.get("/data")
            planted.clock.move(2)
            await running.settle()
    [found] = await planted.advice()
    assert (found.kind, found.place, found.routes) == ("slow-upstream", "app/data/route.py:5", ("/data",))


def slow_way(answer: httpx2.Response) -> object:
    return Came(1.7)


async def test_a_refresh_that_fails(planted: Planted) -> None:
    planted.routes(
        {
            "/prices": """\
                import os

                revalidate = 60


                def GET():
                    return 100 // int(os.environ.get("DIVISOR", "1"))
                """
        }
    )
    async with planted.visited() as running:
        os.environ["DIVISOR"] = "0"
        try:
            for _ in range(5):
                planted.clock.move(61)
                assert (await running.get("/prices")).status_code == 200
                await running.settle()
        finally:
            del os.environ["DIVISOR"]
    [found, *_] = await planted.advice()
    assert (found.kind, found.place, found.risks) == ("failing-refresh", "app/prices/route.py:7", True)
    assert "ZeroDivisionError" in found.text


CRON = {"cron": [{"path": "/api/sync", "schedule": "0 * * * *"}]}
CRON_TOML = '[[cron]]\npath = "/api/sync"\nschedule = "0 * * * *"\n'


async def test_a_cron_whose_time_passes_without_a_run(planted: Planted) -> None:
    planted.write({"millpond.toml": CRON_TOML})
    planted.config = dict(CRON)
    planted.routes({"/api/sync": 'dynamic = "force-dynamic"\n\n\ndef GET(request):\n    return str(request.url)\n'})
    async with planted.visited() as running:
        await running.get("/api/sync")
    minutes = Minutes(planted.folder / ".millpond/metrics")
    for _ in range(150):
        planted.clock.move(60)
        minutes.add(Minute(planted.clock(), {}, {}))
    assert told(await planted.advice()) == {("idle-cron", "millpond.toml:2")}
    pond = planted.embedded()
    await pond.store.open()
    key = key_of(pond.config.cron[0])
    await pond.store.commit(entry_of(key, CronRecord(claimed=planted.clock()), planted.clock(), 0, None))
    await pond.store.close()
    assert await planted.advice() == []


async def test_a_cron_whose_route_is_answered_from_the_cache(planted: Planted) -> None:
    planted.write({"millpond.toml": CRON_TOML})
    planted.routes({"/api/sync": "revalidate = 60\n\n\ndef GET():\n    return 1\n"})
    async with planted.visited() as running:
        await running.get("/api/sync")
    planted.config = dict(CRON)
    [found] = await planted.advice()
    assert (found.kind, found.place, found.routes) == ("idle-cron", "millpond.toml:2", ("/api/sync",))


async def test_a_cron_that_is_due_in_years(planted: Planted) -> None:
    planted.write({"millpond.toml": '[[cron]]\npath = "/api/sync"\nschedule = "0 0 29 2 *"\n'})
    planted.config = {"cron": [{"path": "/api/sync", "schedule": "0 0 29 2 *"}]}
    planted.clock.move(2 * 365 * 24 * HOUR)
    planted.routes({"/api/sync": 'dynamic = "force-dynamic"\n\n\ndef GET(request):\n    return str(request.url)\n'})
    async with planted.visited() as running:
        await running.get("/api/sync")
    assert told(await planted.advice()) == {("idle-cron", "millpond.toml:2")}
