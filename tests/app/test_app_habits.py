"""Habits from FastAPI: what they mean for cached answers. docs/fastapi.md lists them."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from millpond import Millpond
from ponds import cache_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from fastapi import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ponds import Project

pytestmark = pytest.mark.anyio

FILES = {
    "/": "revalidate = 60\ndef GET(): return 'front'\n",
    "/items/[id]": "revalidate = 60\ndef GET(id: str): return id\n",
    "/live": "def GET(request): return request.headers.get('x-who', 'nobody')\n",
    "/broken": "revalidate = 60\ndef GET(): return 1 / 0\n",
    "/missing": "from fastapi import HTTPException\nrevalidate = 60\ndef GET(): raise HTTPException(404)\n",
    "/state": "revalidate = 60\ndef GET(request): return [request.state.a, request.state.b, request.app.state.c]\n",
    "/asks": "from millpond import fetch\nasync def GET(): return (await fetch('/items/9')).json()\n",
}


@pytest.fixture
def shop(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    project.routes(FILES)
    monkeypatch.chdir(project.folder)
    return project


@pytest.mark.usefixtures("shop")
def test_the_debug_page_shows_what_a_render_raised() -> None:
    client = TestClient(Millpond("app", debug=True), raise_server_exceptions=False)
    assert "ZeroDivisionError" in client.get("/broken").text


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("reads", [False, True])
def test_handlers_of_a_class_or_a_status_answer_in_renders(reads: bool) -> None:
    runs: list[str] = []

    async def on_missing(request: Request, error: Exception) -> PlainTextResponse:
        runs.append(request.headers.get("x-who", "nobody") if reads else "unread")
        return PlainTextResponse("nothing here", 404)

    async def on_zero(request: Request, error: Exception) -> PlainTextResponse:
        return PlainTextResponse("by zero", 410)

    app = Millpond("app", exception_handlers={404: on_missing, ZeroDivisionError: on_zero})
    client = TestClient(app)
    answers = [client.get("/missing", headers={"x-who": "ann"}) for _ in range(2)]
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, "nothing here")}
    if reads:
        assert [cache_of(answer) for answer in answers] == [None, None]
        assert runs[-1] == "ann"
    else:
        assert ([cache_of(answer) for answer in answers], len(runs)) == (["MISS", "HIT"], 1)
    answers = [client.get("/broken") for _ in range(2)]
    assert [(answer.status_code, answer.text, cache_of(answer)) for answer in answers] == [
        (410, "by zero", "MISS"),
        (410, "by zero", "HIT"),
    ]


@pytest.mark.usefixtures("shop")
def test_what_lifespans_yield_is_in_the_requests_of_renders_and_of_endpoints() -> None:
    log: list[str] = []

    def yielding(name: str, **state: Any) -> Callable[[FastAPI], Any]:
        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
            log.append(f"{name} begins")
            yield state
            log.append(f"{name} ends")

        return lifespan

    app, router = Millpond("app", lifespan=yielding("app", a=1)), APIRouter(lifespan=yielding("router", b=2))
    app.include_router(router)
    app.state.c = 3

    @app.get("/endpoint")
    def endpoint(request: Request) -> list[int]:
        return [request.state.a, request.state.b, request.app.state.c]

    with TestClient(app) as client:
        assert [client.get(path).json() for path in ("/state", "/state", "/endpoint")] == [[1, 2, 3]] * 3
        assert client.get("/state").headers["x-nextjs-cache"] == "HIT"
    assert log == ["app begins", "router begins", "router ends", "app ends"]


@pytest.mark.usefixtures("shop")
def test_the_state_of_the_application_is_free_to_read() -> None:
    app = Millpond("app", lifespan=_nothing)
    app.state.a = app.state.b = app.state.c = 1
    with TestClient(app) as client:
        assert [cache_of(client.get("/state")) for _ in range(2)] == ["MISS", "HIT"]


@asynccontextmanager
async def _nothing(app: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
    yield {"a": 0, "b": 0}


@pytest.mark.usefixtures("shop")
def test_middleware_sees_requests_of_clients_and_no_others() -> None:
    app, seen = Millpond("app"), list[str]()

    @app.middleware("http")
    async def note(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        seen.append(request.url.path)
        return await call_next(request)

    assert TestClient(app).get("/asks").json() == "9"
    assert seen == ["/asks"]


@pytest.mark.private_names
@pytest.mark.usefixtures("shop")
def test_a_dependency_that_reads_nothing_of_the_request_runs_in_renders_only() -> None:
    app, runs = Millpond("app"), list[str]()
    visitor: ContextVar[str] = ContextVar("visitor", default="nobody")

    def session() -> None:
        runs.append(visitor.get())

    app.router.dependencies.append(Depends(session))
    client = TestClient(app)
    visitor.set("ann")
    assert [cache_of(client.get("/items/1")) for _ in range(3)] == ["MISS", "HIT", "HIT"]
    assert runs == ["nobody"]  # in the one render, which has no visitor


@pytest.mark.usefixtures("shop")
def test_a_dependency_that_looks_at_the_request_makes_files_live() -> None:
    def who(request: Request) -> str | None:
        return request.headers.get("x-who")

    client = TestClient(Millpond("app", dependencies=[Depends(who)]))
    assert [cache_of(client.get("/items/1")) for _ in range(2)] == [None, None]


class Adding:
    """Adds a header to each answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def added(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-added", b"1")]
            await send(message)

        await self.app(scope, receive, added)


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(("keep", "shared"), [(False, None), (True, "1")])
def test_headers_of_middleware_around_a_render_are_dropped_unless_they_are_kept(
    keep: bool, shared: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    app = Millpond("app")
    app.add_render_middleware(Adding, keep_headers=keep)
    app.add_api_route("/endpoint", lambda: 1)
    client = TestClient(app)
    with caplog.at_level(logging.WARNING, "millpond.render"):
        assert [client.get("/").headers.get("x-added") for _ in range(2)] == [shared] * 2
    assert ("Adding changes x-added, which are dropped" in caplog.text) is not keep
    assert client.get("/live").headers.get("x-added") == "1"
    assert client.get("/endpoint").headers.get("x-added") is None


@pytest.mark.private_names
@pytest.mark.usefixtures("shop")
def test_tools_find_the_routes_of_files_among_the_others() -> None:
    app = Millpond("app")
    app.add_api_route("/endpoint", lambda: 1)
    paths = [str(getattr(route, "path", None)) for route in app.routes]
    assert sorted(paths[: len(FILES)]) == sorted(pattern.replace("[id]", "{id}") for pattern in FILES)
    assert {"/openapi.json", "/endpoint"} <= set(paths[len(FILES) :])
    assert {route.pattern for route in app.file_routes} == set(FILES)


@pytest.mark.usefixtures("shop")
def test_routes_that_are_given_stand_behind_those_of_files() -> None:
    given = [APIRoute("/", lambda: "given"), APIRoute("/given", lambda: "given")]
    client = TestClient(Millpond("app", routes=given))
    assert [client.get(path).json() for path in ("/", "/given")] == ["front", "given"]


def test_a_route_file_wins_over_a_document(shop: Project) -> None:
    shop.routes({"/docs": "revalidate = 60\ndef GET(): return 'of the file'\n"})
    client = TestClient(Millpond("app"))
    assert client.get("/docs").json() == "of the file"
    assert client.get("/redoc").status_code == 200


@pytest.mark.usefixtures("shop")
def test_head_is_answered_for_files_and_refused_for_endpoints() -> None:
    app = Millpond("app")
    app.add_api_route("/endpoint", lambda: 1)
    client = TestClient(app)
    assert [client.head(path).status_code for path in ("/", "/live", "/endpoint")] == [200, 200, 405]
    assert [client.options(path).status_code for path in ("/", "/endpoint")] == [204, 405]


def test_the_last_of_a_repeated_parameter_counts(shop: Project) -> None:
    """D45."""
    source = "def GET(request, q: str): return [q, request.query_params['q'], request.query_params.getlist('q')]\n"
    shop.routes({"/search": source})
    assert TestClient(Millpond("app")).get("/search?q=1&q=2").json() == ["2", "2", ["1", "2"]]


def test_background_tasks_of_a_render_run_once(shop: Project) -> None:
    shop.routes(
        {
            "/tasks": """
            from fastapi import BackgroundTasks
            revalidate = 60
            runs = []
            def GET(tasks: BackgroundTasks):
                tasks.add_task(runs.append, 1)
            """
        }
    )
    app = Millpond("app")
    client = TestClient(app)
    assert [cache_of(client.get("/tasks")) for _ in range(2)] == ["MISS", "HIT"]
    module: Any = next(route.module.module for route in app.file_routes if route.pattern == "/tasks")
    assert module.runs == [1]


async def test_a_test_client_leaves_nothing_for_visitors(shop: Project) -> None:
    shop.routes({"/": "import os\nrevalidate = 60\ndef GET(): return os.environ.get('WHO', 'the build')\n"})
    await Millpond("app").build()
    before = sorted(path for path in shop.folder.rglob(".millpond/**/*") if path.is_file())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WHO", "the test")
        with TestClient(Millpond("app")) as client:
            assert client.get("/").json() == "the test"
            assert cache_of(client.get("/")) == "HIT"
    assert sorted(path for path in shop.folder.rglob(".millpond/**/*") if path.is_file()) == before
    app = Millpond("app")
    app.isolated = False
    with TestClient(app) as client:
        assert (client.get("/").json(), cache_of(client.get("/"))) == ("the build", "HIT")


async def test_an_asynchronous_client_within_a_test_leaves_nothing_either(shop: Project) -> None:
    transport = httpx2.ASGITransport(app=Millpond("app"))
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        assert [cache_of(await client.get("/")) for _ in range(2)] == ["MISS", "HIT"]
    assert not (shop.folder / ".millpond").exists()
