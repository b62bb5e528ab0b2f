"""Planted wastes: what is stored and never read, found under too many keys, or invalidated by a wrong tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from planted_project import HOUR, Planted, planted_in, told

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

ON_DEMAND = """\
from millpond import not_found

revalidate = 86400


def generate_static_params():
    return [{"id": "known"}]


def GET(id: str):
    if id.startswith("wp-"):
        not_found()
    return id
"""


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    return planted_in(tmp_path / "project")


async def once_each(planted: Planted, *paths: str) -> None:
    async with planted.visited() as running:
        for path in paths:
            await running.get(path)
    planted.clock.move(2 * HOUR)


async def test_paths_that_scanners_fill(planted: Planted) -> None:
    planted.routes({"/items/[id]": ON_DEMAND})
    await once_each(planted, *(f"/items/wp-{number}" for number in range(25)))
    [found] = await planted.advice()
    line = planted.line("app/items/[id]/route.py", "def generate")
    assert (found.kind, found.place, found.figure) == ("scanned-paths", line, 25)
    assert [change.text for change in found.change] == ["dynamic_params = False"]


async def test_answers_that_nobody_reads_a_second_time(planted: Planted) -> None:
    planted.routes({"/items/[id]": "revalidate = 86400\n\n\ndef GET(id: str):\n    return id\n"})
    await once_each(planted, *(f"/items/{number}" for number in range(25)))
    [found] = await planted.advice()
    assert (found.kind, found.place, found.figure) == ("never-read", "app/items/[id]/route.py:1", 25)


async def test_paths_that_are_listed_and_that_nobody_asks_for(planted: Planted) -> None:
    planted.routes(
        {
            "/archive/[day]": """\
                def generate_static_params():
                    return [{"day": str(number)} for number in range(40)]


                def GET(day: str):
                    return day
                """
        }
    )
    await once_each(planted, *["/archive/1"] * 25)
    [found] = await planted.advice()
    assert (found.kind, found.place, found.figure) == ("never-read", "app/archive/[day]/route.py:1", 39)


async def test_answers_that_are_read_again_are_no_waste(planted: Planted) -> None:
    planted.routes({"/items/[id]": ON_DEMAND})
    paths = [f"/items/{number}" for number in range(25)]
    await once_each(planted, *paths, *paths, *(f"/items/wp-{number}" for number in range(5)))
    assert await planted.advice() == []


async def test_a_query_parameter_with_too_many_values(planted: Planted) -> None:
    planted.routes(
        {
            "/list": """\
                revalidate = 3600
                cache_query = ("page", "session")


                def GET(page: str = "1", session: str = ""):
                    return page
                """
        }
    )
    await once_each(planted, *(f"/list?page={number % 3}&session={number}" for number in range(40)))
    [found] = await planted.advice()
    assert (found.kind, found.place, found.figure) == ("many-variants", "app/list/route.py:2", 40)
    assert [change.text for change in found.change] == [
        'cache_query = ("page", "session")',
        'cache_query = ("page",)',
    ]
    assert '"session" has 40 values' in found.text


async def test_hosts_without_end(planted: Planted) -> None:
    planted.routes(
        {"/home": "revalidate = 3600\ncache_host = True\n\n\ndef GET(request):\n    return request.url.hostname\n"}
    )
    async with planted.visited() as running:
        for number in range(30):
            await running.get("/home", headers={"host": f"h{number}.example"})
    planted.clock.move(2 * HOUR)
    [found] = await planted.advice()
    assert (found.kind, found.place) == ("many-variants", "app/home/route.py:2")


async def test_a_misspelt_tag_in_a_handler(planted: Planted) -> None:
    planted.routes(
        {"/items": TAGGED.format(tag="product-list"), "/admin": "def POST():\n    revalidate_tag('product-lists')\n"}
    )
    await once_each(planted, "/items")
    place = planted.line("app/admin/route.py", "revalidate_tag")
    planted.note(kind="invalidation", tags=("product-lists",), origin="handler", place=place, hard=True)
    [found] = await planted.advice()
    assert (found.kind, found.place) == ("unused-tag", place)
    assert found.change[1].text == 'revalidate_tag("product-list")'


async def test_a_misspelt_tag_on_the_command_line(planted: Planted) -> None:
    planted.routes({"/items": TAGGED.format(tag="product:1")})
    await once_each(planted, "/items")
    for _ in range(2):
        planted.note(kind="invalidation", tags=("products:1",), origin="cli", name="ops", hard=True)
    [found] = await planted.advice()
    assert (found.kind, found.figure) == ("unused-tag", 2)
    assert [change.text for change in found.change] == [
        "millpond revalidate --tag products:1",
        "millpond revalidate --tag product:1",
    ]


async def test_a_tag_of_a_family_that_is_used_is_no_mistake(planted: Planted) -> None:
    planted.routes({"/items": TAGGED.format(tag="product:1")})
    await once_each(planted, "/items")
    planted.note(kind="invalidation", tags=("product:2",), origin="handler", place="app/items/route.py:1", hard=True)
    assert await planted.advice() == []


async def test_a_tag_whose_answers_are_not_stored_now_is_no_mistake(planted: Planted) -> None:
    fetched = TAGGED.format(tag="review:1").replace('dynamic = "force-static"', "revalidate = 60")
    parameter = "def GET(id: str):"
    planted.routes(
        {"/items": TAGGED.format(tag="product:1"), "/reviews/[id]": fetched.replace("def GET():", parameter)}
    )
    await once_each(planted, "/items")
    planted.note(kind="invalidation", tags=("review:7",), origin="handler", place="app/items/route.py:1", hard=True)
    assert await planted.advice() == []


async def test_an_invalidated_path_is_no_tag(planted: Planted) -> None:
    planted.routes({"/items": TAGGED.format(tag="product:1")})
    await once_each(planted, "/items")
    planted.note(kind="invalidation", tags=("path:/items", "route:/gone", "key:mp-1"), origin="cli", hard=True)
    assert await planted.advice() == []


async def test_a_tag_that_is_written_nowhere(planted: Planted) -> None:
    planted.routes({"/items": TAGGED.format(tag="product:1"), "/admin": "def POST():\n    revalidate_tag('prices')\n"})
    await once_each(planted, "/items")
    planted.note(kind="invalidation", tags=("prices",), origin="handler", place="app/admin/route.py:2", hard=True)
    [found] = await planted.advice()
    assert (found.kind, found.place) == ("unused-tag", "app/admin/route.py:2")


TAGGED = """\
from millpond import cached

