"""The constructor: FastAPI's options reach file routes as they reach included routers; dependencies above all."""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request
from fastapi.exceptions import FastAPIDeprecationWarning
from fastapi.responses import HTMLResponse
from fastapi.testclient import TestClient
from pydantic import BaseModel

from millpond import Millpond
from millpond.errors import ProjectError

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi.routing import APIRoute

    from ponds import Project

pytestmark = pytest.mark.anyio

SHOP = {
    "/": "revalidate = 60\ndef GET(): return 'front'\n",
    "/items/[id]": "revalidate = 60\ndef GET(id: str): return id\ndef PUT(id: str): return 'put'\n",
    "/live": 'from typing import Any\ndynamic = "force-dynamic"\ndef GET() -> Any: return 1\n',
    "/files/[...rest]": "def POST(rest: list[str]): return rest\n",
}


def guard(x_key: Annotated[str, Header()] = "") -> None:
    if x_key != "secret":
        raise HTTPException(401, "who are you?")


@pytest.fixture
def shop(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    project.routes(SHOP)
    monkeypatch.chdir(project.folder)
    return project


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("started", [True, False], ids=["with lifespan", "without"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("HEAD", "/"), ("GET", "/items/1"), ("PUT", "/items/1"), ("GET", "/live"), ("POST", "/files/a/b")],
)
def test_dependencies_of_the_application_guard_every_file_route(method: str, path: str, started: bool) -> None:
    client = TestClient(Millpond("app", dependencies=[Depends(guard)]))
    if started:
        client.__enter__()
    try:
        for _ in range(2):
            assert client.request(method, path).status_code == 401
            assert client.request(method, path, headers={"x-key": "secret"}).status_code == 200
        assert client.request(method, path).status_code == 401
    finally:
        client.close()
        if started:
            client.__exit__(None, None, None)


@pytest.fixture
def guarded_by_the_application(project: Project) -> Project:
    project.write({"instrumentation.py": "from guards import app_guard\ndef register(app): app_guard(app)\n"})
    project.write(
        {
            "guards.py": """
            from fastapi import Depends, Header
            def guard(x_key: str = Header()): ...
            def app_guard(app): app.router.dependencies.append(Depends(guard))
            """
        }
    )
    project.routes({"/": "revalidate = 60\ndef GET(): return 1\n"})
    return project


async def test_a_dependency_of_the_application_that_declares_a_header_makes_routes_live(
    guarded_by_the_application: Project,
) -> None:
    assert (await guarded_by_the_application.built())["/"].glyph == "λ"


@pytest.mark.private_names
async def test_a_build_names_the_applications_dependency_that_makes_routes_live(
    guarded_by_the_application: Project,
) -> None:
    assert 'header "x-key"' in (await guarded_by_the_application.built())["/"].why


def operation(app: Millpond, name: str) -> APIRoute:
    return next(route for route in app.routes if getattr(route, "name", "") == name)  # type: ignore[return-value]


class Problem(BaseModel):
    why: str


@pytest.mark.usefixtures("shop")
def test_responses_tags_and_the_like_reach_the_openapi_document_as_for_an_included_router() -> None:
    options: dict[str, Any] = {
        "responses": {418: {"model": Problem}},
        "deprecated": True,
        "generate_unique_id_function": lambda route: f"my-{route.name}",
    }
    app, plain = Millpond("app", **options), FastAPI(**options)
    router = APIRouter()

    @router.get("/live", name="get_live", tags=["live"], summary="GET /live")
    def live() -> Any:
        return 1

    plain.include_router(router)
    assert app.openapi()["paths"]["/live"] == plain.openapi()["paths"]["/live"]
    schemas = plain.openapi()["components"]["schemas"]
    assert schemas.items() <= app.openapi()["components"]["schemas"].items()


@pytest.mark.usefixtures("shop")
def test_an_application_whose_routes_are_in_no_schema_shows_none_of_the_files() -> None:
    assert Millpond("app", include_in_schema=False).openapi()["paths"] == {}


@pytest.mark.usefixtures("shop")
def test_the_default_response_class_is_that_of_file_routes() -> None:
    client = TestClient(Millpond("app", default_response_class=HTMLResponse))
    for path, text in (("/", "front"), ("/items/a", "a")):
        for _ in range(2):
            answer = client.get(path)
            assert (answer.text, answer.headers["content-type"]) == (text, "text/html; charset=utf-8")


def test_form_limits_and_strict_content_types_hold_in_file_routes(shop: Project) -> None:
    shop.routes(
        {
            "/form": "from fastapi import Form\ndef POST(a: str = Form(), b: str = Form('')): return a + b\n",
            "/json": "def POST(body: dict): return body\n",
        }
    )
    app = Millpond("app", form_limits={"max_fields": 1}, strict_content_type=False)
    client = TestClient(app)
    assert client.post("/form", data={"a": "1"}).json() == "1"
    assert client.post("/form", data={"a": "1", "b": "2"}).status_code == 400
    assert client.post("/json", content=b'{"a": 1}').json() == {"a": 1}
    assert TestClient(Millpond("app")).post("/json", content=b'{"a": 1}').status_code == 422


@pytest.mark.usefixtures("shop")
def test_a_limit_on_bodies_holds_in_file_routes() -> None:
    client = TestClient(Millpond("app", max_body_size=4))
    assert client.put("/items/1", content=b"1234").status_code == 200
    assert client.put("/items/1", content=b"12345").status_code == 413
    assert client.get("/").json() == "front"


@pytest.mark.usefixtures("shop")
def test_overrides_of_dependencies_reach_renders() -> None:
    app = Millpond("app", dependencies=[Depends(guard)])
    app.dependency_overrides[guard] = lambda: None
    client = TestClient(app)
    assert [client.get(path).status_code for path in ("/", "/items/1", "/live")] == [200] * 3


@pytest.mark.usefixtures("shop")
def test_it_is_a_fastapi_with_its_title_and_without_documents_if_they_are_switched_off() -> None:
    app = Millpond("app", title="Shop", version="7", docs_url=None, redoc_url=None)
    assert isinstance(app, FastAPI)
    assert app.openapi()["info"] == {"title": "Shop", "version": "7"}
    client = TestClient(app)
    assert [client.get(path).status_code for path in ("/docs", "/redoc", "/openapi.json")] == [404, 404, 200]
    assert TestClient(Millpond("app", openapi_url=None)).get("/openapi.json").status_code == 404


def test_an_unknown_option_is_named_with_the_one_that_was_meant() -> None:
    with pytest.raises(TypeError, match=r"Millpond\(\) got an unexpected .* 'develpment'; did you mean development"):
        Millpond(develpment=True)
    with pytest.raises(TypeError, match="did you mean dependencies"):
        Millpond(dependancies=[])


def test_what_fastapi_warns_of_names_the_line_that_makes_the_application() -> None:
    with pytest.warns(FastAPIDeprecationWarning, match="root_path") as caught:
        Millpond(root_path="/api")
    assert caught[0].filename == __file__


def test_the_default_folder_may_be_missing_and_a_named_one_may_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Millpond().file_routes == []
    with pytest.raises(ProjectError, match=r"there is no folder .*app or .*; name the folder with the routes"):
        Millpond("app")


def test_a_folder_is_found_next_to_the_file_that_makes_the_application(shop: Project, tmp_path: Path) -> None:
    shop.write({"main.py": "from millpond import Millpond\napp, named = Millpond(), Millpond('app')\n"})
    os.chdir(tmp_path)
    source = compile((shop.folder / "main.py").read_text(), str(shop.folder / "main.py"), "exec")
    names: dict[str, Any] = {"__name__": "main"}
    exec(source, names)  # noqa: S102 - as a server imports it
    for app in (names["app"], names["named"]):
        assert app.project == shop.folder
        assert len(app.file_routes) == len(SHOP)


def test_what_was_is_named_with_what_to_write_instead() -> None:
    app: Any = Millpond()
    with pytest.raises(AttributeError, match=r"the application is a FastAPI itself: use it in place of app\.fastapi"):
        app.fastapi  # noqa: B018
    with pytest.raises(AttributeError, match=r"app.add_middleware\(cls, \*\*options\) is in front of every request"):
        app.add_outer_middleware(object)
    assert not hasattr(app, "nothing")


async def test_a_file_route_may_import_the_module_that_makes_the_application(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    project.write(
        {
            "main.py": "from millpond import Millpond\napp = Millpond()\nsession = 'a session'\n",
            "app/route.py": "from main import app, session\nrevalidate = 60\ndef GET(): return session\n",
        }
    )
    monkeypatch.syspath_prepend(str(project.folder))
    main = importlib.import_module("main")
    try:
        assert TestClient(main.app).get("/").json() == "a session"
        assert str(main.app.url_path_for("get_root")) == "/"
    finally:
        del sys.modules["main"]


def test_a_request_tells_which_application_answers(shop: Project) -> None:
    shop.routes({"/title": "from millpond import Request\ndef GET(request: Request): return request.app.title\n"})
    app = Millpond("app", title="Shop")

    @app.get("/declared")
    def declared(request: Request) -> Any:
        return request.app.title

    client = TestClient(app)
    assert [client.get(path).json() for path in ("/title", "/declared")] == ["Shop", "Shop"]
