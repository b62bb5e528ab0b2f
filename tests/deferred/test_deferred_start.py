"""A start after a build: route files that are as they were built are executed when something needs them."""

from __future__ import annotations

import importlib
import sys
import threading
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from fastapi import Depends, FastAPI, Request
from starlette.middleware.gzip import GZipMiddleware

from millpond import Millpond
from millpond.errors import BuildError, RouteModuleError
from millpond.routes.deferred.deferred_route import DeferredRoute
from millpond.routes.imports import forget, package_of
from millpond.serve.span import Tracing
from millpond.stores.memory import MemoryStore
from ponds import cache_of, client_of

if TYPE_CHECKING:
    from pathlib import Path

    from ponds import Project, Running

pytestmark = pytest.mark.anyio

FILES = {
    "/": "revalidate = 60\ndef GET(): return 'front'\n",
    "/live": "from shop import prices\ndef GET(request): return [prices.LARGE, request.headers.get('x', '')]\n",
    "/items/[id]": "from .names import NAME\nrevalidate = 60\ndef GET(id: str): return NAME + id\n",
    "/eager": "import shop.prices\nshop.prices.SEEN.append('eager')\ndef GET(): return shop.prices.SEEN\n",
    "/queried": "dynamic = 'force-static'\ncache_query = ['q']\n"
    "def GET(request): return request.query_params.get('q')\n",
    "/a.b": "def GET(): return 'dot'\ndef POST(): return 'posted'\n",
    "/a_b": "def GET(): return 'line'\n",
}
MODULES = {
    "app/items/[id]/names.py": "NAME = 'item '\n",
    "shop/__init__.py": "",
    "shop/prices.py": "LARGE, SEEN = 3, []\n",
}
WAITING = ["/", "/live", "/queried", "/items/[id]", "/a.b", "/a_b"]


@pytest.fixture
async def shop(project: Project) -> Project:
    project.routes(FILES)
    project.write(MODULES)
    await project.built()
    return project


def module_of(project: Project, file: str) -> Any:
    """The module of a file; None if it hasn't been imported."""
    path = str(project.folder / file)
    return next((each for each in list(sys.modules.values()) if getattr(each, "__file__", None) == path), None)


def loaded(app: Millpond) -> list[str]:
    """The patterns of the routes whose files have been executed."""
    return sorted(each.pattern for each in app.served_routes if not isinstance(each, DeferredRoute) or each.is_loaded)


async def test_a_start_executes_only_what_does_more_than_to_define_names(shop: Project) -> None:
    async with shop.started() as running:
        assert loaded(running.pond) == ["/eager"]
        assert module_of(shop, "app/live/route.py") is None
        assert sys.modules["shop.prices"].SEEN == ["eager"]  # what files import is imported
        assert module_of(shop, "app/items/[id]/names.py").NAME == "item "


async def test_each_request_executes_the_file_that_answers_it_and_no_other(shop: Project) -> None:
    async with shop.started() as running:
        assert await running.body("/live", headers={"x": "y"}) == '[3,"y"]'
        assert loaded(running.pond) == ["/eager", "/live"]
        assert (await running.get("/items/7")).json() == "item 7"
        assert loaded(running.pond) == ["/eager", "/items/[id]", "/live"]
        assert (await running.get("/nothing")).status_code == 404
        assert (await running.post("/live")).status_code == 405
        assert loaded(running.pond) == ["/eager", "/items/[id]", "/live"]


async def test_hits_at_the_socket_execute_nothing(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tracing, "look", lambda self: None)  # other tests load tracers
    async with shop.started() as running:
        assert running.pond.hits is not None
        running.pond.hits.has_socket = True  # as in `millpond start`
        assert [cache_of(await running.get("/")) for _ in range(2)] == ["HIT", "HIT"]
        assert [cache_of(await running.get("/queried")) for _ in range(2)] == ["HIT", "HIT"]
        assert loaded(running.pond) == ["/eager"]
        assert [cache_of(await running.get(f"/queried?q={q}")) for q in (1, 1, 2)] == ["MISS", "HIT", "MISS"]
        assert loaded(running.pond) == ["/eager", "/queried"]


