"""A request inside of a cached function, however the function came by it: refused, and nothing is stored."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message

    from ponds import Project, Running

pytestmark = pytest.mark.anyio

PARTS = {
    'request.headers["x-user"]': 'request.headers["x-user"]',
    'request.headers.get("x-user")': 'request.headers["x-user"]',
    "dict(request.headers)": "request.headers",
    "request.headers.raw": "request.headers",
    'request.cookies["user"]': 'request.cookies["user"]',
    "len(request.cookies)": "request.cookies",
    'request.query_params["q"]': 'request.query_params["q"]',
    "str(request.query_params)": "request.query_params",
    "request.url.query": "request.url.query",
    "request.url.path": "request.url.path",
    "request.url.hostname": "request.url.hostname",
    "str(request.url)": "request.url",
    "str(request.base_url)": "request.base_url",
    'str(request.url_for("get_root"))': "request.url_for()",
    "request.client": "request.client",
    "request.method": "request.method",
    "request.path_params": "request.path_params",
    "request.state": "request.state",
    "request.session": "request.session",
    "request.user": "request.user",
    "request.auth": "request.auth",
    "await request.body()": "request.body()",
    "await request.json()": "request.json()",
    "await request.form()": "request.form()",
    "[chunk async for chunk in request.stream()]": "request.stream()",
    "await request.receive()": "request.receive",
    'request.scope["headers"]': "request.scope",
    'request["headers"]': 'request["headers"]',
    'request.get("path")': 'request["path"]',
    "dict(request)": "request",
}
CLOSURE = """
from millpond import cached
dynamic = "force-dynamic"
async def GET(request):
    request.state.seen = request.headers, request.cookies, request.query_params, request.url
    @cached(key=["x"])
    async def inner():
        try:
            return str({part})
        except {error}:
            return "swallowed"
    return await inner()
"""


async def as_users(running: Running, path: str = "/") -> list[tuple[int, str]]:
    """What two users get, one after the other."""
    answers = [
        await running.get(f"{path}?q={name}", headers={"x-user": name, "cookie": f"user={name}"})
        for name in ("alice", "bob")
    ]
    return [(answer.status_code, answer.text) for answer in answers]


async def refusals(project: Project, caplog: pytest.LogCaptureFixture, sources: list[str]) -> list[str]:
    """What is refused to the cached function of each, by what the log says. All of them are tried in one run."""
    project.routes({f"/r{number}": source for number, source in enumerate(sources)})
    refused = []
    async with project.started() as running:
        for number in range(len(sources)):
            caplog.clear()
            answers = await as_users(running, f"/r{number}")
            assert answers == [(500, "Internal Server Error")] * 2, sources[number]
            wanted = rf"UsageError: app/r{number}/route\.py:(\d+): (.*) inside of the cached function"
            found = re.findall(wanted, caplog.text)
            line = next(at for at, text in enumerate(sources[number].splitlines(), 1) if "return str(" in text)
            assert {int(place) for place, _ in found} == {line}
            refused.append(found[0][1])
        assert [entry for entry in running.pond.store.entries() if entry.kind == "function"] == []
    return refused


@pytest.mark.parametrize("error", ["ZeroDivisionError", "Exception", "BaseException"])
async def test_each_part_of_a_request_that_a_function_closes_over_is_refused(
    project: Project, caplog: pytest.LogCaptureFixture, error: str
) -> None:
    sources = [CLOSURE.format(part=part, error=error) for part in PARTS]
    assert dict(zip(PARTS, await refusals(project, caplog, sources), strict=True)) == PARTS


HOLDERS = {
    "a global": ("    global held\n    held = request", "held.headers['x-user']", 'request.headers["x-user"]'),
    "headers, asked for before": ("    had = request.headers", "had['x-user']", 'request.headers["x-user"]'),
    "cookies, asked for before": ("    had = request.cookies", "had['user']", 'request.cookies["user"]'),
    "a query, asked for before": ("    had = request.query_params", "had['q']", 'request.query_params["q"]'),
    "a URL, asked for before": ("    had = request.url", "str(had)", "request.url"),
    "a state, asked for before": ("    had = request.state", "had.user", 'request.state["user"]'),
    "an ASGI scope": ("    had = request.scope", "dict(had['headers'])[b'x-user']", "request.headers"),
    "an ASGI scope's query": ("    had = request.scope", "had['query_string'].decode()", "request.query_params"),
    "an ASGI scope's client": ("    had = request.scope", "had['client'][0]", "request.client"),
    "a copy of an ASGI scope": ("    had = {**request.scope}", "had['headers'][0]", "request.headers"),
    "a request of one's own": (
        "    had = Request(request.scope)",
        "had.headers['x-user']",
        'request.headers["x-user"]',
    ),
    "its cookies": ("    had = Request(request.scope)", "had.cookies['user']", 'request.cookies["user"]'),
    "its query": ("    had = Request(request.scope)", "had.query_params['q']", 'request.query_params["q"]'),
    "a WebSocket": (
        "    had = WebSocket({**request.scope, 'type': 'websocket'}, None, None)",
        "had.headers['x-user']",
        'request.headers["x-user"]',
    ),
    "headers()": ("    had = headers()", "had['x-user']", 'headers()["x-user"]'),
    "cookies()": ("    had = cookies()", "had['user']", "cookies()"),
}
HOLDING = """
from millpond import Request, cached, cookies, headers
from starlette.websockets import WebSocket
dynamic = "force-dynamic"
held = None
{kind} GET(request):
{holder}
    @cached(key=["x"])
    {kind} inner():
        try: return str({read})
        except BaseException: return "swallowed"
    return {wait} inner()
