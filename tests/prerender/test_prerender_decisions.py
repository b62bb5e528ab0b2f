"""What a build decides for each route, and why: the matrices B.1, B.2, B.3 and B.5, and R2.14 to R2.19, R3.17."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ponds import cache_of

if TYPE_CHECKING:
    from millpond.prerender.build_manifest import RouteRecord
    from ponds import Project

pytestmark = pytest.mark.anyio

VERSIONS = ["14", "15", "16"]
GET = "def GET(): return 1\n"


async def built_one(project: Project, source: str, pattern: str = "/", **config: str) -> RouteRecord:
    project.routes({pattern: source})
    return (await project.built(**config))[pattern]


# B.1: exports -> glyph in 14, glyph in 15 and 16, revalidate, why
PLAIN = [
    ("", "○", "λ", None, "GET is {} by default (compat {})"),
    ("revalidate = 60", "○", "○", 60, "revalidate = 60"),
    ("revalidate = False", "○", "○", None, "revalidate = False"),
    ("revalidate = 0", "λ", "λ", None, "revalidate = 0"),
    ('dynamic = "auto"', "○", "λ", None, "GET is {} by default (compat {})"),
    ('dynamic = "force-static"', "○", "○", None, 'dynamic = "force-static"'),
    ('dynamic = "force-static"\nrevalidate = 60', "○", "○", 60, 'dynamic = "force-static"'),
    ('dynamic = "force-static"\nrevalidate = 0', "λ", "λ", None, "revalidate = 0"),
    ('dynamic = "error"', "○", "○", None, 'dynamic = "error"'),
    ('dynamic = "error"\nrevalidate = 0', "λ", "λ", None, "revalidate = 0"),
    ('dynamic = "force-dynamic"', "λ", "λ", None, 'dynamic = "force-dynamic"'),
    ('dynamic = "force-dynamic"\nrevalidate = 60', "λ", "λ", None, 'dynamic = "force-dynamic"'),
    ('fetch_cache = "force-cache"', "○", "λ", None, "GET is {} by default (compat {})"),
    ("dynamic_params = False", "○", "λ", None, "GET is {} by default (compat {})"),
    ("max_duration = 5", "○", "λ", None, "GET is {} by default (compat {})"),
]


@pytest.mark.parametrize("compat", VERSIONS)
@pytest.mark.parametrize(("exports", "in_14", "later", "revalidate", "why"), PLAIN)
async def test_a_plain_get_is_what_its_exports_say(
    project: Project, compat: str, exports: str, in_14: str, later: str, revalidate: int | None, why: str
) -> None:
    record = await built_one(project, f"{exports}\n{GET}", compat=compat)
    glyph = in_14 if compat == "14" else later
    assert (record.glyph, record.revalidate) == (glyph, revalidate)
    assert record.why == why.format("static" if glyph == "○" else "live", compat)


@pytest.mark.parametrize("compat", VERSIONS)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
async def test_other_methods_change_nothing_for_get(project: Project, compat: str, method: str) -> None:
    record = await built_one(project, f"revalidate = 60\n{GET}def {method}(): return 2\n", compat=compat)
    assert record.glyph == "○"


READS = "from millpond import headers\n{}\ndef GET(): return dict(headers())\n"


@pytest.mark.parametrize("compat", VERSIONS)
@pytest.mark.parametrize("config", ["", "revalidate = 60", "revalidate = False", 'dynamic = "force-dynamic"'])
async def test_a_get_that_reads_the_request_is_live(project: Project, compat: str, config: str) -> None:
    project.routes({"/": READS.format(config)})
    async with project.serving(compat=compat) as running:
        answer = await running.get("/", headers={"x-a": "1"})
        assert (answer.json()["x-a"], cache_of(answer)) == ("1", None)


async def test_time_and_chance_are_frozen_in_a_static_route_and_refreshed_with_it(project: Project) -> None:
    project.routes({"/": "import random\nrevalidate = 60\ndef GET(): return random.random()\n"})
    async with project.serving() as running:
        frozen = await running.body("/")
        assert await running.body("/") == frozen
        project.clock.move(61)
        assert await running.body("/") == frozen
        await running.settle()
        assert await running.body("/") != frozen


# B.5: exports of /[id] -> glyph, what a listed and an unlisted path get
LISTING = "def generate_static_params(): return [{'id': '1'}]\n"
EMPTY = "def generate_static_params(): return []\n"
PARAMETERISED = [
    ("", "λ", None, None),
    ("revalidate = False\n", "λ", None, None),
    ("dynamic_params = False\n", "λ", 404, 404),  # D34
    ("revalidate = 60\n", "●", "MISS", "MISS"),  # D17
    ('dynamic = "force-static"\n', "○", "MISS", "MISS"),
    ('dynamic = "force-static"\nrevalidate = 60\n', "○", "MISS", "MISS"),
    ('dynamic = "error"\n', "○", "MISS", "MISS"),
    ('dynamic = "force-static"\ndynamic_params = False\n', "○", 404, 404),
    (LISTING, "●", "HIT", "MISS"),
    (f"dynamic_params = False\n{LISTING}", "●", "HIT", 404),
    (EMPTY, "●", "MISS", "MISS"),
    (f"dynamic_params = False\n{EMPTY}", "●", 404, 404),
    (f'dynamic = "force-static"\n{EMPTY}', "○", "MISS", "MISS"),
    (f"revalidate = 0\n{LISTING}", "λ", None, None),
    (f'dynamic = "force-dynamic"\n{LISTING}', "λ", None, None),
    (f'dynamic = "force-dynamic"\ndynamic_params = False\n{LISTING}', "λ", None, 404),  # D34
]


@pytest.mark.parametrize("compat", VERSIONS)
@pytest.mark.parametrize(("exports", "glyph", "listed", "unlisted"), PARAMETERISED)
async def test_a_get_with_parameters_is_what_its_exports_say(
    project: Project, compat: str, exports: str, glyph: str, listed: str | int | None, unlisted: str | int | None
) -> None:
    project.routes({"/[id]": f"{exports}def GET(id): return id\n"})
    records = await project.built(compat=compat)
    assert records["/[id]"].glyph == glyph
    async with project.started(compat=compat) as running:
        for path, expected in (("/1", listed), ("/2", unlisted)):
            answer = await running.get(path)
            assert (404 if answer.status_code == 404 else cache_of(answer)) == expected
            if expected in ("HIT", "MISS"):
                assert await running.cache(path) == "HIT"


@pytest.mark.parametrize("compat", VERSIONS)
async def test_a_route_whose_every_listed_path_is_live_is_live(project: Project, compat: str) -> None:
    project.routes({"/[id]": "from millpond import headers\n" + LISTING + "def GET(id): return headers().get('x-a')\n"})
    records = await project.built(compat=compat)
    assert (records["/[id]"].glyph, records["/[id]"].static) == ("λ", False)
    async with project.started(compat=compat) as running:
        for path in ("/1", "/2"):
            answer = await running.get(path, headers={"x-a": path})
            assert (answer.json(), cache_of(answer)) == (path, None)


async def test_of_a_route_with_live_paths_the_static_ones_stay_and_all_others_are_live(project: Project) -> None:
    project.routes(
        {
            "/[id]": """
            from millpond import headers
            revalidate = 60
            def generate_static_params(): return [{"id": "1"}, {"id": "me"}, {"id": "3"}]
            def GET(id): return headers().get("x-a") if id == "me" else id
            """
        }
    )
    record = (await project.built())["/[id]"]
    assert (record.glyph, record.why, record.place) == ("λ", "headers()", ("app/[id]/route.py", 5))
    assert [path.path for path in record.paths] == ["/1", "/3"]
    async with project.started() as running:
        assert [await running.cache(path) for path in ("/1", "/3", "/me", "/2")] == ["HIT", "HIT", None, None]


async def test_a_bad_status_at_build_makes_that_path_live(project: Project) -> None:
    project.routes(
        {
            "/[status]": """
            from millpond import Response
            def generate_static_params(): return [{"status": str(s)} for s in (200, 301, 404, 410, 403, 500, 206)]
            def GET(status: int): return Response(status_code=status)
            """
        }
    )
    record = (await project.built())["/[status]"]
    assert [path.status for path in record.paths] == [200, 301, 404, 410]
    assert record.why == "answered 403 at build"


async def test_a_generator_is_live_unless_its_file_says_otherwise(project: Project) -> None:
    source = "from collections.abc import AsyncIterable\n{}\nasync def GET() -> AsyncIterable[int]:\n    yield 1\n"
    project.routes({"/live": source.format(""), "/static": source.format("revalidate = 60")})
    async with project.serving(compat="14") as running:
        assert [await running.cache(path) for path in ("/live", "/static")] == [None, "HIT"]
        assert await running.body("/live") == await running.body("/static")


async def test_parameters_are_given_as_listed_whatever_characters_they_hold(project: Project) -> None:
    values = ["a/b", "é", "a b", "100%", "?q#f", "__class__", "constructor", "ünï/çödé"]
    project.routes(
        {"/x/[id]": f"def generate_static_params(): return [{{'id': v}} for v in {values!r}]\ndef GET(id): return id\n"}
    )
    records = await project.built()
    from urllib.parse import quote

    async with project.started() as running:
        for value in values:
            answer = await running.get(f"/x/{quote(value, safe='')}")
            assert (answer.json(), cache_of(answer)) == (value, "HIT")
    assert len(records["/x/[id]"].paths) == len(values)


async def test_an_optional_catch_all_renders_its_empty_form(project: Project) -> None:
    project.routes(
        {
            "/docs/[[...path]]": """
            def generate_static_params(): return [{"path": None}, {"path": ["a"]}, {"path": ["a", "b"]}, {"path": []}]
            def GET(path: list[str]): return path
            """
        }
    )
    record = (await project.built())["/docs/[[...path]]"]
    assert [path.path for path in record.paths] == ["/docs", "/docs/a", "/docs/a/b"]
    async with project.started() as running:
        for path, value in (("/docs", []), ("/docs/a", ["a"]), ("/docs/a/b", ["a", "b"])):
            answer = await running.get(path)
            assert (answer.json(), cache_of(answer)) == (value, "HIT")


async def test_a_closed_route_leaves_other_paths_to_the_next_route(project: Project) -> None:
    project.routes(
        {
            "/docs/[id]": "dynamic_params = False\n" + LISTING + "def GET(id): return 'closed'\n",
            "/docs/[...rest]": "def GET(rest: list[str]): return 'rest'\n",
        }
    )
    async with project.serving() as running:
        assert [(await running.get(path)).json() for path in ("/docs/1", "/docs/2")] == ["closed", "rest"]
        assert (await running.post("/docs/2")).status_code == 405


async def test_two_routes_never_share_an_entry(project: Project) -> None:
    """Keys hold the route's file and its path, apart (R4.1)."""
    project.routes(
        {
            "/a/[id]": EMPTY + "def GET(id): return 'param'\n",
            "/a/[...ids]": EMPTY + "def GET(ids: list[str]): return 'all'\n",
        }
    )
    async with project.serving() as running:
        for path, value in (("/a/b", "param"), ("/a/b/c", "all"), ("/a/b%2Fc", "param")):
            answer = await running.get(path)
            assert (answer.json(), cache_of(answer)) == (value, "MISS")
