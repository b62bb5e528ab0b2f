"""What makes an endpoint with `@static` live, and what the build says of that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from declared_in_code import build, line_of, serving
from ponds import client_of

if TYPE_CHECKING:
    from ponds import Project

pytestmark = [pytest.mark.anyio, pytest.mark.private_names]

READING = """
    from fastapi.security import HTTPBearer

    def declares(x_token: str | None = Header(None)):
        return x_token

    def nested(token=Depends(declares)):
        return token

    def reads(request: Request):
        return request.headers.get("x-token")

    async def reads_later(request: Request):
        yield request.cookies.get("a")

    def asks_state(request: Request):
        return getattr(request.state, "user", None)

    def asks_session(request: Request):
        return request.session["user"]

    class Checker:
        def __call__(self, request: Request):
            return request.query_params.get("q")

    bearer = HTTPBearer(auto_error=False)

    def secured(who=Depends(bearer)):
        return who

    class Filters:
        def __init__(self, q: str = ""):
            self.q = q

    def pages(page: int = 1):
        return page

    guarded = APIRouter(prefix="/guarded", dependencies=[Depends(reads)])

    @app.get("/own")
    @static()
    def own(x_token: str | None = Header(None)):
        return x_token

    @app.get("/nested")
    @static()
    def with_nested(token=Depends(nested)):
        return token

    @app.get("/reads")
    @static()
    def with_reads(token=Depends(reads)):
        return token

    @app.get("/reads-later")
    @static()
    def with_reads_later(token=Depends(reads_later)):
        return token

    @app.get("/state")
    @static()
    def with_state(user=Depends(asks_state)):
        return user

    @app.get("/session")
    @static()
    def with_session(user=Depends(asks_session)):
        return user

    @app.get("/checked")
    @static()
    def with_checker(q=Depends(Checker())):
        return q

    @app.get("/secured")
    @static()
    def with_secured(who=Depends(secured)):
        return 1

    @app.get("/paged")
    @static()
    def with_pages(page=Depends(pages)):
        return page

    @app.get("/filtered")
    @static()
    def filtered(filters: Filters = Depends()):
        return filters.q

    @app.get("/keyed")
    @static(cache_query=["page"])
    def keyed(page=Depends(pages)):
        runs.append(page)
        return page

    @app.get("/forced")
    @static(dynamic="force-static")
    def forced(x_token: str | None = Header(None), token=Depends(reads)):
        return [x_token, token]

    @app.get("/dynamic")
    @static(dynamic="force-dynamic")
    def dynamic():
        return 1

    @app.get("/body")
    @static()
    async def body(request: Request):
        return (await request.body()).decode()

    @guarded.get("/x")
    @static()
    def behind():
        return 1
    app.include_router(guarded)
