"""Planted wastes: lifetimes that are too short or too long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from planted_project import HOUR, Planted, planted_in, told

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    return planted_in(tmp_path / "project")


async def refreshed(planted: Planted, path: str, times: int, seconds: float) -> None:
    async with planted.visited() as running:
        for _ in range(times):
            planted.clock.move(seconds)
            await running.get(path)
            await running.settle()


async def test_a_route_that_is_refreshed_and_stays_the_same(planted: Planted) -> None:
    planted.routes({"/stock": "revalidate = 5\n\n\ndef GET():\n    return {'stock': 3}\n"})
    await refreshed(planted, "/stock", 25, 6)
    [found] = await planted.advice()
    assert (found.kind, found.place, found.routes) == ("short-lifetime", "app/stock/route.py:1", ("/stock",))
    assert found.figure == 25
    assert [change.text for change in found.change] == ["revalidate = 5", "revalidate = 120"]


async def test_a_parameter_route_whose_pictures_stay_the_same(planted: Planted) -> None:
    listed = "def generate_static_params():\n    return [{'id': '1'}]\n"
    planted.routes({"/items/[id]": f"revalidate = 60\n\n\n{listed}\n\ndef GET(id: str):\n    return id\n"})
    await refreshed(planted, "/items/1", 25, 61)
    assert told(await planted.advice()) == {("short-lifetime", "app/items/[id]/route.py:1")}


async def test_a_lifetime_of_a_cached_function_is_told_at_the_handler(planted: Planted) -> None:
    planted.routes(
        {
            "/base": """\
                from millpond import cached

                dynamic = "force-static"


                @cached(revalidate=7)
                def number():
                    return 1


                def GET():
                    return number()
                """,
        }
    )
    await refreshed(planted, "/base", 25, 8)
    [found] = await planted.advice()
    assert (found.kind, found.place) == ("short-lifetime", planted.line("app/base/route.py", "def GET"))
    assert "cached function" in found.text


async def test_a_route_that_changes_each_time_has_the_right_lifetime(planted: Planted) -> None:
    source = (
        "import itertools\n\nrevalidate = 5\nnumbers = itertools.count()\n\n\ndef GET():\n    return next(numbers)\n"
    )
    planted.routes({"/count": source})
    await refreshed(planted, "/count", 25, 6)
    assert told(await planted.advice()) == set()


async def test_a_lifetime_that_is_meant_is_not_told(planted: Planted) -> None:
    source = "revalidate = 5\nadvise_ok = ('short-lifetime',)\n\n\ndef GET():\n    return 3\n"
    planted.routes({"/stock": source})
    await refreshed(planted, "/stock", 25, 6)
    assert await planted.advice() == []


async def test_data_that_changes_sooner_than_the_lifetime_ends(planted: Planted) -> None:
    source = (
        "import itertools\n\nrevalidate = 3600\nnumbers = itertools.count()\n\n\ndef GET():\n    return next(numbers)\n"
    )
    planted.routes({"/prices": source})
    await refreshed(planted, "/prices", 8, 3601)
    [found] = await planted.advice()
    assert (found.kind, found.place, found.risks) == ("long-lifetime", "app/prices/route.py:3", True)


async def test_data_whose_tag_nobody_invalidates(planted: Planted) -> None:
    planted.routes(
        {
            "/prices": """\
                import itertools

                from millpond import cached

                revalidate = 86400
                numbers = itertools.count()


                @cached(tags=["prices"], revalidate=86400)
                def price():
                    return next(numbers)


                def GET():
                    return price()
                """
        }
    )
    await refreshed(planted, "/prices", 8, 86401)
    [found] = await planted.advice()
    assert (found.kind, found.place) == ("long-lifetime", planted.line("app/prices/route.py", "revalidate = 86400"))
    assert 'revalidate_tag("prices")' in found.text


async def test_answers_that_a_soft_invalidation_left_stale_for_long(planted: Planted) -> None:
    planted.routes(
        {
            "/items/[id]": """\
                from millpond import cached, revalidate_tag

                def generate_static_params():
                    return [{"id": str(number)} for number in range(8)]

                @cached(tags=["items"])
                def item(id):
                    return id

                def GET(id: str):
                    return item(id)

                def POST(id: str):
                    revalidate_tag("items", "max")
                """
        }
    )
    async with planted.visited() as running:
        for number in range(8):
            await running.get(f"/items/{number}")
        await running.post("/items/1")
        place = planted.line("app/items/[id]/route.py", "revalidate_tag(")
        planted.note(kind="invalidation", tags=("items",), origin="handler", place=place)
    planted.clock.move(2 * HOUR)
    assert ("long-lifetime", place) in told(await planted.advice())
