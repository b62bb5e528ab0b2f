"""Where endpoints with `@static` may stand, and what may stand around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from starlette.routing import Host, Match, Route

from declared_in_code import declare, plain, pond_of, serving
from millpond import static
from ponds import Running, client_of

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from ponds import Project

pytestmark = [pytest.mark.anyio, pytest.mark.private_names]


def shared_router() -> APIRouter:
    router = APIRouter(prefix="/shared")

    @router.get("/{name}")
    @static()
    def get(name: str, request: Request) -> list[str]:
        return [name, str(request.app.title)]

    return router


async def test_a_router_of_several_applications_has_answers_in_each(project: Project) -> None:
    router = shared_router()
    pond, other, simple = project.pond(), project.pond(), FastAPI(title="simple")
    pond.title, other.title = "first", "second"
    for app in (pond, other, simple):
        app.include_router(router, prefix="/in")
        app.include_router(router)
        assert TestClient(app).get("/in/shared/a").json() == ["a", app.title], "it is compiled before the start"
    async with pond.lifespan(), other.lifespan(), client_of(pond) as one, client_of(other) as two:
        for client, title in ((one, "first"), (two, "second"), (one, "first")):
            answers = [await client.get("/in/shared/b") for _ in range(2)]
            assert [answer.json() for answer in answers] == [["b", title]] * 2
            assert answers[1].headers["x-nextjs-cache"] == "HIT"
    answer = TestClient(simple).get("/in/shared/b")
    assert (answer.json(), answer.headers.get("x-nextjs-cache")) == (["b", "simple"], None)


async def test_a_millpond_that_is_mounted_answers_from_its_cache(project: Project) -> None:
    pond, module = pond_of(project, "@app.get('/x/{n}')\n@static()\ndef x(n: int):\n    runs.append(n)\n    return n")
    parent = FastAPI(lifespan=pond.lifespan)
    parent.mount("/shop", pond)
    parent.mount("/tenants/{tenant}", pond)
    async with pond.lifespan(), client_of(parent) as client:
        running = Running(pond, client)
        assert [await running.cache("/shop/x/1") for _ in range(3)] == ["MISS", "HIT", "HIT"]
        assert await running.cache("/tenants/a/x/1") is None, "its parameters are one visitor's"
        assert module["runs"] == [1, 1]


async def test_with_a_base_path_hits_need_no_matching(project: Project) -> None:
    source = "@app.get('/x')\n@static()\ndef x(request: Request):\n    return request.url.path"
    async with serving(project, source, base_path="/base") as (running, _):
        answers = [await running.get("/base/x") for _ in range(3)]
        assert [answer.json() for answer in answers] == ["/base/x"] * 3
        assert answers[2].headers["x-nextjs-cache"] == "HIT"
        assert running.pond.hits is not None
        assert running.pond.hits.cached_path(b"/base/x") is not None
        assert (await running.get("/x")).status_code == 404


async def test_behind_a_route_that_looks_at_headers_each_request_is_matched(project: Project) -> None:
    class Versioned(APIRoute):
        def matches(self, scope: Scope) -> tuple[Match, Scope]:
            match, child = super().matches(scope)
            return (match if dict(scope["headers"]).get(b"x-version") == b"2" else Match.NONE), child

    def second() -> str:
        return "second"

    def of_host(request: Request) -> Any:
        from starlette.responses import PlainTextResponse

        return PlainTextResponse("host")

    pond = project.pond()
    pond.router.add_api_route("/x", second, route_class_override=Versioned)
    pond.router.routes.append(Host("other.example", app=Route("/x", of_host)))
    declare(project, pond, "@app.get('/x')\n@static()\ndef x():\n    return 'first'")
    async with pond.lifespan(), client_of(pond) as client:
        for _ in range(3):
            assert (await client.get("/x")).json() == "first"
            assert (await client.get("/x", headers={"x-version": "2"})).json() == "second"
            assert (await client.get("/x", headers={"host": "other.example"})).text == "host"
        assert (await client.get("/x")).headers["x-nextjs-cache"] == "HIT"
        assert pond.hits is not None
        assert pond.hits.cached_path(b"/x") is None


async def test_a_route_that_is_declared_after_the_start_runs_live(project: Project) -> None:
    async with serving(project, "") as (running, _):
        late = (
            "@app.get('/late')\n@static()\ndef late():\n    runs.append(1)\n    return 1\napp.get('/later')(lambda: 2)"
        )
        module = declare(project, running.pond, late)
        for _ in range(2):
            answer = await running.get("/late")
            assert (answer.json(), answer.headers.get("x-nextjs-cache")) == (1, None)
            assert (await running.get("/later")).json() == 2
        assert module["runs"] == [1, 1]


async def test_a_route_that_is_put_in_front_answers_paths_that_were_hits(project: Project) -> None:
    source = "@app.get('/x')\n@static()\ndef x():\n    return 'first'\napp.get('/other')(lambda: 1)"
    async with serving(project, source) as (running, _):
        for _ in range(2):
            assert (await running.get("/x")).json() == "first"
        app = running.pond
        app.get("/x")(lambda: "second")
        app.router.routes.insert(0, app.router.routes.pop())
        await running.get("/other")
        assert (await running.get("/x")).json() == "second"


async def test_middleware_sees_hits_with_their_route(project: Project) -> None:
    seen: list[Any] = []

    class Watching:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await self.app(scope, receive, send)
            if scope["type"] == "http":
                context = scope.get("fastapi", {}).get("effective_route_context")
                route, path = scope["route"], None if context is None else context.path
                seen.append((route.path, scope["endpoint"].__name__, scope["path_params"], path))

    source = """
        inner = APIRouter()
        @inner.get("/x/{n:int}")
        @static()
        def x(n: int):
            return n
        @app.api_route("/top", methods=["GET", "POST"])
        @static()
        def top():
            return 1
        app.include_router(inner, prefix="/in")
    """
    simple = plain(project, source)
    simple.add_middleware(Watching)
    async with client_of(simple) as client:
        for path in ("/in/x/1", "/top"):
            await client.get(path)
    expected, seen[:] = seen[:], []
    pond, module = pond_of(project, source)
    pond.add_middleware(Watching)
    async with pond.lifespan(), client_of(pond) as client:
        for _ in range(3):
            answers = [await client.get(path) for path in ("/in/x/1", "/top")]
    assert [answer.headers["x-nextjs-cache"] for answer in answers] == ["HIT"] * 2
    assert seen == expected * 3
    assert module["inner"].routes[0].path == "/x/{n:int}"


async def test_a_fetch_of_the_applications_own_path_is_answered_from_the_cache(project: Project) -> None:
    source = """
        from millpond import fetch
        @app.get("/top")
        @static()
        def top():
            runs.append("top")
            return len(runs)
        @app.get("/asking")
        @static()
        async def asking():
            runs.append("asking")
            return (await fetch("/top")).json()
        @app.get("/live")
        async def live():
            return (await fetch("/top", cache="no-store")).json()
    """
    async with serving(project, source) as (running, module):
        assert (await running.get("/top")).json() == 1
        for _ in range(2):
            assert (await running.get("/asking")).json() == 1
            assert (await running.get("/live")).json() == 1
        assert module["runs"] == ["top", "asking"]


async def test_in_development_nothing_is_cached(project: Project) -> None:
    source = """
        from millpond import after, cache_tag, headers
        @app.get("/x")
        @static(tags=["a"])
        def x():
            after(lambda: runs.append("after"))
            return len(runs)
    """
    async with serving(project, source, development=True) as (running, module):
        for number in range(3):
            answer = await running.get("/x")
            await running.settle()
            assert (answer.json(), answer.headers.get("x-nextjs-cache")) == (number, None)
        assert module["runs"] == ["after"] * 3


@pytest.mark.parametrize("version", ["14", "15", "16"])
async def test_it_means_the_same_in_every_version(project: Project, version: str) -> None:
    source = "@app.get('/x/{n}')\n@static(revalidate=60)\ndef x(n: int):\n    runs.append(n)\n    return len(runs)"
    async with serving(project, source, compat=version) as (running, _):
        assert [await running.cache("/x/1") for _ in range(2)] == ["MISS", "HIT"]
        project.clock.move(61)
        assert await running.cache("/x/1") == "STALE"
        await running.settle()
        assert (await running.get("/x/1")).json() == 2


def test_without_a_lifespan_each_request_of_a_test_client_finds_what_is_stored(project: Project) -> None:
    pond, module = pond_of(project, "@app.get('/x')\n@static()\ndef x():\n    runs.append(1)\n    return 1")
    client = TestClient(pond)
    assert [client.get("/x").headers["x-nextjs-cache"] for _ in range(3)] == ["MISS", "HIT", "HIT"]
    assert module["runs"] == [1]


async def test_dependencies_may_be_overridden(project: Project) -> None:
    source = """
        def number():
            return 1
        @app.get("/x")
        @static()
        def x(n: int = Depends(number)):
            return n
    """
    pond, module = pond_of(project, source)
    pond.dependency_overrides[module["number"]] = lambda: 2
    async with pond.lifespan(), client_of(pond) as client:
        assert (await client.get("/x")).json() == 2


def test_openapi_is_that_of_fastapi(project: Project) -> None:
    source = """
        inner = APIRouter(prefix="/in", tags=["in"])
        @inner.get("/x/{n:int}")
        @static(revalidate=60)
        def x(n: int, q: str = "") -> dict[str, int]:
            return {"n": n}
        @app.get("/top", summary="Top")
        @static()
        def top():
            return 1
        app.include_router(inner)
    """
    pond, simple = pond_of(project, source)[0], plain(project, source)
    assert pond.openapi()["paths"] == simple.openapi()["paths"]


async def test_options_of_the_application_guard_its_endpoints(project: Project) -> None:
    """A guard that reads the request makes the route live, so each visitor meets it."""

    def guard(request: Request) -> None:
        if request.headers.get("authorization") != "secret":
            from fastapi import HTTPException

            raise HTTPException(401)

    pond = project.pond()
    router = APIRouter(dependencies=[Depends(guard)])
    router.get("/x")(static(revalidate=60)(lambda: "secret"))
    pond.include_router(router)
    async with pond.lifespan(), client_of(pond) as client:
        for _ in range(3):
            assert (await client.get("/x")).status_code == 401
            assert (await client.get("/x", headers={"authorization": "secret"})).json() == "secret"