"""

WHY = {
    "/own": ('declares header "x-token"', '@app.get("/own")'),
    "/nested": ('declares header "x-token" in declares', "def declares"),
    "/reads": ('request.headers["x-token"]', 'request.headers.get("x-token")'),
    "/reads-later": ('request.cookies["a"]', 'request.cookies.get("a")'),
    "/state": ("request.state.user", 'getattr(request.state, "user", None)'),
    "/session": ("request.session", 'request.session["user"]'),
    "/checked": ('request.query_params["q"]', 'request.query_params.get("q")'),
    "/secured": ('declares security scheme "HTTPBearer" in secured', "def secured"),
    "/paged": ('declares query parameter "page" in pages', "def pages"),
    "/filtered": ('declares query parameter "q" in Filters', "def __init__"),
    "/guarded/x": ('request.headers["x-token"]', 'request.headers.get("x-token")'),
    "/dynamic": ('dynamic = "force-dynamic"', '@static(dynamic="force-dynamic")'),
}


async def test_the_build_says_which_dependency_reads_the_request_and_where(project: Project) -> None:
    built = await build(project, READING)
    assert [str(failure) for failure in built.failures] == []
    records = {record.pattern: record for record in built.manifest.routes}
    said = {path: (records[path].glyph, str(records[path].reason)) for path in WHY}
    assert said == {path: ("λ", f"{text} · {line_of(project, line)}") for path, (text, line) in WHY.items()}
    assert {path for path, record in records.items() if record.static} == {"/keyed", "/forced"}
    async with serving(project, READING) as (running, _):
        headers = {"x-token": "t", "cookie": "a=b"}
        for _ in range(2):
            assert (await running.get("/own", headers=headers)).json() == "t"
            assert (await running.get("/own")).json() is None
            assert (await running.get("/reads", headers=headers)).json() == "t"
            assert (await running.get("/reads-later", headers=headers)).json() == "b"
            assert (await running.get("/checked?q=1")).json() == "1"
            assert (await running.get("/paged?page=3")).json() == 3
            assert (await running.get("/forced", headers=headers)).json() == [None, None]
            assert (await running.client.request("GET", "/body", content=b"text")).json() == "text"


async def test_queries_that_are_named_are_part_of_the_key(project: Project) -> None:
    async with serving(project, READING) as (running, module):
        for query in ("", "?page=2", "?page=2&other=1", "?page=3", "?page=2"):
            answer = await running.get(f"/keyed{query}")
            assert answer.json() == (int(query[6]) if query else 1)
        assert module["runs"] == [1, 2, 3]


async def test_what_middleware_leaves_in_the_state_is_one_visitors(project: Project) -> None:
    source = """
        @app.middleware("http")
        async def login(request: Request, call_next):
            request.state.user = request.headers.get("x-user")
            return await call_next(request)

        def user(request: Request):
            if request.state.user is None:
                raise HTTPException(401)
            return request.state.user

        @app.get("/mine")
        @static()
        def mine(who: str = Depends(user)):
            return who
    """
    async with serving(project, source) as (running, _):
        for _ in range(2):
            assert (await running.get("/mine")).status_code == 401
            assert (await running.get("/mine", headers={"x-user": "ann"})).json() == "ann"
            assert (await running.get("/mine", headers={"x-user": "ben"})).json() == "ben"


async def test_hits_run_no_dependencies_that_read_nothing_of_the_request(project: Project) -> None:
    source = """
        allowed = [True]
        def guard():
            runs.append("guard")
            if not allowed[0]:
                raise HTTPException(403)
        @app.get("/x", dependencies=[Depends(guard)])
        @static()
        def x():
            return 1
    """
    async with serving(project, source) as (running, module):
        assert [await running.cache("/x") for _ in range(2)] == ["MISS", "HIT"]
        module["allowed"][0] = False
        assert (await running.get("/x")).status_code == 200
        assert module["runs"] == ["guard"]


async def test_a_route_class_that_reads_the_request_makes_its_routes_live(project: Project) -> None:
    source = """
        from fastapi.routing import APIRoute
        class Checked(APIRoute):
            def get_route_handler(self):
                inner = super().get_route_handler()
                async def handler(request):
                    if request.headers.get("x-key") != "k":
                        return Response("no", 403)
                    return await inner(request)
                return handler
        class Own(Request):
            async def body(self):
                return b""
        class WithOwnRequest(APIRoute):
            def get_route_handler(self):
                inner = super().get_route_handler()
                async def handler(request):
                    if Own(request.scope, request.receive).headers.get("x-key") != "k":
                        return Response("no", 403)
                    return await inner(Own(request.scope, request.receive))
                return handler
        app.router.add_api_route("/z", static()(lambda: 1), route_class_override=WithOwnRequest)
        inner = APIRouter(route_class=Checked)
        @inner.get("/x")
        @static()
        def x():
            return 1
        app.include_router(inner, prefix="/in")
        app.router.add_api_route("/y", x, route_class_override=Checked)
    """
    async with serving(project, source) as (running, _):
        for path in ("/in/x", "/y", "/z"):
            for _ in range(2):
                assert (await running.get(path)).status_code == 403
                assert (await running.get(path, headers={"x-key": "k"})).json() == 1


async def test_frozen_inputs_of_endpoints_are_reported(project: Project) -> None:
    source = """
        import os, time
        @app.get("/x")
        @static()
        def x():
            return [os.environ.get("HOME"), time.time()]
        inner = APIRouter()
        @inner.get("/in")
        @static(frozen_ok=["clock"])
        async def y():
            return time.time()
        app.include_router(inner)
        @app.get("/slow", dependencies=[Depends(lambda: os.environ.get("PATH"))])
        @static(revalidate=60)
        async def z():
            return os.environ.get("HOME")
    """
    built = await build(project, source)
    found = {
        record.pattern: [(each.subject, each.silent) for each in record.inputs] for record in built.manifest.routes
    }
    assert found["/x"] == [("env HOME", True), ("clock", True)]
    assert found["/in"] == [("clock", False)]
    assert ("env HOME", True) in found["/slow"]


async def test_a_promise_that_is_broken_fails_the_build(project: Project) -> None:
    source = """
        def reads(request: Request):
            return request.headers.get("a")
        @app.get("/x", dependencies=[Depends(reads)])
        @static(dynamic="error")
        def x():
            return 1
    """
    built = await build(project, source)
    assert len(built.failures) == 1
    assert "main.py" in str(built.failures[0])
    assert 'request.headers["a"]' in str(built.failures[0])


async def test_a_plain_fastapi_runs_endpoints_as_if_they_had_no_mark(project: Project) -> None:
    from declared_in_code import plain

    app = plain(project, READING)
    async with client_of(app) as client:
        for _ in range(2):
            answer = await client.get("/reads", headers={"x-token": "t"})
            assert (answer.json(), answer.headers.get("x-nextjs-cache")) == ("t", None)
            assert (await client.get("/keyed?page=2")).json() == 2
