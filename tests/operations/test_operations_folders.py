"""`router.py`: defaults of the segment config, options of an APIRouter, and what is said about mistakes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from fastapi.testclient import TestClient

from millpond.errors import RouteModuleError

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

GET = "def GET(): return 1\n"
DEPENDS = "from fastapi import APIRouter, Depends\ndef guard(): ...\n"


async def test_defaults_are_those_of_the_nearest_folder_and_the_file_itself_has_the_last_word(project: Project) -> None:
    project.write(
        {
            "app/router.py": "revalidate = 60\n",
            "app/a/route.py": GET,
            "app/b/router.py": "\nrevalidate = 10\ndynamic_params = False\n",
            "app/b/route.py": GET,
            "app/b/c/route.py": f"revalidate = 5\n{GET}",
            "app/b/(group)/router.py": 'dynamic = "force-dynamic"\n',
            "app/b/(group)/d/route.py": GET,
            "app/b/(group)/e/route.py": f'dynamic = "auto"\n{GET}',
            "app/b/[id]/route.py": "def generate_static_params(): return [{'id': 'x'}]\ndef GET(id: str): return id\n",
            "app/sitemap.py": "def sitemap(): return []\n",
            "app/robots.txt": "User-agent: *\n",
        }
    )
    records = await project.built()
    assert {
        pattern: (record.glyph, record.revalidate, record.why, record.place) for pattern, record in records.items()
    } == {
        "/a": ("○", 60, "revalidate = 60", ("app/router.py", 1)),
        "/b": ("○", 10, "revalidate = 10", ("app/b/router.py", 2)),
        "/b/c": ("○", 5, "revalidate = 5", ("app/b/c/route.py", 1)),
        "/b/d": ("λ", None, 'dynamic = "force-dynamic"', ("app/b/(group)/router.py", 1)),
        "/b/e": ("○", 10, "revalidate = 10", ("app/b/router.py", 2)),
        "/b/[id]": ("●", 10, "revalidate = 10", ("app/b/router.py", 2)),
        "/sitemap.xml": ("○", 60, "revalidate = 60", ("app/router.py", 1)),
        "/robots.txt": ("○", None, "a file, served as it is", None),
    }
    assert records["/b/[id]"].closed


async def test_a_folders_fetch_cache_and_query_and_frozen_inputs_hold_below(project: Project) -> None:
    project.write(
        {
            "app/router.py": """
            revalidate = 60
            cache_query = ("page",)
            frozen_ok = ("env",)
            fetch_cache = "only-cache"
            """,
            "app/a/route.py": "import os\ndef GET(page: str = '1'): return [page, os.environ.get('SOMETHING')]\n",
            "app/b/route.py": f"cache_query = ()\n{GET}",
            "app/live/route.py": f'dynamic = "force-dynamic"\n{GET}',
        }
    )
    built = await project.build()
    assert (built.failures, built.warnings) == ([], [])
    async with project.started() as running:
        assert [await running.body(f"/a?page={page}") for page in "12"] == ['["1",null]', '["2",null]']
        assert await running.cache("/a?page=2") == "HIT"
        assert running.route("/a").config.fetch_cache == "only-cache"
        assert running.route("/b").config.cache_query == ()


@pytest.mark.parametrize("compat", ["14", "15", "16"])
async def test_defaults_hold_in_every_version(project: Project, compat: str) -> None:
    project.write({"app/router.py": 'dynamic = "force-static"\n', "app/a/route.py": GET})
    record = (await project.built(compat=compat))["/a"]
    assert (record.glyph, record.place) == ("○", ("app/router.py", 1))


def test_with_cache_components_what_a_folder_can_not_say_is_told_with_its_line(project: Project) -> None:
    project.write({"app/router.py": "tags = ['a']\nrevalidate = 60\ndynamic_params = True\n", "app/a/route.py": GET})
    with pytest.raises(RouteModuleError) as caught:
        project.pond(cache_components=True)
    lines = str(caught.value).splitlines()
    assert [line.partition(" can't be used with cache_components")[0] for line in lines] == [
        "app/router.py:2: revalidate",
        "app/router.py:3: dynamic_params",
    ]


def told(project: Project, source: str) -> str:
    """What is said about a folder's file, without its place, which is line 3."""
    project.write({"app/items/router.py": DEPENDS + source, "app/items/x/route.py": GET})
    with pytest.raises(RouteModuleError) as caught:
        project.pond()
    place, _, problem = str(caught.value).partition(": ")
    assert place == "app/items/router.py:3"
    return problem


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (
            "dependancies = [Depends(guard)]",
            "dependancies holds dependencies, and guards nothing; name it dependencies.",
        ),
        ("guards = [Depends(guard)]", "guards holds dependencies, and guards nothing; name it dependencies."),
        ("_guard = Depends(guard)", "_guard holds dependencies, and guards nothing; name it dependencies."),
        ("dependencies = [guard]", "dependencies has guard; write Depends(guard)."),
        ("dependencies = Depends(guard)", "dependencies is one dependency; write a list: [Depends(...)]."),
        ("def dependencies(): ...", "dependencies is dependencies; write a list: [Depends(...)]."),
        ("tag = ['a']", "tag does nothing; did you mean tags?"),
        ("tags = 'a'", "tags is 'a'; write a list: ['a']."),
        ("revalidat = 60", "revalidat does nothing; did you mean revalidate?"),
        ("fetchCache = 'auto'", "fetchCache does nothing; write fetch_cache."),
        (
            "revalidate = -1",
            "revalidate = -1 is not allowed; revalidate takes False, 0 or a positive whole number of se",
        ),
        ("dynamic = 'static'", "dynamic = 'static' is not allowed; dynamic takes \"auto\", "),
        (
            "prefix = '/x'",
            "prefix does nothing here; the folder's name is the prefix of all below; rename the folder, ",
        ),
        ("response_class = 1", "response_class does nothing here; write default_response_class."),
        (
            "default_response_class = dict",
            "default_response_class is dict; write a class of responses, such as HTMLResp",
        ),
        ("include_in_schema = 'no'", "include_in_schema is 'no'; write True or False."),
        ("def GET(): ...", "GET answers no requests here; move it to a route.py."),
        ("def generate_static_params(): ...", "generate_static_params lists no paths here; move it to the route.py of"),
        ("router = 7", "router is a value of type int; make it an APIRouter, or give it another name."),
        ("api = APIRouter(tags=['a'])", "api is a router, and gives the folder nothing; name it router."),
        (
            "router = APIRouter(prefix='/x')",
            "the router has prefix='/x'; the folder's name is the prefix of all below;",
        ),
        ("router = APIRouter(dependencies=[guard])", "dependencies has guard; write Depends(guard)."),
        (
            "router = APIRouter(lifespan=guard)",
            "the router has a lifespan; give it to the application: Millpond(lifespan",
        ),
        (
            "router = APIRouter(on_startup=[guard])",
            "the router has on_startup; give it to the application: Millpond(on_",
        ),
        (
            "router = APIRouter(tags=['a']); router.get('/')(guard)",
            "the router has routes of its own, and here it stands for the",
        ),
        (
            "raise RuntimeError('no')",
            "the file can't be imported: RuntimeError: no; mend it, or move what can fail into",
        ),
        ("1 +", "invalid syntax"),
    ],
)
def test_a_mistake_is_told_with_file_and_line(project: Project, source: str, problem: str) -> None:
    assert told(project, source + "\n").startswith(problem)


