"""Operations that are run without FastAPI's machinery, held against the same ones that are run with all of it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI, routing
from opentelemetry import trace
from starlette.applications import Starlette
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import Router

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from ponds import Project, Running

pytestmark = pytest.mark.anyio

INSTRUMENTATION = """
from starlette.responses import PlainTextResponse

class SoldOut(Exception): ...

def register(app):
    @app.exception_handler(SoldOut)
    async def sold_out(request, error):
        return PlainTextResponse("sold out: " + (await request.body()).decode(), 410)
"""

HEAD = """
import dataclasses
from typing import Annotated
from fastapi import BackgroundTasks, Cookie, Depends, Header, HTTPException, Path, Query
from fastapi import Response as Changed
from pydantic import AfterValidator, BaseModel
from starlette.background import BackgroundTask
from starlette.requests import HTTPConnection
from instrumentation import SoldOut
from millpond import *

log = []

class Filters(BaseModel):
    q: str
    page: int = 1

class Item(BaseModel):
    name: str

class Refusing(Response):
    async def __call__(self, scope, receive, send): raise SoldOut

async def stream(*parts):
    for part in parts:
        if isinstance(part, Exception):
            raise part
        yield part
"""

OPERATIONS = {
    "/value": "{kind} GET(): return {{'a': [1, 2.5, None], '_sa_x': 1}}",
    "/none": "{kind} GET(): return None",
    "/no-json": "{kind} GET(): return object()",
    "/text/[slug]": "{kind} GET(slug): return slug",
    "/number/[n]": "{kind} GET(n: int): return n + 1",
    "/limited/[slug]": "{kind} GET(slug: Annotated[str, Path(max_length=3)]): return slug",
    "/shouted/[slug]": "{kind} GET(slug: Annotated[str, AfterValidator(str.upper)]): return slug",
    "/renamed/[slug]": "{kind} GET(other: Annotated[str, Path(alias='slug')]): return other",
    "/rest/[...rest]": "{kind} GET(rest): return rest",
    "/maybe/[[...rest]]": "{kind} GET(rest: list[int] = [7]): return rest",
    "/query": "{kind} GET(q: str, n: int = 3, many: list[int] = Query([])): return [q, n, many]",
    "/filters": "{kind} GET(filters: Annotated[Filters, Query()]): return filters",
    "/header": "{kind} GET(x_token: Annotated[str, Header()], b: Annotated[str, Cookie()]): return [x_token, b]",
    "/request": "{kind} GET(request, c: HTTPConnection): return [request is c, request.method]",
    "/found": "{kind} GET(request): return [str(request.url_for('get_found')), request.app.title, request.state.x]",
    "/router": "{kind} GET(request): return type(request.scope['router']).__name__",
    "/body": "{kind} POST(item: Item): return {{'got': item}}",
    "/model": "{kind} GET() -> Item: return {{'name': 'n', 'more': 1}}",
    "/bad-model": "{kind} GET() -> Item: return {{'name': 1}}",
    "/http-error": "{kind} GET(): raise HTTPException(418, 'tea', {{'x-pot': 'short'}})",
    "/error": "{kind} GET(): raise ValueError('v')",
    "/sold-out": "async def POST(request):\n    await request.body()\n    raise SoldOut",
    "/redirect": "{kind} GET(): redirect('/value')",
    "/not-found": "{kind} GET(): not_found()",
    "/cookie": "{kind} GET():\n    cookies().set('a', 'b')\n    return 1",
    "/response": "{kind} GET(): return JSONResponse([1], 203, {{'x-own': '1'}})",
    "/empty": "{kind} DELETE(): return Response(status_code=204)",
    "/stream": "{kind} GET(): return StreamingResponse(stream('a', 'b'), media_type='text/csv')",
    "/late-error": "{kind} GET(): return StreamingResponse(stream('a', SoldOut()))",
    "/refusing": "{kind} GET(): return Refusing()",
    "/background": "{kind} GET(): return Response('b', background=BackgroundTask(log.append, 'ran'))",
    "/bad-background": "{kind} GET(): return Response('b', background=BackgroundTask(divmod, 1, 0))",
    "/changed": "{kind} GET(response: Changed):\n    response.status_code = 203\n    return 1",
    "/no-content": "{kind} GET(response: Changed):\n    response.status_code = 204",
    "/tasks": "{kind} GET(tasks: BackgroundTasks):\n    tasks.add_task(log.append, 'ran')\n    return 1",
    "/depends": "def given(q: str = 'd'):\n    yield q\n    log.append('left')\n"
    "{kind} GET(q: Annotated[str, Depends(given)]): return {{'q': q}}",
    "/generator": "def GET():\n    yield {{'a': 1}}\n    yield {{'a': 2}}",
}

REQUESTS: list[tuple[str, dict[str, Any]]] = [
    *((f"GET {path}", {}) for path in OPERATIONS if "[" not in path),
    *((f"{method} /value", {}) for method in ("HEAD", "OPTIONS", "POST")),
    ("GET /text/a%2Fb", {}),
    ("GET /number/41", {}),
    ("GET /number/x", {}),
    ("GET /limited/abc", {}),
    ("GET /limited/abcd", {}),
    ("GET /shouted/abc", {}),
    ("GET /renamed/abc", {}),
    ("GET /rest/a/b", {}),
    ("GET /maybe", {}),
    ("GET /maybe/1/2", {}),
    ("GET /maybe/1/x", {}),
    ("GET /query?q=a&n=5&many=1&many=2", {}),
    ("GET /query?q=a&n=x&many=y", {}),
    ("GET /filters?q=a&page=2", {}),
    ("GET /filters?page=x", {}),
    ("GET /header", {"headers": {"x-token": "t", "cookie": "b=c"}}),
    ("GET /depends?q=a", {}),
    ("POST /body", {"json": {"name": "n"}}),
    ("POST /body", {"json": {"name": 1}}),
    ("POST /body", {"content": b"{"}),
    ("POST /sold-out", {"content": b"seen"}),
    ("DELETE /empty", {}),
]


def observed(app: ASGIApp) -> ASGIApp:
    """As if FastAPI observed each request: then nothing passes it by."""

    async def observing(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "fastapi.telemetry": object()}, receive, send)

    return observing


def write(project: Project, kind: str) -> None:
    project.write({"instrumentation.py": INSTRUMENTATION})
    project.routes({pattern: HEAD + source.format(kind=kind) + "\n" for pattern, source in OPERATIONS.items()})


async def answers(running: Running) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for request, options in REQUESTS:
        method, path = request.split()
        try:
            answer = await running.client.request(method, path, **options)
        except AssertionError:  # what the client makes of an answer that breaks off
            found.append((request, None))
            continue
        found.append((request, answer.status_code, sorted(answer.headers.multi_items()), answer.content))
    await running.settle()
    logs = [(route.pattern, running.module(route.pattern).log) for route in running.pond.file_routes]
    return [*found, *logs]


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_nobody_can_tell_from_an_answer_which_way_it_was_made(project: Project, kind: str) -> None:
    write(project, kind)
    with_state = "import contextlib\n@contextlib.asynccontextmanager\nasync def life(app):\n    yield {'x': 'state'}\n"
    project.write({"instrumentation.py": with_state + INSTRUMENTATION + "    app.router.lifespan_context = life\n"})
    async with project.started() as running:
        direct = await answers(running)
    async with project.started(wrap=observed) as running:
        whole = await answers(running)
    for one, other in zip(direct, whole, strict=True):
        assert one == other
    assert {status for _, status, *_ in direct[: len(REQUESTS)]} == {
        None,
        200,
        203,
        204,
        307,
        404,
        405,
        410,
        418,
        422,
        500,
    }


SHOWING = "def GET(request{}): return sorted(name for name in request.scope if name.startswith('fastapi'))\n"
MACHINERY = ["fastapi_function_astack", "fastapi_inner_astack", "fastapi_middleware_astack"]


async def machinery(running: Running) -> list[str]:
    found: list[str] = (await running.get("/")).json()
    return [name for name in found if name in MACHINERY]


@pytest.mark.parametrize("declared", ["", ", q: str = ''", ", q: list[int] = Query([])"])
async def test_what_declares_only_parameters_is_run_without_the_machinery(project: Project, declared: str) -> None:
    project.routes({"/": "from fastapi import Query\n" + SHOWING.format(declared)})
    async with project.started() as running:
        assert await machinery(running) == []
    async with project.started(wrap=observed) as running:
        assert await machinery(running) == MACHINERY


@pytest.mark.parametrize(
    "declared", ["response: Response", "tasks: BackgroundTasks", "scopes: SecurityScopes", "d=Depends(lambda: 1)"]
)
async def test_what_declares_more_has_all_of_it(project: Project, declared: str) -> None:
    head = "from fastapi import *\nfrom fastapi.security import SecurityScopes\n"
    project.routes({"/": head + SHOWING.format(f", {declared}")})
    async with project.started() as running:
        assert await machinery(running) == MACHINERY


async def test_a_function_that_yields_still_streams(project: Project) -> None:
    project.routes({"/": "async def GET():\n    yield {'a': 1}\n    yield {'a': 2}\n"})
    async with project.started() as running:
        answer = await running.get("/")
        assert (answer.headers["content-type"], answer.text) == ("application/jsonl", '{"a": 1}\n{"a": 2}\n')


async def test_a_background_task_of_a_response_unmakes_no_static_answer(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.routes(
        {
            "/": """
            from millpond import Response
            from starlette.background import BackgroundTask
            revalidate = 60
            def GET(): return Response("b", background=BackgroundTask(divmod, 1, 0))
            """
        }
    )
    async with project.serving() as running:
        assert await running.cache("/") == "HIT"
    assert "ZeroDivisionError" in caplog.text


async def test_middleware_of_the_inner_application_sees_what_is_run_directly(project: Project) -> None:
    project.write(
        {
            "instrumentation.py": """
            class Seen:
                def __init__(self, app): self.app = app
                async def __call__(self, scope, receive, send):
                    async def marked(message):
                        if message["type"] == "http.response.start":
                            message["headers"].append((b"x-seen", b"1"))
                        await send(message)
                    await self.app(scope, receive, marked)
            def register(app): app.add_render_middleware(Seen)
            """
        }
    )
    project.routes(
        {
            "/": "def GET(): return 1\n",
            "/error": "from fastapi import HTTPException\ndef GET(): raise HTTPException(418)\n",
        }
    )
    async with project.started() as running:
        for path, status in (("/", 200), ("/error", 418)):
            answer = await running.get(path)
            assert (answer.status_code, answer.headers["x-seen"]) == (status, "1")


async def test_a_limit_on_bodies_that_the_application_was_given_holds(project: Project) -> None:
    project.write({"instrumentation.py": "def register(app): app.max_body_size = 4\n"})
    project.routes(
        {"/": "from millpond import Request\nasync def POST(request: Request): return await request.body()\n"}
    )
    async with project.started() as running:
        assert [(await running.client.post("/", content=sent)).status_code for sent in (b"1234", b"12345")] == [
            200,
            413,
        ]


async def test_a_root_path_that_the_application_was_given_is_seen_each_time(project: Project) -> None:
    project.write({"instrumentation.py": "def register(app): app.root_path = '/below'\n"})
    project.routes(
        {"/": "from millpond import Request\ndef GET(request: Request): return request.scope['root_path']\n"}
    )
    async with project.started() as running:
        assert [(await running.get("/")).json() for _ in range(3)] == ["/below"] * 3


class Replaced:
    """What tracers put in place of a function: it can be called, and says that it is the function."""

    def __init__(self, function: Any) -> None:
        self.function, self.__module__, self.calls = function, function.__module__, 0

    @property  # type: ignore[misc]  # it can be set, says typeshed; as wrapt has it
    def __class__(self) -> type:
        return type(self.function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        return self.function(*args, **kwargs)


def a_second_later(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is looked again whether anybody observes requests."""
    monkeypatch.setattr(running.pond._is_unseen, "_looks_again", 0.0)


