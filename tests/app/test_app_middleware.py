"""Middleware and exception handlers: every request passes them, hits included, and they see who has answered."""

import asyncio
import importlib
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.testclient import TestClient
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from millpond import Millpond
from ponds import Project, cache_of, client_of

pytestmark = pytest.mark.anyio

FAILING = "revalidate = 60\ndef GET(id: str): raise ValueError('no stock of ' + id)\n"
ROUTES = {
    "/": "revalidate = 60\ndef GET(): return 1\n",
    "/items/[id]": "revalidate = 60\ndef GET(id: str): return id\n",
    "/live/[id]": 'dynamic = "force-dynamic"\ndef GET(request, id):\n    request.state.by = "GET"\n    return id\n',
    "/broken/[id]": FAILING,
    "/broken-live": 'dynamic = "force-dynamic"\ndef GET(): raise ValueError("no stock")\n',
}


@pytest.fixture
def shop(project: Project) -> Project:
    project.routes(ROUTES)
    return project


class Watching:
    """A middleware of plain ASGI, which looks at the scope when the answer is complete."""

    seen: list[dict[str, Any]]

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)
        if scope["type"] == "http":
            route = scope.get("route")
            self.seen.append(
                {
                    "path": getattr(route, "path", None),
                    "name": getattr(route, "name", None),
                    "endpoint": getattr(scope.get("endpoint"), "__name__", None),
                    "params": scope.get("path_params"),
                    "by": scope.get("state", {}).get("by"),
                }
            )


@pytest.mark.parametrize("around", ["asgi", "function"])
async def test_middleware_sees_the_route_of_every_answer_and_what_the_handler_has_left_in_the_state(
    shop: Project, around: str
) -> None:
    seen: list[dict[str, Any]] = []
    Watching.seen = seen
    await shop.built()
    pond = shop.pond()
    pond.add_middleware(Watching)
    if around == "function":

        @pond.middleware("http")
        async def passing(request: Request, call_next: Callable[[Request], Any]) -> Any:
            return await call_next(request)

    async with pond.lifespan(), client_of(pond) as client:
        states = [cache_of(await client.get(path)) for path in ("/items/7", "/items/7", "/items/7", "/live/8", "/no")]
    assert states == ["MISS", "HIT", "HIT", None, None]
    item = {"path": "/items/{id}", "name": "get_items_by_id", "endpoint": "GET", "params": {"id": "7"}, "by": None}
    assert seen[:3] == [item] * 3
    assert (seen[3]["name"], seen[3]["params"], seen[3]["by"]) == ("get_live_by_id", {"id": "8"}, "GET")
    assert (seen[4]["path"], seen[4]["params"]) == (None, None)


async def test_middleware_may_answer_in_place_of_a_hit(shop: Project) -> None:
    await shop.built()
    pond = shop.pond()

    @pond.middleware("http")
    async def closed(request: Request, call_next: Callable[[Request], Any]) -> Any:
        if "x-key" not in request.headers:
            return PlainTextResponse("closed", 403)
        return await call_next(request)

    async with pond.lifespan(), client_of(pond) as client:
        for _ in range(2):
            assert (await client.get("/")).status_code == 403
            assert cache_of(await client.get("/", headers={"x-key": "1"})) == "HIT"


async def test_what_middleware_sets_for_a_visitor_reaches_no_render(project: Project) -> None:
    project.write({"visiting.py": "from contextvars import ContextVar\nvisitor = ContextVar('v', default='nobody')\n"})
    project.routes({"/[id]": "from visiting import visitor\nrevalidate = 60\ndef GET(id): return visitor.get()\n"})
    pond = project.pond()
    visiting = importlib.import_module("visiting")

    @pond.middleware("http")
    async def known(request: Request, call_next: Callable[[Request], Any]) -> Any:
        visiting.visitor.set("alice")
        return await call_next(request)

    async with pond.lifespan(), client_of(pond) as client:
        assert [(await client.get("/1")).json() for _ in range(2)] == ["nobody"] * 2


def with_handlers(app: FastAPI) -> FastAPI:
    @app.exception_handler(500)
    async def broken(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"sorry": str(error), "path": request.url.path, "for": request.headers["x-visitor"]}, 500)

    @app.exception_handler(StarletteHTTPException)
    async def refused(request: Request, error: HTTPException) -> PlainTextResponse:
        return PlainTextResponse(f"{error.status_code} of mine", error.status_code, error.headers)

    return app


def test_exception_handlers_apply_to_every_answer(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop.folder)
    app = with_handlers(Millpond("app"))
    with TestClient(app, raise_server_exceptions=False, headers={"x-visitor": "alice"}) as client:
        for path, error in (("/broken/oak", "no stock of oak"), ("/broken-live", "no stock")):
            for _ in range(2):
                answer = client.get(path)
                assert (answer.status_code, answer.json()) == (500, {"sorry": error, "path": path, "for": "alice"})
        for method, path, status in (("GET", "/none", 404), ("PUT", "/", 405), ("GET", "/items/%zz", 400)):
            answer = client.request(method, path)
            assert (answer.status_code, answer.text) == (status, f"{status} of mine")
        assert client.put("/").headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("path", ["/broken/oak", "/broken-live"])
def test_a_test_client_raises_what_a_handler_raises(shop: Project, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(shop.folder)
    with TestClient(Millpond("app")) as client, pytest.raises(ValueError, match="no stock"):
        client.get(path)


async def test_an_error_that_several_wait_for_keeps_the_traceback_of_the_render(shop: Project) -> None:
    pond = shop.pond()
    lengths: list[int] = []

    async def asked() -> None:
        try:
            await client.get("/broken/oak")
        except ValueError as error:
            trace, length = error.__traceback__, 0
            while trace is not None:
                trace, length = trace.tb_next, length + 1
            lengths.append(length)

    transport = httpx2.ASGITransport(app=pond)
    async with pond.lifespan(), httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
        await asyncio.gather(*(asked() for _ in range(5)))
    assert len(lengths) == 5
    assert max(lengths) - min(lengths) <= 1
