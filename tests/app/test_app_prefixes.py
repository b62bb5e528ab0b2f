"""Where an application lives: below `base_path`, behind a proxy, in a parent; and whose slashes are mended how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from fastapi import APIRouter, FastAPI, Request, WebSocket
from fastapi.staticfiles import StaticFiles
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from millpond import Millpond
from millpond.config import parse_config
from ponds import cache_of

if TYPE_CHECKING:
    from ponds import Project

FILES = {
    "/": "revalidate = 60\ndef GET(): return 'front'\n",
    "/items/[id]": "revalidate = 60\ndef GET(id: str): return id\n",
    "/live": "def GET(request): return [request.scope['root_path'], request.url.path]\n",
    "/url": "def GET(request): return str(request.url_for('get_items_by_id', id='7'))\n",
    "/url-of-parent": "def GET(request): return str(request.url_for('shop:get_items_by_id', id='7'))\n",
}
ITEM = "http://testserver{}/items/7"
AppT = TypeVar("AppT", bound=FastAPI)


@pytest.fixture
def shop(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    project.routes(FILES)
    project.write({"site/index.html": "index", "site/guide/index.html": "guide"})
    monkeypatch.chdir(project.folder)
    return project


def declared(app: AppT) -> AppT:
    """The application, with a bit of everything that can be declared."""
    router, inner = APIRouter(prefix="/router"), FastAPI()

    @app.get("/endpoint", name="endpoint")
    def endpoint(request: Request) -> str:
        return str(request.url_for("endpoint"))

    @app.get("/slash/")
    def slash() -> str:
        return "slash"

    @router.get("/part")
    def part() -> str:
        return "part"

    @inner.get("/")
    def admin(request: Request) -> str:
        return str(request.scope["root_path"])

    @app.websocket("/echo")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await websocket.close()

    app.include_router(router)
    app.mount("/admin", inner)
    app.mount("/site", StaticFiles(directory="site", html=True))
    return app


def echoed(client: TestClient, path: str) -> str:
    with client.websocket_connect(path) as socket:
        socket.send_text("hello")
        return socket.receive_text()


BELOW = ["/router/part", "/admin/", "/site/", "/redoc"]


@pytest.mark.usefixtures("shop")
def test_routers_mounts_files_and_sockets_live_below_the_base_path() -> None:
    app = declared(Millpond("app", config=parse_config({"base_path": "/b"}, "x")))
    with TestClient(app) as client:
        assert [client.get(f"/b{path}").status_code for path in BELOW] == [200] * len(BELOW)
        assert [client.get(path).status_code for path in BELOW] == [404] * len(BELOW)
        assert echoed(client, "/b/echo") == "hello"
        with pytest.raises(WebSocketDisconnect):
            echoed(client, "/echo")


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("base_path", ["", "/b"])
def test_the_prefix_that_a_server_tells_is_in_urls_and_documents(base_path: str) -> None:
    app = Millpond("app", config=parse_config({"base_path": base_path} if base_path else {}, "x"))
    whole = f"/proxy{base_path}"
    with TestClient(app, root_path="/proxy") as client:
        assert client.get(f"{whole}/live").json() == [whole, f"{whole}/live"]
        assert client.get(f"{whole}/url").json() == ITEM.format(whole)
        assert client.get(f"{whole}/openapi.json").json()["servers"] == [{"url": whole}]
        for _ in range(2):
            assert client.get(f"{base_path}/items/1").status_code == 200  # the proxy took its prefix away
        assert client.get(f"{whole}/items/1/", follow_redirects=False).headers["location"] == f"{whole}/items/1"


@pytest.mark.usefixtures("shop")
def test_a_mounted_application_makes_urls_by_the_names_that_its_parent_knows() -> None:
    app = declared(Millpond("app"))
    parent = FastAPI(lifespan=app.lifespan)
    parent.mount("/shop", app, name="shop")

    @parent.get("/item")
    @app.get("/item")
    def item(request: Request) -> str:
        return str(request.url_for("shop:get_items_by_id", id="7"))

    with TestClient(parent) as client:
        urls = [client.get(path).json() for path in ("/item", "/shop/item", "/shop/url-of-parent")]
        assert urls == [ITEM.format("/shop")] * 3
        assert [cache_of(client.get("/shop/items/1")) for _ in range(2)] == ["MISS", "HIT"]
        assert client.get("/shop/live").json() == ["/shop", "/shop/live"]


@pytest.mark.usefixtures("shop")
def test_a_mounted_application_has_a_document_of_its_own() -> None:
    app = declared(Millpond("app", title="Shop"))
    parent = FastAPI(lifespan=app.lifespan)
    parent.mount("/shop", app)
    parent.add_api_route("/ping", lambda: "pong")
    with TestClient(parent) as client:
        document = client.get("/shop/openapi.json").json()
        assert (document["info"]["title"], document["servers"]) == ("Shop", [{"url": "/shop"}])
        assert {"/", "/items/{id}", "/endpoint", "/router/part"} <= set(document["paths"])
        assert set(client.get("/openapi.json").json()["paths"]) == {"/ping"}


DECLARED = ["/admin", "/admin/", "/site", "/site/", "/site/guide", "/site/guide/", "/slash", "/slash/", "/endpoint/"]


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("trailing_slash", [False, True])
@pytest.mark.parametrize("redirect_slashes", [False, True])
def test_slashes_of_what_is_declared_are_fastapis(trailing_slash: bool, redirect_slashes: bool) -> None:
    config = parse_config({"trailing_slash": trailing_slash}, "x")
    ours = declared(Millpond("app", config=config, redirect_slashes=redirect_slashes))
    told: list[list[Any]] = []
    for app in (ours, declared(FastAPI(redirect_slashes=redirect_slashes))):
        client = TestClient(app, follow_redirects=False)
        answers = [client.get(path) for path in [*DECLARED, "/docs", "/docs/"]]
        told.append([(answer.status_code, answer.headers.get("location")) for answer in answers])
    assert told[0] == told[1]
    wrong, right = ("/live", "/live/") if trailing_slash else ("/live/", "/live")
    answer = TestClient(ours, follow_redirects=False).get(wrong)
    assert (answer.status_code, answer.headers["location"]) == (308, right)