async def test_a_hit_tells_those_who_wrap_the_application_its_route(shop: Project) -> None:
    scopes: list[Any] = []

    def wrap(app: Millpond) -> Any:
        async def wrapped(scope: Any, receive: Any, send: Any) -> None:
            await app(scope, receive, send)
            scopes.append(scope)

        return wrapped

    async with shop.started(wrap=wrap) as running:
        assert [cache_of(await running.get("/")) for _ in range(2)] == ["HIT", "HIT"]
        assert [scope["route"].name for scope in scopes] == ["get_root", "get_root"]
        assert loaded(running.pond) == ["/", "/eager"]


async def test_whoever_looks_at_the_routes_finds_all_of_them(shop: Project) -> None:
    whole = shop.pond()
    assert whole.file_routes
    expected = [(type(route), getattr(route, "path", ""), getattr(route, "operation_id", "")) for route in whole.routes]
    documented = whole.openapi()
    async with shop.started() as running:
        app = running.pond
        await running.get("/a_b")
        raw = [
            (type(route), getattr(route, "path", ""), getattr(route, "operation_id", "")) for route in app.router.routes
        ]
        assert raw == expected
        assert app.openapi() == documented
        assert len(loaded(app)) == len(FILES)
        assert (await running.get("/a_b")).json() == "line"


async def test_urls_are_made_of_routes_that_wait(shop: Project) -> None:
    shop.routes({"/url": "def GET(request): return str(request.url_for('get_items_by_id', id='7'))\n"})
    await shop.built()
    async with shop.started() as running:
        assert (await running.get("/url")).json().endswith("/items/7")
    async with shop.started() as running:
        assert running.pond.url_path_for("get_items_by_id", id="8") == "/items/8"