dynamic = "force-static"


@cached(tags=["{tag}"])
def data():
    return 1


def GET():
    return data()
"""


async def test_a_tag_that_everything_has(planted: Planted) -> None:
    shared = {
        f"/{name}/[id]": TAGGED.format(tag="site").replace(
            "def GET():",
            "def generate_static_params():\n    return [{'id': str(n)} for n in range(8)]\n\n\ndef GET(id: str):",
        )
        for name in ("a", "b", "c")
    }
    planted.routes(shared)
    await once_each(planted, *(f"/{name}/{n}" for name in "abc" for n in range(8)))
    planted.note(kind="invalidation", tags=("site",), origin="handler", place="app/a/[id]/route.py:20", hard=True)
    assert ("broad-tag", "app/a/[id]/route.py:6") in told(await planted.advice())


async def test_codings_that_save_nothing(planted: Planted) -> None:
    planted.routes(
        {
            "/keys/[id]": """\
                import random
                import string

                from millpond import PlainTextResponse

                letters = string.printable[:94] + "".join(map(chr, range(161, 255)))


                def generate_static_params():
                    return [{"id": str(number)} for number in range(8)]


                def GET(id: str):
                    numbers = random.Random(id)
                    return PlainTextResponse(numbers.randbytes(4000).decode("latin-1").encode("latin-1"))
                """
        }
    )
    await once_each(planted, *(f"/keys/{n}" for n in range(8)))
    assert ("useless-coding", "app/keys/[id]/route.py:13") in told(await planted.advice())


async def test_a_store_that_is_too_small(planted: Planted) -> None:
    planted.write({"millpond.toml": '[cache]\nmax_bytes = "1 MB"\n'})
    planted.config = {"cache": {"max_bytes": 300_000}}
    planted.routes({"/big/[id]": "revalidate = 86400\n\n\ndef GET(id: str):\n    return id * 20_000\n"})
    async with planted.visited() as running:
        for _ in range(3):
            for number in range(10, 40):
                await running.get(f"/big/{number}")
    assert ("small-store", "millpond.toml:2") in told(await planted.advice())
