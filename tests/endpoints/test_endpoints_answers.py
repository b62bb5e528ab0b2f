"""Endpoints with `@static`: which requests are answered from the cache, and with what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from declared_in_code import plain, serving
from ponds import client_of

if TYPE_CHECKING:
    from ponds import Project

pytestmark = [pytest.mark.anyio, pytest.mark.private_names]

EVERYWHERE = """
    import functools

    def logged(function):
        @functools.wraps(function)
        async def wrapper(*args, **kwargs):
            return await function(*args, **kwargs)
        return wrapper

    def counted(what):
        runs.append(what)
        return {"run": len(runs), "what": what}

    @app.get("/below")
    @static()
    def below():
        return counted("below")

    @static
    @app.get("/above")
    async def above():
        return counted("above")

    @app.get("/wrapped")
    @logged
    @static()
    async def wrapped():
        return counted("wrapped")

    @app.get("/outside")
    @static()
    @logged
    async def outside():
        return counted("outside")

    def added():
        return counted("added")
    app.add_api_route("/added", static()(added))
    app.add_api_route("/added/again", added)

    class Views:
        @static()
        def view(self):
            return counted("view")
    app.get("/method")(Views().view)

    inner = APIRouter(prefix="/inner/{tenant}")
    @inner.get("/{number:int}")
    @static()
    def included(tenant: str, number: int):
        return counted([tenant, number])
    middle = APIRouter()
    middle.include_router(inner, prefix="/middle/{region}")
    app.include_router(middle, prefix="/v1")
    app.include_router(inner)
"""


@pytest.mark.parametrize(
    "path",
    [
        *("/below", "/above", "/wrapped", "/outside", "/added", "/added/again", "/method"),
        *("/v1/middle/eu/inner/acme/7", "/inner/acme/7"),
    ],
)
async def test_a_second_request_is_a_hit_wherever_an_endpoint_is_declared(project: Project, path: str) -> None:
    async with serving(project, EVERYWHERE) as (running, module):
        first, second, third = [await running.get(path) for _ in range(3)]
        assert [answer.headers["x-nextjs-cache"] for answer in (first, second, third)] == ["MISS", "HIT", "HIT"]
        assert first.json() == second.json() == third.json()
        assert len(module["runs"]) == 1
        assert running.pond.hits is not None
        assert running.pond.hits.cached_path(path.encode()) is not None, "the next one needs no matching"


async def test_one_function_at_two_paths_has_two_answers(project: Project) -> None:
    async with serving(project, EVERYWHERE) as (running, module):
        for path in ("/added", "/added/again", "/v1/middle/eu/inner/acme/7", "/inner/acme/7"):
            assert await running.cache(path) == "MISS"
        assert len(module["runs"]) == 4


PATHS = """
    @app.get("/items/{id}")
    @static()
    def item(id: int, request: Request):
        return [id, request.url.path]

    @app.get("/floats/{n:float}")
    @static()
    def number(n: float):
        return n

    @app.get("/{a}-{b}/x.json")
    @static()
    def both(a: str, b: str):
        return [a, b]

    @app.get("/files/{path:path}")
    @static()
    def files(path: str):
        return path

    @app.get("/slash/")
    @static()
    def slash():
        return "slash"

    @app.post("/only-post")
    def only_post():
        return "post"

    @app.get("/only-post/{x:int}")
    @static(params=[{"x": 1}])
    def with_post(x: int):
        return x

    @app.api_route("/several", methods=["GET", "POST", "HEAD"])
    @static()
    def several(request: Request):
        return "several"
