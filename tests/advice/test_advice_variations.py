"""The same wastes in other clothes: endpoints in code, metadata files, Cache Components, middleware, other inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from planted_project import HOUR, Planted, planted_in, told

from millpond.advice.gathering.seen_traffic import seen_counts
from millpond.telemetry.counters import Counters, Series
from millpond.telemetry.instruments import RENDERS, REQUESTS
from millpond.telemetry.minutes import grown
from ponds import client_of

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

pytestmark = pytest.mark.anyio


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    return planted_in(tmp_path / "project")


async def asked(
    planted: Planted, path: str, times: int = 30, seconds: float = 0.0, headers: dict[str, str] | None = None
) -> None:
    async with planted.visited() as running:
        for _ in range(times):
            planted.clock.move(seconds)
            await running.get(path, headers=headers)
            await running.settle()


async def test_a_metadata_file_that_is_drawn_again_and_stays_the_same(planted: Planted) -> None:
    planted.write({"app/robots.py": "revalidate = 60\n\n\ndef robots():\n    return {'rules': {'allow': '/'}}\n"})
    await asked(planted, "/robots.txt", 25, 61)
    assert told(await planted.advice()) == {("short-lifetime", "app/robots.py:1")}


DECLARED = """
@app.get("/stock/{name}")
@static(revalidate=5OPTIONS)
async def stock(name: str):
    return name
"""


async def test_an_endpoint_in_code_is_told_with_its_decorator(planted: Planted) -> None:
    planted.code = DECLARED.replace("OPTIONS", "")
    await asked(planted, "/stock/a", 25, 6)
    assert told(await planted.advice()) == {("short-lifetime", planted.line("main.py", "@static"))}


async def test_an_endpoint_in_code_says_that_it_is_meant(planted: Planted) -> None:
    planted.code = DECLARED.replace("OPTIONS", ", advise_ok=['short-lifetime']")
    await asked(planted, "/stock/a", 25, 6)
    assert await planted.advice() == []


async def test_a_folder_says_that_it_is_meant(planted: Planted) -> None:
    planted.write({"app/router.py": "advise_ok = ('short-lifetime',)\n"})
    planted.routes({"/stock": "revalidate = 5\n\n\ndef GET():\n    return 3\n"})
    await asked(planted, "/stock", 25, 6)
    assert await planted.advice() == []


async def test_with_cache_components_a_live_route_that_reads_nothing(planted: Planted) -> None:
    planted.config = {"cache_components": True}
    source = (
        "from millpond import connection\n\n\nasync def GET(request):\n    {}\n    return request.headers['accept']\n"
    )
    planted.routes({"/one": source.format("pass")})
    await asked(planted, "/one", headers={"accept": "text/html"})
    assert told(await planted.advice()) == {("live-one-header", "app/one/route.py:4")}


async def test_with_cache_components_short_lifetimes_are_told_at_the_handler(planted: Planted) -> None:
    planted.config = {"cache_components": True}
    planted.routes(
        {
            "/one": """\
                from millpond import cache_life, cached


                @cached()
                async def number():
                    cache_life(stale=400, revalidate=400, expire=4000)
                    return 1


                async def GET():
                    return await number()
                """
        }
    )
    await asked(planted, "/one", 25, 401)
    assert told(await planted.advice()) == {("short-lifetime", planted.line("app/one/route.py", "async def GET"))}


@pytest.mark.parametrize(
    ("signature", "sent"),
    [
        ("theme: Annotated[str, Cookie()] = ''", {"cookie": "theme=dark"}),
        ("who: Annotated[str, Depends(tenant)]", {"x-tenant": "a"}),
    ],
)
async def test_other_ways_to_declare_one_value(planted: Planted, signature: str, sent: dict[str, str]) -> None:
    planted.routes(
        {
            "/one": f"""\
                from typing import Annotated

                from fastapi import Cookie, Depends, Header


                def tenant(x_tenant: Annotated[str, Header()] = ""):
                    return x_tenant


                def GET({signature}):
                    return "one"
                """
        }
    )
    await asked(planted, "/one", headers=sent)
    assert told(await planted.advice()) == {("live-one-header", planted.line("app/one/route.py", "def GET"))}


async def test_middleware_does_not_hide_that_a_handler_reads_nothing(planted: Planted) -> None:
    planted.routes({"/time": "def GET():\n    return 1\n"})
    pond = planted.embedded()
    pond.add_middleware(Reading)
    async with pond.lifespan(), client_of(pond) as client:
        for _ in range(30):
            await client.get("/time")
    assert told(await planted.advice()) == {("live-reads-nothing", "app/time/route.py:1")}


class Reading:
    """Middleware that reads headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            assert dict(scope["headers"])
        await self.app(scope, receive, send)


async def test_a_live_route_whose_paths_do_not_repeat_is_no_waste(planted: Planted) -> None:
    planted.routes({"/items/[id]": "def GET(id: str):\n    return id\n"})
    async with planted.visited() as running:
        for number in range(30):
            await running.get(f"/items/{number}")
    assert await planted.advice() == []


async def test_languages_that_are_too_many(planted: Planted) -> None:
    languages = ", ".join(f'"l{chr(97 + number)}"' for number in range(26))
    planted.routes(
        {
            "/hello/[name]": f"""\
                revalidate = 86400
                cache_vary = {{"accept-language": [{languages}]}}


                def GET(request, name: str):
                    return request.headers["accept-language"]
                """
        }
    )
    async with planted.visited() as running:
        for number in range(26):
            await running.get("/hello/you", headers={"accept-language": f"l{chr(97 + number)}"})
    planted.clock.move(2 * HOUR)
    assert told(await planted.advice()) == {("many-variants", "app/hello/[name]/route.py:2")}


async def test_without_traffic_there_is_no_advice(planted: Planted) -> None:
    listed = "def generate_static_params():\n    return [{'id': str(n)} for n in range(50)]\n"
    planted.routes({"/": "def GET():\n    return 1\n", "/a/[id]": f"{listed}\n\ndef GET(id: str):\n    return id\n"})
    async with planted.visited():
        pass
    planted.clock.move(24 * HOUR)
    assert await planted.advice() == []


@pytest.mark.parametrize("value", ["live", ("lives-reads-nothing",), [1], "live-query"])
async def test_a_kind_that_there_is_not_is_refused_with_its_line(planted: Planted, value: Any) -> None:
    planted.routes({"/": f"advise_ok = {value!r}\n\n\ndef GET():\n    return 1\n"})
    with pytest.raises(Exception, match=r"app/route.py:1: advise_ok"):
        planted.embedded()


def test_what_was_counted_before_the_build_is_not_the_builds() -> None:
    minutes = [
        grown({}, {Series(REQUESTS.name, ("/", "2xx", "hit", "fresh", "client")): number}, at, frozenset())
        for at, number in ((100.0, 7.0), (400.0, 5.0), (460.0, 6.0))
    ]
    counters = Counters()
    counters.observe(RENDERS, 0.5, "/", "refresh", "unchanged")
    minutes.append(grown({}, counters.counted(), 520.0, frozenset()))
    seen = seen_counts(minutes, {}, 300.0)
    assert (seen.seconds, seen.routes["/"].total) == (180.0, 11.0)
    assert seen.routes["/"].rendered("unchanged", cause="refresh") == (1, 0.5)
