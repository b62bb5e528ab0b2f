"""The advice page of the dashboard: what `millpond advise` says, of a server that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from planted_project import HOUR, Planted, planted_in

from millpond.app.operating.operators import Operators

if TYPE_CHECKING:
    from pathlib import Path

    from ponds import Running

pytestmark = pytest.mark.anyio


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    return planted_in(tmp_path / "project")


async def page_of(running: Running) -> httpx2.Response:
    """What the dashboard shows, as nobody has to log in to in development."""
    pond = running.pond
    runtime = pond._runtimes.first
    assert runtime is not None
    assert pond._counting is not None

    async def started(scope: Any) -> Any:
        return runtime

    operators = Operators(pond.config, pond._counting, started, development=True)
    transport = httpx2.ASGITransport(operators.in_front_of(pond))
    async with httpx2.AsyncClient(transport=transport, base_url="http://shop.example") as client:
        return await client.get("/_millpond/advice")


async def test_the_page_says_what_the_command_says(planted: Planted) -> None:
    planted.routes({"/stock": "revalidate = 5\n\n\ndef GET():\n    return 3\n", "/time": "def GET():\n    return 1\n"})
    async with planted.visited() as running:
        for _ in range(25):
            planted.clock.move(6)
            await running.get("/stock")
            await running.get("/time")
            await running.settle()
        page = await page_of(running)
    assert page.status_code == 200
    wanted = (
        "A lifetime so short that renders change nothing",
        '<code class="place">app/stock/route.py:1</code>',
        '<span class="cut-out">- revalidate = 5</span>',
        '<span class="add">+ revalidate = 120</span>',
        "A live route that gives everybody the same",
        "<b>25</b><span>renders an hour</span>",
    )
    assert [text for text in wanted if text not in page.text] == []


async def test_with_nothing_to_advise_the_page_says_what_would_be_there(planted: Planted) -> None:
    planted.routes({"/stock": "revalidate = 5\n\n\ndef GET():\n    return 3\n"})
    async with planted.visited() as running:
        page = await page_of(running)
    assert "Nothing to advise" in page.text


async def test_what_a_memory_store_has_is_looked_at(planted: Planted) -> None:
    planted.routes({"/items/[id]": "revalidate = 86400\n\n\ndef GET(id: str):\n    return id\n"})
    async with planted.started() as running:
        assert running.pond._counting is not None
        running.pond._counting.clock = lambda: 0.0
        for number in range(30):
            await running.get(f"/items/{number}")
        planted.clock.move(2 * HOUR)
        page = await page_of(running)
    assert "Answers that nobody reads a second time" in page.text


async def test_nothing_that_visitors_send_can_be_markup_there(planted: Planted) -> None:
    planted.routes({"/home": "revalidate = 5\n\n\ndef GET():\n    return 3\n"})
    planted.routes({"/time": "def GET(request):\n    return request.headers.get('x-<script>alert(1)</script>', '')\n"})
    async with planted.visited() as running:
        for _ in range(30):
            await running.get("/time", headers={"x-a": "<script>"})
        planted.note(
            kind="invalidation", tags=("<script>alert(2)</script>",), origin="cli", name="<b>ops</b>", hard=True
        )
        page = await page_of(running)
    assert "alert(2)" in page.text
    assert "<script>alert" not in page.text
    assert "<b>ops" not in page.text