"""

ASKED = [
    *(
        "/items/7",
        "/items/007",
        "/items/x",
        "/items/a%2Fb",
        "/items/",
        "/items",
        "/items/7/",
        "/items/%zz",
        "/items/%00",
    ),
    *("/items/%C3%A9", "/items//7", "//items/7", "/items/7?x=1", "/items/-1", "/items/../items/7", "/items/%37"),
    *("/floats/1.5", "/floats/1.50", "/floats/a", "/a-b/x.json", "/a-b-c/x.json", "/a/x.json", "/a%2Db/x.json"),
    *("/files/a/b", "/files/a//b", "/files/a/", "/files/", "/files", "/files/a%2Fb", "/files/%25zz", "/files/%FF"),
    *("/slash/", "/slash", "/only-post", "/only-post/1", "/only-post/x", "/several", "/none", "/docs", "/openapi.json"),
]


async def test_status_and_body_are_those_of_fastapi_for_each_path_and_method(project: Project) -> None:
    """Twice: the second answers are hits, where the first ones could be stored."""
    async with serving(project, PATHS) as (running, _), client_of(plain(project, PATHS)) as other:
        for path in ASKED:
            for method in ("GET", "GET", "HEAD", "POST", "OPTIONS", "DELETE"):
                ours, theirs = await running.client.request(method, path), await other.request(method, path)
                body = "" if method == "HEAD" else theirs.text  # a server leaves it out, which this client doesn't
                known = (ours.status_code, "" if method == "HEAD" else ours.text)
                assert known == (theirs.status_code, body), (method, path)
                for name in ("allow", "location", "content-type"):
                    assert ours.headers.get(name) == theirs.headers.get(name), (method, path, name)


async def test_paths_that_mean_the_same_are_never_answered_with_each_others_answers(project: Project) -> None:
    async with serving(project, PATHS) as (running, _):
        for _ in range(2):
            assert (await running.get("/items/7")).json() == [7, "/items/7"]
            assert (await running.get("/items/007")).json() == [7, "/items/007"]
            assert (await running.get("/items/%37")).json() == [7, "/items/7"]
            assert (await running.get("/files/a//b")).json() == "a//b"
            assert (await running.get("/files/a/b")).json() == "a/b"
            assert (await running.get("/files/a/b/")).json() == "a/b/"
            assert (await running.get("/files/a%2Fb")).json() == "a/b"


async def test_of_several_methods_only_get_is_cached(project: Project) -> None:
    async with serving(project, PATHS) as (running, _):
        assert [await running.cache("/several") for _ in range(2)] == ["MISS", "HIT"]
        posted = await running.post("/several")
        assert (posted.json(), posted.headers.get("x-nextjs-cache")) == ("several", None)
        head = await running.client.head("/several")
        assert (head.status_code, head.headers["x-nextjs-cache"]) == (200, "HIT")


async def test_refusals_are_not_stored(project: Project) -> None:
    async with serving(project, PATHS) as (running, _):
        for _ in range(3):
            refused = await running.get("/items/x")
            assert (refused.status_code, refused.headers["x-nextjs-cache"]) == (422, "MISS")


KINDS = """
    import asyncio
    from fastapi.responses import FileResponse, StreamingResponse
    from pydantic import BaseModel
    from millpond import after, not_found, redirect

    class Item(BaseModel):
        name: str
        secret: str | None = None

    closed = []
    async def session():
        try:
            yield "session"
        finally:
            closed.append(1)

    @app.get("/model", response_model=Item, response_model_exclude={"secret"}, status_code=203)
    @static()
    def model():
        return Item(name="a", secret="s")

    @app.get("/response")
    @static()
    def response(response: Response, tasks: BackgroundTasks, s: str = Depends(session)):
        runs.append("response")
        response.headers["x-own"] = "1"
        tasks.add_task(runs.append, "task")
        return s

    @app.get("/stream")
    @static()
    def stream():
        return StreamingResponse(iter(["a", "b"]), media_type="text/plain")

    @app.get("/file")
    @static()
    def file():
        return FileResponse(__file__)

    @app.get("/cookie")
    @static()
    def cookie(response: Response):
        response.set_cookie("a", "b")
        return 1

    @app.get("/missing")
    @static()
    def missing():
        runs.append("missing")
        raise HTTPException(404, "gone")

    @app.get("/not-found")
    @static()
    def found():
        not_found()

    @app.get("/away")
    @static()
    def away():
        redirect("/model")

    @app.get("/failing")
    @static()
    def failing():
        runs.append("failing")
        raise ValueError("no")

    class Own(Exception):
        pass

    @app.exception_handler(Own)
    def handle(request, error):
        return Response("handled", 410)

    @app.get("/own")
    @static()
    def own():
        raise Own

    @app.get("/state")
    @static()
    def state(request: Request):
        return request.state.name
"""


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/model", 203, '{"name":"a"}'),
        ("/response", 200, '"session"'),
        ("/stream", 200, "ab"),
        ("/missing", 404, '{"detail":"gone"}'),
        ("/own", 410, "handled"),
    ],
)
async def test_all_kinds_of_answers_are_stored(project: Project, path: str, status: int, text: str) -> None:
    async with serving(project, KINDS) as (running, _):
        for decision in ("MISS", "HIT", "HIT"):
            answer = await running.get(path)
            assert (answer.status_code, answer.text, answer.headers["x-nextjs-cache"]) == (status, text, decision)


async def test_a_render_runs_background_tasks_once_and_closes_what_dependencies_have_opened(project: Project) -> None:
    async with serving(project, KINDS) as (running, module):
        for _ in range(3):
            answer = await running.get("/response")
            assert answer.headers["x-own"] == "1"
        await running.settle()
        assert (module["runs"], module["closed"]) == (["response", "task"], [1])


async def test_what_goes_to_one_visitor_is_not_stored(project: Project) -> None:
    async with serving(project, KINDS) as (running, module):
        for _ in range(2):
            answer = await running.get("/cookie")
            assert (answer.headers["set-cookie"], answer.headers.get("x-nextjs-cache")) == (
                "a=b; Path=/; SameSite=lax",
                None,
            )
            assert (await running.get("/failing")).status_code == 500
        assert module["runs"] == ["failing"] * 2
        assert (await running.get("/not-found")).status_code == 404
        assert (await running.get("/away")).headers["location"] == "/model"
        assert (await running.get("/file")).text.startswith("\nfrom fastapi")


async def test_the_state_of_the_lifespan_reaches_renders(project: Project) -> None:
    from contextlib import asynccontextmanager

    async with serving(project, KINDS) as (running, _):
        assert (await running.get("/state")).status_code == 500

    @asynccontextmanager
    async def lifespan(app: object):  # type: ignore[no-untyped-def]
        yield {"name": "pond"}

    from declared_in_code import pond_of

    pond, _ = pond_of(project, KINDS)
    pond.router.lifespan_context = lifespan
    async with pond.lifespan(), client_of(pond) as client:
        assert [(await client.get("/state")).json() for _ in range(2)] == ["pond", "pond"]
