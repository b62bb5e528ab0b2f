"""Planted wastes: live routes that could be answered from the cache."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from planted_project import Planted, planted_in, told

if TYPE_CHECKING:
    from pathlib import Path

    from ponds import Running

pytestmark = pytest.mark.anyio
REQUESTS = 30


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    return planted_in(tmp_path / "project")


async def asked(planted: Planted, *paths: str, **headers: str) -> None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with planted.visited() as running:
        for number in range(REQUESTS):
            await running.get(paths[number % len(paths)], headers=named)


async def test_a_route_that_reads_nothing_of_the_request(planted: Planted) -> None:
    planted.routes({"/time": "import time\n\n\nasync def GET():\n    return time.time()\n"})
    await asked(planted, "/time")
    [found] = await planted.advice()
    assert (found.kind, found.place) == ("live-reads-nothing", "app/time/route.py:4")
    assert found.change[-1].text == "revalidate = 10"


async def test_a_route_that_was_made_live_and_reads_nothing(planted: Planted) -> None:
    planted.routes({"/news": 'dynamic = "force-dynamic"\n\n\ndef GET(request):\n    return request.url.path\n'})
    await asked(planted, "/news")
    [found] = await planted.advice()
    assert (found.kind, found.place) == ("live-reads-nothing", "app/news/route.py:1")
    assert found.change[0][:2] == ("-", 'dynamic = "force-dynamic"')


async def test_a_route_whose_lifetime_is_none_and_that_reads_nothing(planted: Planted) -> None:
    planted.routes({"/news": "revalidate = 0\n\n\ndef GET():\n    return 1\n"})
    await asked(planted, "/news")
    assert told(await planted.advice()) == {("live-reads-nothing", "app/news/route.py:1")}


async def test_a_route_that_reads_one_header_through_headers(planted: Planted) -> None:
    source = "from millpond import headers\n\n\nasync def GET():\n    return headers().get('accept-language', '')[:2]\n"
    planted.routes({"/hello": source})
    await asked(planted, "/hello", accept_language="de")
    [found] = await planted.advice()
    assert (found.kind, found.place) == ("live-one-header", "app/hello/route.py:4")
    assert 'cache_vary = {"accept-language": ["en", "de"]}' in [change.text for change in found.change]


async def test_a_route_that_declares_one_header(planted: Planted) -> None:
    planted.routes(
        {
            "/hello": """\
                from typing import Annotated

                from fastapi import Header


                def GET(x_currency: Annotated[str, Header()] = "EUR"):
                    return x_currency
                """
        }
    )
    await asked(planted, "/hello", x_currency="USD")
    assert told(await planted.advice()) == {("live-one-header", "app/hello/route.py:6")}


async def test_a_route_that_reads_one_cookie(planted: Planted) -> None:
    source = "from millpond import cookies\n\n\nasync def GET():\n    return cookies().get('theme', 'light')\n"
    planted.routes({"/theme": source})
    await asked(planted, "/theme", cookie="theme=dark; other=1")
    [found] = await planted.advice()
    assert (found.kind, found.place) == ("live-one-header", "app/theme/route.py:4")
    assert 'cache_vary = {"cookie:theme": ["a", "b"]}' in [change.text for change in found.change]


async def test_a_route_that_reads_the_host_only(planted: Planted) -> None:
    planted.routes({"/tenant": "def GET(request):\n    return request.headers['host']\n"})
    await asked(planted, "/tenant")
    [found] = await planted.advice()
    assert (found.kind, found.place) == ("live-one-header", "app/tenant/route.py:1")
    assert "cache_host = True" in [change.text for change in found.change]


async def test_a_route_that_declares_query_parameters_that_repeat(planted: Planted) -> None:
    planted.routes({"/list": "def GET(page: int = 1, sort: str = 'name'):\n    return [page, sort]\n"})
    await asked(planted, "/list?page=1", "/list?page=2", "/list?page=1&sort=price")
    [found] = await planted.advice()
    assert (found.kind, found.place) == ("live-query", "app/list/route.py:1")
    assert 'cache_query = ("page", "sort")' in [change.text for change in found.change]


async def test_a_route_that_reads_a_query_parameter_of_the_request(planted: Planted) -> None:
    planted.routes({"/list": "def GET(request):\n    return request.query_params.get('page', '1')\n"})
    await asked(planted, "/list?page=1", "/list?page=2")
    [found] = await planted.advice()
    assert (found.kind, found.place) == ("live-query", "app/list/route.py:1")
    assert 'cache_query = ("page",)' in [change.text for change in found.change]


async def test_equal_requests_that_run_at_the_same_time(planted: Planted) -> None:
    source = (
        "import asyncio\n\n\nasync def GET(request):\n    await asyncio.sleep(0.01)\n    return dict(request.headers)\n"
    )
    planted.routes({"/report": source})
    async with planted.visited() as running:
        await together(running, "/report", 20)
    [found] = await planted.advice()
    assert (found.kind, found.place, found.figure) == ("equal-live", "app/report/route.py:4", 19)


async def together(running: Running, path: str, number: int, **headers: str) -> None:
    await asyncio.gather(*(running.get(path, headers={"cookie": f"n={n}"} if headers else {}) for n in range(number)))


async def test_requests_of_different_visitors_are_not_equal(planted: Planted) -> None:
    source = (
        "import asyncio\n\n\nasync def GET(request):\n    await asyncio.sleep(0.01)\n    return dict(request.headers)\n"
    )
    planted.routes({"/account": source})
    async with planted.visited() as running:
        await together(running, "/account", 20, each="own")
    assert await planted.advice() == []


async def test_a_search_whose_words_never_repeat_is_no_waste(planted: Planted) -> None:
    planted.routes({"/search": "def GET(q: str):\n    return q\n"})
    await asked(planted, *(f"/search?q={number}" for number in range(REQUESTS)))
    assert await planted.advice() == []


@pytest.mark.parametrize(
    "body",
    [
        "return dict(request.headers)",
        "return dict(request.cookies)",
        "return [request.headers['accept'], request.query_params.get('a', '')]",
        "return str(request.scope['headers'])",
        "return str(request.client)",
        "return str(request.url)",
        "return request.headers.get('authorization', '')",
    ],
)
async def test_what_reads_the_request_otherwise_is_no_waste(planted: Planted, body: str) -> None:
    planted.routes({"/mine": f"def GET(request):\n    {body}\n"})
    await asked(planted, "/mine?a=1", cookie="a=b")
    assert await planted.advice() == []


@pytest.mark.parametrize(
    "body", ["connection()", "revalidate_tag('a')", "cookies().set('a', 'b')", "draft_mode().enable()"]
)
async def test_what_needs_to_run_for_each_request_is_no_waste(planted: Planted, body: str) -> None:
    imports = "from millpond import connection, cookies, draft_mode, revalidate_tag"
    source = f"{imports}\n\n\ndef GET():\n    {body}\n    return 1\n"
    planted.routes({"/mine": source})
    await asked(planted, "/mine")
    assert await planted.advice() == []


async def test_a_health_check_says_that_it_is_meant(planted: Planted) -> None:
    planted.routes({"/health": "advise_ok = ('live-reads-nothing',)\n\n\ndef GET():\n    return 'ok'\n"})
    await asked(planted, "/health")
    assert await planted.advice() == []


async def test_a_cookie_with_a_value_for_each_visitor_is_no_waste(planted: Planted) -> None:
    source = "from millpond import cookies\n\n\nasync def GET():\n    return cookies().get('cart', '')\n"
    planted.routes({"/cart": source})
    async with planted.visited() as running:
        for number in range(REQUESTS):
            await running.get("/cart", headers={"cookie": f"cart={number}"})
    assert await planted.advice() == []


async def test_a_cookie_with_few_values_is_told_whatever_other_cookies_visitors_have(planted: Planted) -> None:
    source = "from millpond import cookies\n\n\nasync def GET():\n    return cookies().get('theme', '')\n"
    planted.routes({"/page": source})
    async with planted.visited() as running:
        for number in range(REQUESTS):
            await running.get(
                "/page", headers={"cookie": f"visitor={number}; theme={'dark' if number % 2 else 'light'}"}
            )
    assert told(await planted.advice()) == {("live-one-header", "app/page/route.py:4")}