"""


@pytest.mark.parametrize("kind", ["async def", "def"])
@pytest.mark.parametrize("compat", ["14", "15", "16"])
async def test_it_is_refused_wherever_the_function_has_it_from(
    project: Project, caplog: pytest.LogCaptureFixture, compat: str, kind: str
) -> None:
    project.config = {"compat": compat}
    wait = "await" if kind == "async def" else ""
    sources = [HOLDING.format(kind=kind, holder=before, read=read, wait=wait) for before, read, _ in HOLDERS.values()]
    found = dict(zip(HOLDERS, await refusals(project, caplog, sources), strict=True))
    assert found == {holder: api for holder, (_, _, api) in HOLDERS.items()}


async def test_a_render_for_everybody_is_refused_it_as_a_live_run_is(project: Project) -> None:
    source = CLOSURE.format(part="request.path_params", error="BaseException")
    source = source.replace('dynamic = "force-dynamic"', "revalidate = 60")
    project.routes({"/": source.replace("    request.state.seen = request.headers, ", "    had = request.headers, ")})
    (failure,) = await project.failures()
    assert "app/route.py:9: request.path_params inside of the cached function " in failure


@pytest.mark.parametrize("kept", ["ContextVar", "global"])
async def test_a_request_that_middleware_keeps_is_refused(
    project: Project, caplog: pytest.LogCaptureFixture, kept: str
) -> None:
    project.write(
        {
            "instrumentation.py": """
            from contextvars import ContextVar
            request_var = ContextVar("request_var", default=None)
            class kept: request = None
            def register(app):
                from starlette.middleware.base import BaseHTTPMiddleware
                @lambda function: app.add_render_middleware(BaseHTTPMiddleware, dispatch=function)
                async def keep(request, call_next):
                    request.headers.get("x-user"), request.cookies.get("user")
                    kept.request = request
                    request_var.set(request)
                    return await call_next(request)
            """
        }
    )
    seen = "request_var.get()" if kept == "ContextVar" else "kept.request"
    project.routes(
        {
            "/": f"""
            from millpond import cached
            from instrumentation import kept, request_var
            dynamic = "force-dynamic"
            @cached
            async def who():
                try: return {seen}.headers["x-user"]
                except BaseException: return "swallowed"
            async def GET(): return await who()
            """
        }
    )
    async with project.started() as running:
        answers = await as_users(running)
        assert not any("alice" in text for _, text in answers)
        assert not any(b"alice" in entry.body for entry in running.pond.store.entries())
        if kept == "global":
            assert [status for status, _ in answers] == [500, 500]


MADE = """
from contextvars import ContextVar
from starlette.datastructures import State
from starlette.requests import HTTPConnection, Request
class kept: request = None
class Own(Request):
    @property
    def who(self): return self.headers["x-user"]
class Keep:
    def __init__(self, app): self.app = app
    async def __call__(self, scope, receive, send):
        made = {made}
        made.headers.get("x-user"), made.cookies.get("user"), made.query_params.get("q"), str(made.url), made.client
        made.state.user = made.headers.get("x-user")
        kept.request = made
        await self.app(scope, receive, send)
