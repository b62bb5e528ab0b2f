"""File routes in `app.routes`: paths, names, methods and matches are right, for tools and for a parent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse
from fastapi.staticfiles import StaticFiles
from fastapi.testclient import TestClient
from starlette.routing import Match, Mount, NoMatchFound, Route

from millpond import Millpond
from millpond.errors import UsageError
from ponds import cache_of, client_of

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

ROUTES = {
    "/": "revalidate = 60\ndef GET(): return 1\n",
    "/items/[id]": "def GET(id: str): return id\ndef PUT(id: str): return id\n",
    "/files/[...rest]": "def GET(rest: list[str]): return rest\n",
    "/guide/[[...path]]": "def GET(path: list[str]): return path\n",
    "/closed/[id]": (
        "dynamic_params = False\nrevalidate = 60\n"
        "def generate_static_params(): return [{'id': 'a'}]\ndef GET(id: str): return id\n"
    ),
    "/links": (
        "from millpond import Request\ndynamic = 'force-dynamic'\n"
        "def GET(request: Request): return str(request.url_for('get_items_by_id', id='7'))\n"
    ),
}


@pytest.fixture
def app(project: Project, monkeypatch: pytest.MonkeyPatch) -> Millpond:
    project.routes(ROUTES)
    monkeypatch.chdir(project.folder)
    return Millpond("app")


def scope(path: str, method: str = "GET", **more: Any) -> dict[str, Any]:
    return {"type": "http", "method": method, "path": path, "root_path": "", "headers": [], **more}


def test_each_operation_is_a_route_with_a_path_a_name_and_methods(app: Millpond) -> None:
    found = {(route.path, route.name, *(route.methods or ())) for route in app.routes if isinstance(route, Route)}
    assert {
        ("/", "get_root", "GET"),
        ("/items/{id}", "get_items_by_id", "GET"),
        ("/items/{id}", "put_items_by_id", "PUT"),
        ("/files/{rest:path}", "get_files_by_rest", "GET"),
    } <= found
    assert app.routes is app.router.routes


def test_urls_are_made_by_name(app: Millpond) -> None:
    made = [
        app.url_path_for("get_root"),
        app.url_path_for("get_items_by_id", id="oak"),
        app.url_path_for("get_files_by_rest", rest="a/b"),
        app.url_path_for("get_files_by_rest", rest=["a", "b"]),
    ]
    assert made == ["/", "/items/oak", "/files/a/b", "/files/a/b"]
    with pytest.raises(NoMatchFound):
        app.url_path_for("get_items_by_id", wrong="oak")
    assert TestClient(app).get("/links").json() == "http://testserver/items/7"


@pytest.mark.parametrize(
    ("path", "method", "match", "name"),
    [
        ("/items/a", "GET", Match.FULL, "get_items_by_id"),
        ("/items/a", "HEAD", Match.FULL, "get_items_by_id"),
        ("/items/a", "PUT", Match.FULL, "put_items_by_id"),
        ("/items/a", "DELETE", Match.PARTIAL, "get_items_by_id"),
        pytest.param("/items/a/b", "GET", Match.NONE, "", marks=pytest.mark.private_names),
        ("/files/a/b", "GET", Match.FULL, "get_files_by_rest"),
        ("/guide", "GET", Match.FULL, "get_guide_by_path"),
        pytest.param("/items/a/", "GET", Match.NONE, "", marks=pytest.mark.private_names),  # a redirect
    ],
)
def test_a_route_matches_what_the_application_answers_with_it(
    app: Millpond, path: str, method: str, match: Match, name: str
) -> None:
    asked = scope(path, method)
    found = {
        getattr(route, "name", ""): route.matches(asked)[0] for route in app.routes if not isinstance(route, Mount)
    }
    best = [each for each, how in found.items() if how is match and how is not Match.NONE]
    assert (name in best) if name else (set(found.values()) == {Match.NONE})


async def test_a_closed_route_matches_only_what_it_lists_once_the_application_runs(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving() as running:
        (route,) = [route for route in running.pond.routes if getattr(route, "name", "") == "get_closed_by_id"]
        matches = [route.matches(scope(f"/closed/{each}"))[0] for each in "ab"]
        assert matches == [Match.FULL, Match.NONE]


def test_a_parent_makes_urls_of_its_mounted_file_routes_and_lists_them(app: Millpond) -> None:
    parent = FastAPI()
    parent.mount("/shop", app, name="shop")

    @parent.get("/urls")
    def urls(request: Request) -> str:
        return str(request.url_for("shop:get_items_by_id", id="7"))

    assert parent.url_path_for("shop:get_items_by_id", id="oak") == "/shop/items/oak"
    (mount,) = [route for route in parent.routes if isinstance(route, Mount)]
    assert "get_root" in {getattr(route, "name", "") for route in mount.routes}
    client = TestClient(parent)
    assert client.get("/urls").json() == "http://testserver/shop/items/7"
    assert client.get("/shop/items/7").json() == "7"
    assert client.get("/shop/").json() == 1
    assert client.get("/shop/docs").status_code == 200


def test_a_millponds_router_is_not_included_but_mounted(app: Millpond) -> None:
    parent = FastAPI()
    assert app.file_routes
    parent.include_router(app.router)
    with pytest.raises(UsageError, match=r"can't be included in another application.* Mount the application"):
        TestClient(parent).get("/items/7")


def test_routes_that_are_added_to_the_list_or_taken_from_it_count(app: Millpond) -> None:
    async def added(request: Request) -> Any:
        return PlainTextResponse("added")

    client = TestClient(app)
    assert client.get("/added").status_code == 404
    app.routes.append(Route("/added", added))
    assert client.get("/added").text == "added"
    app.router.routes[:] = [route for route in app.router.routes if getattr(route, "path", "") != "/added"]
    assert client.get("/added").status_code == 404


def test_slashes_of_what_is_no_file_route_are_fastapis(app: Millpond, tmp_path: Any) -> None:
    plain = FastAPI()
    (tmp_path / "site/sub").mkdir(parents=True)
    (tmp_path / "site/sub/index.html").write_text("<p>hello")
    for each in (app, plain):
        sub = FastAPI()
        sub.get("/")(lambda: "sub")
        each.mount("/admin", sub)
        each.mount("/site", StaticFiles(directory=tmp_path / "site", html=True))
        each.get("/metrics/")(lambda: "metrics")
    ours, theirs = TestClient(app, follow_redirects=False), TestClient(plain, follow_redirects=False)
    for path in ("/admin", "/admin/", "/site/sub", "/site/sub/", "/metrics", "/metrics/", "/openapi.json/", "/no/"):
        mine, wanted = ours.get(path), theirs.get(path)
        assert (mine.status_code, mine.headers.get("location"), mine.text) == (
            wanted.status_code,
            wanted.headers.get("location"),
            wanted.text,
        ), path


async def test_a_base_path_is_part_of_the_root_path_for_everything(project: Project) -> None:
    project.routes(ROUTES)
    await project.built(base_path="/b")
    pond = project.pond(base_path="/b")

    @pond.get("/declared", name="declared")
    def declared(request: Request) -> list[str]:
        return [str(request.url_for("declared")), request.scope["root_path"]]

    sub = FastAPI()
    sub.get("/x")(lambda: "sub")
    pond.mount("/sub", sub)
    async with pond.lifespan(), client_of(pond) as client:
        assert cache_of(await client.get("/b")) == "HIT"
        assert pond.hits is not None
        assert pond.hits.cached_path(b"/b") is not None  # so it reaches the socket
        assert (await client.get("/b/links")).json() == "http://shop.example/b/items/7"
        assert (await client.get("/b/declared")).json() == ["http://shop.example/b/declared", "/b"]
        assert (await client.get("/b/sub/x")).json() == "sub"
        assert '"/b/openapi.json"' in (await client.get("/b/docs")).text.replace("'", '"')
        document = (await client.get("/b/openapi.json")).json()
        assert (document["servers"], "/items/{id}" in document["paths"]) == ([{"url": "/b"}], True)
        for outside in ("/", "/declared", "/docs", "/openapi.json", "/sub/x", "/bb", "/items/7"):
            assert (await client.get(outside)).status_code == 404, outside


async def test_a_root_path_that_a_proxy_takes_away_stands_before_the_base_path(project: Project) -> None:
    project.routes({"/links": ROUTES["/links"], "/items/[id]": ROUTES["/items/[id]"]})
    pond = project.pond(base_path="/b")
    with pytest.warns(Warning, match="root_path"):
        pond = Millpond(pond.app_dir, config=pond.config, store=pond.store, root_path="/proxy")
    async with pond.lifespan(), client_of(pond) as client:
        for path in ("/b/links", "/proxy/b/links"):
            assert (await client.get(path)).json() == "http://shop.example/proxy/b/items/7"
        assert (await client.get("/links")).status_code == 404