async def test_answers_are_those_of_a_start_that_loads_everything(shop: Project) -> None:
    async def answers(running: Running) -> list[object]:
        found: list[object] = []
        for method, path in [
            ("GET", path) for path in ("/", "/live", "/items/7", "/eager", "/queried?q=1", "/a.b", "/a_b")
        ] + [
            ("HEAD", "/"),
            ("OPTIONS", "/a.b"),
            ("POST", "/a.b"),
            ("POST", "/"),
            ("GET", "/items"),
        ]:
            answer = await running.client.request(method, path)
            headers = {name: value for name, value in answer.headers.items() if name not in ("date", "age")}
            found.append((method, path, answer.status_code, answer.text, headers))
        return found

    async with shop.started() as running:
        lazy = await answers(running)
    async with shop.started() as running:
        assert running.pond.file_routes
        assert await answers(running) == lazy


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        ({"app/live/route.py": "def GET(): return 'new'\n"}, "app/live/route.py was edited after the build"),
        ({"shop/prices.py": "LARGE, SEEN = 4, []\n"}, "shop/prices.py was edited after the build"),
    ],
)
async def test_after_an_edit_everything_is_loaded_at_the_start(
    shop: Project, edit: dict[str, str], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    shop.write(edit)
    async with shop.started() as running:
        assert len(loaded(running.pond)) == len(FILES)
        assert told in caplog.text


@pytest.mark.parametrize("edit", ["def GET(:\n", "import nothing_of_the_kind\n", "GET = 1\n"])
async def test_a_mistake_in_an_edit_is_told_at_the_start(shop: Project, edit: str) -> None:
    shop.routes({"/live": edit})
    with pytest.raises(RouteModuleError, match=r"^app/live/route\.py:1: "):
        shop.pond()


@pytest.mark.parametrize("name", ["new", "items/[id]"])
async def test_a_file_that_came_or_went_is_told_at_the_start(shop: Project, name: str) -> None:
    path = shop.folder / "app" / name / "route.py"
    if path.exists():
        path.unlink()
    else:
        shop.routes({f"/{name}": "def GET(): return 1\n"})
    app = shop.pond()
    with pytest.raises(BuildError, match=r"(was added|was removed) after the build; run `millpond build` again\."):
        async with app.lifespan():
            pass


async def test_an_edit_after_the_start_counts_at_the_next_one(shop: Project) -> None:
    async with shop.started() as running:
        shop.routes({"/a_b": "def GET(): return 'edited'\n"})
        assert (await running.get("/a_b")).json() == "line"


async def test_what_a_file_imports_is_missing_and_that_is_told_at_the_start(shop: Project) -> None:
    (shop.folder / "shop" / "prices.py").unlink()
    with pytest.raises(RouteModuleError, match=r"No module named 'shop\.prices'|cannot import name 'prices'"):
        shop.pond()


async def test_a_name_that_a_package_has_no_more_is_told_at_the_start(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "outside.py").write_text("NAME = 1\n", "utf-8")
    monkeypatch.syspath_prepend(packages)
    project.routes({"/": "from outside import NAME\ndef GET(): return NAME\n"})
    await project.built()
    assert loaded(project.pond()) == []
    monkeypatch.delattr("outside.NAME")
    with pytest.raises(RouteModuleError, match=r"^app/route\.py:1: .* cannot import name 'NAME'"):
        project.pond()


async def test_a_build_by_other_versions_lets_nothing_wait(shop: Project) -> None:
    manifest = shop.folder / ".millpond" / "build" / "manifest.json"
    text = manifest.read_text("utf-8")
    assert f'"made_with": "{sys.implementation.cache_tag}, fastapi' in text
    manifest.write_text(text.replace('"made_with": "', '"made_with": "other '), "utf-8")
    assert len(loaded(shop.pond())) == len(FILES)


async def test_another_configuration_lets_nothing_wait(shop: Project) -> None:
    assert len(loaded(shop.pond(expire_time=7200))) == len(FILES)


def made(project: Project, **options: Any) -> Millpond:
    forget(project.folder)
    return Millpond(project.folder / "app", store=MemoryStore(max_bytes=2**20, clock=project.clock), **options)


def guard(request: Request) -> None:
    pass


async def test_other_dependencies_of_the_application_let_nothing_wait(project: Project) -> None:
    project.routes({"/": FILES["/a_b"]})
    await made(project).build()
    assert loaded(made(project)) == []
    assert loaded(made(project, dependencies=[Depends(guard)])) == ["/"]
    await made(project, dependencies=[Depends(guard)]).build()
    assert loaded(made(project, dependencies=[Depends(guard)])) == []


async def test_options_that_change_after_the_start_are_no_files(project: Project) -> None:
    project.routes({"/": FILES["/a_b"]})
    await project.built()
    async with project.started() as running:
        running.pond.router.dependencies.append(Depends(guard))
        (route,) = running.pond.served_routes
        assert route.operations["GET"].guards == ()


async def test_the_options_of_folders_hold_for_files_that_wait(project: Project) -> None:
    router = "from fastapi import Depends, HTTPException, Request\n"
    router += "def key(request: Request):\n    if 'key' not in request.headers: raise HTTPException(401)\n"
    router += "dependencies = [Depends(key)]\n"
    project.write({"app/admin/router.py": router})
    project.routes({"/admin/users": "def GET(): return 'users'\n"})
    await project.built()
    async with project.started() as running:
        assert module_of(project, "app/admin/router.py") is not None  # what it says may be wrong, and is told
        assert loaded(running.pond) == []
        assert (await running.get("/admin/users")).status_code == 401
        assert (await running.get("/admin/users", headers={"key": "1"})).json() == "users"


@pytest.mark.parametrize("folder", ["app", "app/a"])
async def test_packages_of_folders_are_executed_at_the_start(project: Project, folder: str) -> None:
    project.write({f"{folder}/__init__.py": "import told\ntold.SEEN.append(__file__)\n", "told.py": "SEEN = []\n"})
    project.routes({"/a/b": "def GET(): return 1\n"})
    await project.built()
    async with project.started() as running:
        assert loaded(running.pond) == []
        seen: list[str] = sys.modules["told"].SEEN
        assert seen == [str(project.folder / folder / "__init__.py")]
        assert (await running.get("/a/b")).json() == 1


HANDLER = "from millpond import operation\n@operation(status_code=201)\ndef GET(): return 1\n"


@pytest.mark.parametrize("is_handler", [True, False])
async def test_an_operation_in_code_is_refused_as_if_all_files_were_loaded(project: Project, is_handler: bool) -> None:
    project.routes({"/": HANDLER, "/other": "def GET(): return 1\n"})
    project.write({"stray.py": HANDLER})
    await made(project).build()
    app = made(project)
    sys.path.insert(0, str(project.folder))
    package = package_of(project.folder / "app", project.folder / "app", project.folder)
    module = importlib.import_module(f"{package}.route" if is_handler else "stray")
    app.get("/again")(module.GET)
    if is_handler:
        assert len(app.served_routes) == 2
    else:
        with pytest.raises(RouteModuleError, match=r"^stray\.py:2: @operation does nothing for /again"):
            app.served_routes  # noqa: B018 - loads the files
    app = made(project)
    assert loaded(app) == []  # marks of other applications don't matter


async def test_threads_that_need_one_file_at_once_execute_it_once(shop: Project) -> None:
    async with shop.started() as running:
        route = next(each for each in running.pond.served_routes if each.pattern == "/a_b")
        barrier, found = threading.Barrier(4), list[object]()

        def need() -> None:
            barrier.wait()
            found.append(route.operations["GET"])

        threads = [threading.Thread(target=need) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 4
        assert len(set(map(id, found))) == 1


async def test_a_file_that_can_not_be_executed_any_more_fails_its_requests_alone(
    shop: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shop.routes({"/live": "import shop.prices\ndef GET(request): return [3, request.headers.get('x', '')]\n"})
    await shop.built()
    async with shop.started() as running:
        monkeypatch.setitem(sys.modules, "shop", None)
        assert (await running.get("/live")).status_code == 500
        assert "app/live/route.py:1: the file can't be imported: ModuleNotFoundError" in caplog.text
        with pytest.raises(RouteModuleError, match=r"^app/live/route\.py:1: the file can't be imported"):
            running.pond.openapi()
        monkeypatch.undo()
        assert (await running.get("/live")).json() == [3, ""]
        assert (await running.get("/a_b")).json() == "line"
        assert "/live" in running.pond.openapi()["paths"]


async def test_middleware_of_the_users_has_all_routes_at_the_start(shop: Project) -> None:
    def with_middleware(middleware: Any) -> Millpond:
        app = made(shop)
        app.add_middleware(middleware)
        return app

    class Counting:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app(scope, receive, send)

    await made(shop).build()
    assert len(loaded(with_middleware(Counting))) == len(FILES)
    app = with_middleware(GZipMiddleware)
    assert loaded(app) == ["/eager"]
    async with app.lifespan(), client_of(app) as client:
        assert (await client.get("/a_b")).json() == "line"


async def test_a_mounted_application_lets_files_wait(shop: Project) -> None:
    app = shop.pond()
    parent = FastAPI()
    parent.mount("/shop", app)
    transport = httpx2.ASGITransport(app=parent)
    async with app.lifespan(), httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/shop/a_b")).json() == "line"
        assert loaded(app) == ["/a_b", "/eager"]


@pytest.mark.parametrize("development", [False, True])
async def test_without_a_build_and_in_development_everything_is_loaded(
    project: Project, tmp_path: Path, development: bool
) -> None:
    project.routes({"/": FILES["/a_b"]})
    if development:
        await project.built()
    async with project.started(development=development) as running:
        assert loaded(running.pond) == ["/"]