def register(app): app.add_render_middleware(Keep)
"""
READS_OF_MADE = [
    "kept.request.headers['x-user']",
    "kept.request.cookies['user']",
    "kept.request.query_params['q']",
    "kept.request.url",
    "kept.request.state.user",
    "kept.request.client",
    "kept.request.path_params",
]


@pytest.mark.parametrize("made", ["Request(scope, receive)", "HTTPConnection({**scope})", "Own(scope)"])
async def test_a_request_that_middleware_makes_and_reads_is_refused(
    project: Project, caplog: pytest.LogCaptureFixture, made: str
) -> None:
    project.write({"instrumentation.py": MADE.format(made=made)})
    sources = [
        f"""
from millpond import cached
from instrumentation import kept
dynamic = "force-dynamic"
@cached
async def inner():
    try: return str({read})
    except BaseException: return "swallowed"
async def GET(): return await inner()
"""
        for read in READS_OF_MADE
    ]
    refused = await refusals(project, caplog, sources)
    assert [api.partition("[")[0] for api in refused] == [
        read.removeprefix("kept.").partition("[")[0].removesuffix(".user") for read in READS_OF_MADE
    ]


OWN = """
from fastapi import APIRouter, Request, WebSocket
from millpond import cached
router = APIRouter()
def greeting(connection):
    @cached(key=["x"])
    async def inner():
        try: return str({read})
        except BaseException: return "swallowed"
    return inner()
@router.get("/included")
@router.get("/own")
async def own(request: Request): return await greeting(request)
@router.websocket("/socket")
async def socket(socket: WebSocket):
    await socket.accept()
    try: await socket.send_text(await greeting(socket))
    except Exception as error: await socket.send_text(str(error))
    await socket.close()
def register(app):
    app.get("/own")(own)
    app.include_router(router, prefix="/more")
"""
OWN_READS = {
    'connection.headers["x-user"]': 'request.headers["x-user"]',
    'connection.cookies["user"]': 'request.cookies["user"]',
    "connection.url.query": "request.url.query",
    "connection.state": "request.state",
}


@pytest.mark.parametrize("read", OWN_READS)
async def test_declared_endpoints_are_refused_it(project: Project, caplog: pytest.LogCaptureFixture, read: str) -> None:
    project.write({"instrumentation.py": OWN.format(read=read)})
    project.routes({"/": "def GET(): return 1\n"})
    refusal = f"{OWN_READS[read]} inside of the cached function greeting.<locals>.inner()"
    async with project.started() as running:
        for path in ("/own", "/more/included"):
            caplog.clear()
            await as_users(running, path)
            assert refusal in caplog.text
        assert refusal in await told(running.pond, "/more/socket")


async def told(app: ASGIApp, path: str) -> str:
    """What a WebSocket is sent first."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"x-user", b"alice"), (b"cookie", b"user=alice")]
    scope = {
        "type": "websocket",
        "path": path,
        "query_string": b"q=alice",
        "headers": headers,
        "client": ("1.2.3.4", 5),
    }
    await app(scope, receive, send)
    return next(str(message["text"]) for message in sent if message["type"] == "websocket.send")


async def test_a_refresh_of_a_stale_value_is_refused_it(project: Project) -> None:
    project.routes(
        {
            "/": """
            from millpond import cached
            dynamic = "force-dynamic"
            async def GET(request):
                @cached(key=["x"], revalidate=10)
                async def inner():
                    return request.headers["x-user"] if GET.reads else "nobody"
                return await inner()
            GET.reads = False
            """
        }
    )
    async with project.started() as running:
        assert await as_users(running) == [(200, '"nobody"')] * 2
        running.module("/").GET.reads = True
        project.clock.move(11)
        assert await as_users(running) == [(200, '"nobody"')] * 2
        await running.settle()
        assert await as_users(running) == [(200, '"nobody"')] * 2


async def test_the_application_is_no_part_of_a_request(project: Project) -> None:
    project.write({"instrumentation.py": "def register(app): app.state.shop = 'oak'\n"})
    project.routes({"/": CLOSURE.format(part="request.app.state.shop", error="BaseException")})
    async with project.started() as running:
        assert await as_users(running) == [(200, '"oak"')] * 2


async def test_what_the_handler_reads_and_hands_over_is_an_argument(project: Project) -> None:
    project.routes(
        {
            "/": """
            from millpond import cached
            dynamic = "force-dynamic"
            @cached
            async def greeting(user): return f"hello {user}"
            async def GET(request):
                first = await greeting(request.headers["x-user"])
                return [first, request.cookies["user"], request.query_params["q"], request.scope["headers"] != []]
            """
        }
    )
    async with project.started() as running:
        assert [text for _, text in await as_users(running)] == [
            f'["hello {name}","{name}","{name}",true]' for name in ("alice", "bob")
        ]