def test_what_a_router_and_a_name_both_say_is_told(project: Project) -> None:
    said = "router = APIRouter(tags=['a'])\ntags = ['b']\n"
    assert told(project, said) == "the router gives tags, and so does the name; keep one."


def test_all_mistakes_are_told_at_once(project: Project) -> None:
    project.write({"app/router.py": "tags = 7\nrevalidate = 'x'\nprefix = '/a'\n", "app/route.py": GET})
    with pytest.raises(RouteModuleError) as caught:
        project.pond()
    assert sorted(line.partition(" ")[0] for line in str(caught.value).splitlines()) == [
        f"app/router.py:{line}:" for line in (1, 2, 3)
    ]


def test_what_a_folder_needs_for_itself_is_left_alone(project: Project) -> None:
    project.write(
        {
            "guards.py": "from fastapi import Depends\ndef guard(): ...\nshared = [Depends(guard)]\n",
            "app/router.py": """
            import logging
            from typing import Annotated
            from fastapi import Depends, HTTPException
            from fastapi.security import HTTPBearer
            from guards import guard, shared

            ROLE = "admin"
            logger = logging.getLogger(__name__)
            bearer = HTTPBearer(auto_error=False)
            first = Depends(guard)
            User = Annotated[str, Depends(guard)]

            def require(role: str): return lambda: None

            dependencies = [first, *shared, Depends(require(ROLE))]
            if ROLE:
                tags = ["a"]
            """,
            "app/a/route.py": "from ..router import ROLE\ndef GET(): return ROLE\n",
        }
    )
    app = project.pond()
    assert TestClient(app).get("/a").json() == "admin"
    assert app.openapi()["paths"]["/a"]["get"]["tags"] == ["a"]
    assert len(app.file_routes[0].operations["GET"].guards) == 3


def test_a_router_with_routes_and_without_options_is_left_to_whoever_includes_it(project: Project) -> None:
    routes = "from fastapi import APIRouter\nrouter = APIRouter()\n@router.get('/all')\ndef all(): return 2\n"
    project.write({"app/router.py": f"{routes}api = APIRouter()\napi.include_router(router)\n", "app/a/route.py": GET})
    app = project.pond()
    assert TestClient(app).get("/a").json() == 1


async def test_one_that_reaches_no_route_is_hinted_at_and_another_layouts_is_left_alone(project: Project) -> None:
    routes = "from fastapi import APIRouter\nrouter = APIRouter(prefix='/users')\n@router.get('/')\ndef all(): ...\n"
    project.write(
        {
            "app/users/router.py": routes,
            "app/empty/router.py": "tags = ['a']\n",
            "app/empty/_private/route.py": GET,
            "app/a/route.py": GET,
            "app/router.py": "tags = ['b']\n",
        }
    )
    said = "no route is in this folder, or below it, so what it says reaches none; remove it, or add one."
    assert (await project.build()).warnings == [f"app/empty/router.py: {said}"]


async def test_an_edit_of_a_folders_file_after_the_build_is_told(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.write({"app/router.py": "revalidate = 60\n", "app/a/route.py": GET})
    await project.build()
    project.write({"app/router.py": "revalidate = 10\n"})
    with caplog.at_level(logging.WARNING):
        async with project.started():
            pass
    assert "app/a/route.py was edited after the build" in caplog.text
