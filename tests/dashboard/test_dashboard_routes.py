"""The pages about routes."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace
from operated_project import NOW, Operation
from page_text import PageText

from millpond import Millpond
from millpond.dashboard.pages.dashboard_page import Viewer
from millpond.dashboard.rendering import parts_of
from millpond.dashboard.routed.routes_page import RoutesPage
from millpond.policy.entry import Entry
from millpond.policy.key import response_key
from millpond.routes.imports import forget
from millpond.telemetry.instruments import RENDERS, REQUESTS
from millpond.telemetry.journal import Event, Frame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

FILES = {
    "app/route.py": "revalidate = 60\ndef GET():\n    return 'front'\n",
    "app/prices/route.py": "def GET(category: str):\n    return category\n",
    "app/me/route.py": "from fastapi import Header\nfrom typing import Annotated\n\n"
    "def GET(agent: Annotated[str, Header(alias='user-agent')]):\n    return agent\n",
    "app/items/[id]/route.py": "revalidate = 3600\ndef GET(id: str):\n    return id\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(dedent(text), "utf-8")
    yield tmp_path
    forget(tmp_path)


async def operation_of(project: Path, *, development: bool = False) -> Operation:
    app = Millpond(project / "app")
    operation = Operation(project, routes=app.own_routes, development=development)
    await operation.plan()
    operation.counted(
        (REQUESTS, 90, "/", "2xx", "hit", "fresh", "client"),
        (REQUESTS, 10, "/", "2xx", "stale", "age", "client"),
        (REQUESTS, 40, "/prices", "2xx", "live", "live", "client"),
        (RENDERS, 0.02, "/", "refresh", "unchanged"),
        (RENDERS, 0.02, "/", "refresh", "unchanged"),
        (RENDERS, 0.9, "/items/[id]", "miss", "new"),
    )
    return operation


def failure(route: str, path: str, count: int = 1) -> Event:
    frames = (
        Frame("starlette/routing.py:9", "app"),
        Frame("fastapi/routing.py:8", "handle"),
        Frame("app/route.py:3", "GET", "return price(x)", True),
        Frame("shop/prices.py:8", "price", "return x // 100", True),
    )
    return Event(
        at=NOW - 60,
        kind="failure",
        text="unsupported operand",
        error="TypeError",
        route=route,
        path=path,
        place="shop/prices.py:8",
        frames=frames,
        served="older",
        count=count,
    )


async def page_of(operation: Operation, path: str, status: int = 200) -> PageText:
    async with operation.client() as client:
        answer = await client.get(f"/_millpond/{path}")
        assert answer.status_code == status
        return PageText(answer.text)


async def test_each_route_has_its_mode_and_why_with_file_and_line(project: Path) -> None:
    page = await page_of(await operation_of(project), "routes")
    rows = {row[0].split()[0]: " ".join(row) for row in page.rows[1:]}
    assert set(rows) == {"/", "/prices", "/me", "/items/[id]"}
    assert "revalidate = 60 · app/route.py:1" in rows["/"]
    assert "○ fresh 1m" in rows["/"]
    assert "● fresh 1h" in rows["/items/[id]"]
    assert "λ live" in rows["/prices"]
    assert "GET is live by default" in rows["/prices"]


async def test_figures_of_the_last_hour_are_those_of_the_route(project: Path) -> None:
    page = await page_of(await operation_of(project), "routes")
    rows = {row[0].split()[0]: row for row in page.rows[1:]}
    assert rows["/"][2] == "100"
    assert rows["/"][4].startswith("90.0 %")
    assert "10 stale" in rows["/"][4]
    assert rows["/"][5] == "2 100.0 % the same"
    assert rows["/prices"][4] == "live"
    assert rows["/me"][2] == "\N{EN DASH}"


@pytest.mark.parametrize(
    ("sort", "first"),
    [("-requests", "/"), ("requests", "/items/[id]"), ("path", "/"), ("-path", "/prices"), ("-p95", "/items/[id]")],
)
async def test_routes_are_sorted_by_links(project: Path, sort: str, first: str) -> None:
    page = await page_of(await operation_of(project), f"routes?sort={sort}")
    assert page.first_cells()[0] == first
    assert ("aria-sort", "descending" if sort.startswith("-") else "ascending") in page.attributes
    key = sort.removeprefix("-")
    assert f"?sort={key}" in page.links if sort.startswith("-") else f"?sort=-{key}" in page.links


async def test_what_no_table_is_sorted_by_is_ignored(project: Path) -> None:
    page = await page_of(await operation_of(project), "routes?sort=-nothing&mode=%3Cb%3E")
    assert "No route is <b>." in page.text
    assert "b" not in page.tags


async def test_routes_that_fail_can_be_listed_alone(project: Path) -> None:
    operation = await operation_of(project)
    operation.counting.journal.note(failure("/", "/"))
    page = await page_of(operation, "routes?failing=1")
    assert page.first_cells() == ["/"]
    assert "shop/prices.py:8" in page.text
    assert "✕ failing 1" in page.text


async def test_a_route_that_is_declared_in_code_is_listed_once_it_was_asked_for(project: Path) -> None:
    operation = await operation_of(project)
    operation.counted((REQUESTS, 3, "/legacy/{id}", "2xx", "live", "live", "client"), ago=90)
    page = await page_of(operation, "routes")
    row = next(row for row in page.rows if row[0].startswith("/legacy/{id}"))
    assert "declared in code" in row[0]
    assert "/legacy/{id}" in (await page_of(operation, "routes/-/legacy/%7Bid%7D")).text


async def test_the_last_failure_of_a_route_is_shown_with_folded_libraries(project: Path) -> None:
    operation = await operation_of(project)
    operation.counting.journal.note(failure("/", "/", 54))
    elsewhere = failure("/items/[id]", "/items/1")
    operation.counting.journal.note(replace(elsewhere, frames=(Frame("other.py:1", "f", "x", own=True),)))
    page = await page_of(operation, "routes/-/")
    assert "54 times" in page.text
    assert "other.py" not in page.text
    assert "TypeError at shop/prices.py:8" in page.text
    assert "… 2 frames of libraries" in page.text
    assert 'File "shop/prices.py", line 8, in price return x // 100' in page.text
    assert "TypeError: unsupported operand" in page.text
    assert "1 other route fails at the same line: /items/[id]" in page.text
    assert "starlette" not in page.text


async def test_a_route_says_what_a_request_gets_now(project: Path) -> None:
    operation = await operation_of(project)
    page = await page_of(operation, "routes/-/")
    assert "Nothing is stored: the first request waits for a render." in page.text
    entry = Entry(
        key=response_key("app/route.py", "/"),
        status=200,
        headers=((b"content-type", b"text/plain"),),
        body=b"front",
        rendered_at=NOW - 20,
        revalidate=60,
        expire=3600,
        tags=("products",),
        build=operation.operated.build,
    )
    await operation.store.commit(entry)
    page = await page_of(operation, "routes/-/")
    [link] = [link for link in page.links if "/entries/" in link]
    assert "content-type: text/plain" in (await page_of(operation, link.removeprefix("/_millpond/"))).text
    assert "Decision hit the answer of" in page.text
    assert "content-type: text/plain" in page.text
    operation.store.invalidate(["products"], expire_after=None)
    assert "Decision stale" in (await page_of(operation, "routes/-/")).text
    operation.store.invalidate(["products"])
    assert "Decision miss it is rendered while the request waits" in (await page_of(operation, "routes/-/")).text


async def test_renders_of_one_kind_are_one_line(project: Path) -> None:
    operation = await operation_of(project)
    for ago in (90, 150, 210):
        operation.counted((RENDERS, 0.01, "/", "refresh", "failed"), ago=ago)
    page = await page_of(operation, "routes/-/")
    runs = [row for row in page.rows if len(row) == 6 and row[0][2:3] == ":" and row[1][:1].isalpha()]
    assert [(row[1], row[2], row[3]) for row in runs] == [
        ("in the background", "the same", "2"),
        ("in the background", "failed", "3"),
    ]


async def test_in_development_the_source_stands_beside_why(project: Path) -> None:
    operation = await operation_of(project, development=True)
    page = await page_of(operation, "routes/-/")
    assert "1 revalidate = 60 2 def GET():" in page.text
    production = await page_of(await operation_of(project), "routes/-/")
    assert "def GET():" not in production.text


async def test_in_development_a_live_route_says_how_to_make_it_fresh(project: Path) -> None:
    operation = await operation_of(project, development=True)
    page = await page_of(operation, "routes/-/prices")
    assert '+ revalidate = 3_600 + cache_query = ("category",)' in page.text
    assert "async def" not in page.text
    assert "1 def GET(category: str):" in page.text
    fresh = await page_of(operation, "routes/-/")
    assert "○ fresh" in fresh.text
    assert "Make it fresh" not in fresh.text
    page = await page_of(operation, "routes/-/me")
    assert "It declares header" in page.text
    assert "+ revalidate" not in page.text
    assert "Make it fresh" not in (await page_of(await operation_of(project), "routes/-/prices")).text


@pytest.mark.parametrize("path", ["routes/-/nothing", "routes/prices", "routes/-prices", "routes/-/items/[id"])
async def test_what_is_no_route_is_404(project: Path, path: str) -> None:
    await page_of(await operation_of(project), path, status=404)


async def test_parts_of_a_route_are_live_at_its_own_address(project: Path) -> None:
    operation = await operation_of(project)
    async with operation.client() as client:
        page = (await client.get("/_millpond/routes/-/items/%5Bid%5D")).text
    assert 'data-live-url="/_millpond/live?page=routes/-/items/%5Bid%5D"' in page
    viewer, pages = Viewer("/_millpond", None, operation.operated), RoutesPage()
    found = await pages.context(viewer, "-/items/[id]", {})
    assert found is not None
    context = {**viewer.frame("routes"), "below": "-/items/[id]", "acts": False, **found}
    parts = parts_of(pages.template_for("-/items/[id]"), context)
    assert parts["error"].endswith("</div>")
    assert "TypeError" not in parts["error"]
    operation.counting.journal.note(failure("/items/[id]", "/items/1"))
    found = await pages.context(viewer, "-/items/[id]", {})
    assert found is not None
    assert "TypeError" in parts_of(pages.template_for("-/items/[id]"), {**context, **found})["error"]