@pytest.mark.parametrize("name", ["get_request_handler", "run_endpoint_function", "solve_dependencies"])
async def test_whoever_has_replaced_a_part_of_fastapi_sees_what_goes_through_it(
    project: Project, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    replaced = Replaced(getattr(routing, name))
    monkeypatch.setattr(routing, name, replaced)
    project.routes({"/": SHOWING.format("")})
    async with project.started() as running:
        before = replaced.calls  # to find out which private names are known
        assert await machinery(running) == MACHINERY
        assert replaced.calls - before == 1


@pytest.mark.parametrize("later", [False, True], ids=["before", "meanwhile"])
@pytest.mark.parametrize("kind", [Starlette, FastAPI, Router, ServerErrorMiddleware, ExceptionMiddleware])
async def test_whoever_has_replaced_a_way_in_sees_each_request_and_each_render(
    project: Project, monkeypatch: pytest.MonkeyPatch, kind: type[Any], later: bool
) -> None:
    calls: list[str] = []
    original = kind.__call__

    @functools.wraps(original)
    async def replacement(self: Any, scope: Scope, receive: Receive, send: Send) -> None:
        calls.append(scope["path"])
        await original(self, scope, receive, send)

    project.routes({"/": SHOWING.format(""), "/p/[n]": "revalidate = 60\nasync def GET(n): return n\n"})
    async with project.started() as running:
        if later:
            assert await machinery(running) == []
            a_second_later(running, monkeypatch)
        monkeypatch.setattr(kind, "__call__", replacement)
        assert await machinery(running) == MACHINERY
        assert (await running.get("/p/1")).text == '"1"'
        assert calls == ["/", *["/p/1"] * (2 if kind is ExceptionMiddleware else 1)]  # a render has handlers, too


class Provider(trace.TracerProvider):
    """One of the user's."""

    def get_tracer(self, *args: Any, **kwargs: Any) -> trace.Tracer:
        return trace.NoOpTracer()


async def test_fastapi_observes_requests_from_when_opentelemetry_is_set_up(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.routes({"/": SHOWING.format("")})
    async with project.started() as running:
        assert await machinery(running) == []
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", Provider())
        a_second_later(running, monkeypatch)
        assert await machinery(running) == MACHINERY
