"""Closed routes (R2.19; D34), for visitors and for editors, and routes that list each other's paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from declared_in_code import declare
from millpond.policy.draft_mode import DRAFT_COOKIE
from millpond.prerender.build_manifest import read_manifest
from ponds import Running, cache_of, client_of

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

LISTS = 'dynamic_params = False\ndef generate_static_params(): return [{"slug": "a"}]\n'
STATIC = f"{LISTS}def GET(slug): return slug\ndef POST(slug): return slug\n"
LIVE = f'dynamic = "force-dynamic"\n{STATIC}'
TURNS = f"from millpond import headers\n{LISTS}def GET(slug): return len(headers())\n"
POST_ONLY = f"{LISTS}def POST(slug): return slug\n"
WIDER = "def GET(rest): return rest\ndef POST(rest): return rest\n"


@pytest.mark.parametrize("mode", ["built", "unbuilt", "development"])
@pytest.mark.parametrize("compat", ["14", "16"])
async def test_unlisted_paths_are_404_for_every_method_of_every_closed_route(
    project: Project, mode: str, compat: str
) -> None:
    project.routes({"/static/[slug]": STATIC, "/live/[slug]": LIVE, "/turns/[slug]": TURNS, "/post/[slug]": POST_ONLY})
    if mode == "built":
        await project.built(compat=compat)
    async with project.started(compat=compat, development=mode == "development") as running:
        for folder in ("static", "live", "turns", "post"):
            for method in ("GET", "HEAD", "POST", "PUT", "OPTIONS"):
                assert (await running.client.request(method, f"/{folder}/x")).status_code == 404, (folder, method)
        for folder in ("static", "live", "turns"):
            assert (await running.get(f"/{folder}/a")).status_code == 200
        for folder in ("static", "live", "post"):
            assert (await running.post(f"/{folder}/a")).json() == "a"
        assert (await running.get("/post/a")).status_code == 405


async def test_a_wider_route_answers_what_a_closed_one_does_not_list(project: Project) -> None:
    project.routes({"/live/[slug]": LIVE, "/post/[slug]": POST_ONLY, "/[...rest]": WIDER})
    async with project.serving() as running:
        for path in ("/live", "/post"):
            for _ in range(2):
                assert (await running.get(f"{path}/x")).json() == [path[1:], "x"]
                assert (await running.post(f"{path}/x")).json() == [path[1:], "x"]
                assert (await running.post(f"{path}/a")).json() == "a"


async def test_an_editor_reaches_unlisted_paths_and_nobody_else_does(project: Project) -> None:
    project.routes({"/static/[slug]": STATIC, "/live/[slug]": LIVE, "/[...rest]": WIDER})
    async with project.serving() as running:
        manifest = read_manifest(project.folder)
        assert manifest is not None
        editor = {"cookie": f"{DRAFT_COOKIE}={manifest.draft_secret}"}
        for _ in range(2):
            for folder in ("static", "live"):
                answer = await running.get(f"/{folder}/new", headers=editor)
                assert (answer.json(), cache_of(answer)) == ("new", "BYPASS" if folder == "static" else None)
                assert (await running.post(f"/{folder}/new", headers=editor)).json() == "new"
                assert (await running.get(f"/{folder}/new")).json() == [folder, "new"]
                wrong = {"cookie": f"{DRAFT_COOKIE}=wrong"}
                assert (await running.get(f"/{folder}/new", headers=wrong)).json() == [folder, "new"]


async def test_a_closed_endpoint_is_closed_for_every_method_that_is_live_too_and_open_for_editors(
    project: Project,
) -> None:
    source = """
    @app.api_route("/p/{slug}", methods=["GET", "POST"])
    @static(dynamic_params=False, params=[{"slug": "a"}])
    def p(slug: str): return slug

    @app.get("/l/{slug}")
    @static(dynamic_params=False, params=[{"slug": "a"}])
    def l(slug: str, a: str | None = Header(None)): return slug
    """
    pond = project.pond()
    declare(project, pond, source)
    await pond.build()
    pond = project.pond()
    declare(project, pond, source)
    manifest = read_manifest(project.folder)
    assert manifest is not None
    editor = {"cookie": f"{DRAFT_COOKIE}={manifest.draft_secret}"}
    async with pond.lifespan(), client_of(pond) as client:
        running = Running(pond, client)
        for path in ("/p", "/l"):
            assert (await running.get(f"{path}/a")).json() == "a"
            assert (await running.get(f"{path}/x")).status_code == 404
            assert (await running.get(f"{path}/x", headers=editor)).json() == "x"
        assert [(await running.post(f"/p/{slug}")).status_code for slug in "ax"] == [200, 404]


async def test_a_closed_route_that_lists_nothing_is_warned_about(project: Project) -> None:
    project.routes({"/[slug]": "dynamic_params = False\ndef GET(slug): return slug\n"})
    built = await project.build()
    (warning,) = built.warnings
    assert warning == (
        "app/[slug]/route.py:1: dynamic_params = False, and nothing lists paths: every request of /[slug] is 404."
    )


async def test_of_two_routes_that_list_one_path_the_one_that_answers_is_built(project: Project) -> None:
    catch_all = 'def generate_static_params(): return [{"rest": ["p", "new"]}, {"rest": ["p", "a"]}, {"rest": ["q"]}]\n'
    lists = 'def generate_static_params(): return [{"slug": "new"}, {"slug": "a"}]\n'
    project.routes(
        {
            "/p/new": "revalidate = 60\ndef GET(): return 1\n",
            "/p/[slug]": f"dynamic_params = False\n{lists}def GET(slug): return slug\n",
            "/[...rest]": f"{catch_all}def GET(rest): return rest\n",
        }
    )
    built = await project.build()
    assert built.failures == []
    paths = {record.pattern: [path.path for path in record.paths] for record in built.manifest.routes}
    assert paths == {"/p/new": ["/p/new"], "/p/[slug]": ["/p/a"], "/[...rest]": ["/q"]}
    assert sorted(built.warnings) == [
        "app/[...rest]/route.py:2: GET /p/a is never reached, and isn't built: app/p/[slug]/route.py answers it; "
        "leave it out of the list.",
        "app/[...rest]/route.py:2: GET /p/new is never reached, and isn't built: app/p/new/route.py answers it; "
        "leave it out of the list.",
        "app/p/[slug]/route.py:3: GET /p/new is never reached, and isn't built: app/p/new/route.py answers it; "
        "leave it out of the list.",
    ]


async def test_a_path_that_a_closed_route_leaves_to_another_is_built_there(project: Project) -> None:
    catch_all = 'def generate_static_params(): return [{"rest": ["p", "a"]}, {"rest": ["p", "b"]}]\n'
    project.routes({"/p/[slug]": LIVE, "/[...rest]": f"{catch_all}def GET(rest): return rest\n"})
    built = await project.build()
    paths = {record.pattern: [path.path for path in record.paths] for record in built.manifest.routes}
    assert paths == {"/p/[slug]": [], "/[...rest]": ["/p/b"]}
