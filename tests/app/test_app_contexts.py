"""A render has nobody's context: what one visitor's middleware or dependencies set is in no answer for everybody."""

from __future__ import annotations

import importlib
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from millpond.cache import refresh
from ponds import cache_of, client_of, route_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp, Receive, Send
    from starlette.types import Scope as ASGIScope

    from ponds import Project, Running

pytestmark = pytest.mark.anyio

VISITOR = """
import asyncio
import threading
from contextvars import ContextVar
from typing import Annotated
import anyio.to_thread
import structlog
from fastapi import Header
from structlog.contextvars import bind_contextvars, get_contextvars
from millpond import cached, fetch

visitor = ContextVar("visitor", default="nobody")
later = []

async def named(x_visitor: Annotated[str, Header()]):
    visitor.set(x_visitor)
    bind_contextvars(user=x_visitor)

def who():
    found = visitor.get(), get_contextvars().get("user", "nobody")
    visitor.set("the-work")
    return "/".join(found)

@cached(revalidate=10, tags=["all"])
async def of_async():
    await asyncio.sleep(0)
    return who()

@cached(revalidate=10, tags=["all"])
def of_sync():
    return who()

@cached(revalidate=10, tags=["all"])
async def of_nested():
    return " ".join([await of_async(), of_sync(), who()])

@cached(revalidate=10, tags=["all"])
def of_nested_sync():
    return " ".join([of_sync(), who()])

@cached(revalidate=10, tags=["all"])
async def of_threads():
    found = [await asyncio.to_thread(who), await anyio.to_thread.run_sync(who), await asyncio.create_task(soon())]
    return " ".join(found)

async def soon():
    return who()
"""

SHARED = """
from millpond import StreamingResponse, after, cached, fetch
from visitor_here import *
revalidate = 10
{}
"""
LIVE = """
from fastapi import Depends
from millpond import fetch
from visitor_here import *
dynamic = "force-dynamic"
{} GET(_=Depends(named)):
    found = {}
    return [found, visitor.get()]
"""

SHARED_ROUTES = {
    "/render": "async def GET(): return who()",
    "/render-sync": "def GET(): return who()",
    "/param/[n]": "async def GET(n): return who()",
    "/stream": """
async def parts():
    yield who()
async def GET(): return StreamingResponse(parts(), media_type="text/plain")
""",
    "/depends": """
from fastapi import Depends
async def given(): return who()
async def GET(found=Depends(given)): return found
""",
    "/reads": "async def GET(): return ' '.join([await of_async(), of_sync(), await of_nested(), who()])",
    "/reads-sync": "def GET(): return ' '.join([of_sync(), of_nested_sync(), who()])",
    "/reads-own": "async def GET(): return (await fetch('/param/7', revalidate=10, tags=['all'])).json() + ' ' + who()",
    "/after": """
def done(): later.append(who())
async def done_soon(): later.append(who())
async def GET():
    after(done)
    after(done_soon)
    after(done_soon())
    return who()
""",
}
LIVE_ROUTES = {
    "/calls-async": LIVE.format("async def", "await of_async()"),
    "/calls-sync": LIVE.format("async def", "of_sync()"),
    "/calls-sync-in-a-thread": LIVE.format("def", "of_sync()"),
    "/calls-nested": LIVE.format("async def", "await of_nested()"),
    "/calls-nested-sync": LIVE.format("async def", "of_nested_sync()"),
    "/calls-nested-sync-in-a-thread": LIVE.format("def", "of_nested_sync()"),
    "/calls-threads": LIVE.format("async def", "await of_threads()"),
    "/fetches-a-render": LIVE.format("async def", "(await fetch('/render')).json()"),
    "/fetches-a-path": LIVE.format("async def", "(await fetch('/param/1')).json()"),
    "/fetches-a-live-route": LIVE.format("async def", "(await fetch('/plain', revalidate=10, tags=['all'])).json()"),
}


class FromOutside:
    """The middleware of a parent application, which says in a context variable who asks."""

    def __init__(self, app: ASGIApp, module: Any) -> None:
        self.app, self.module = app, module

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        name = dict(scope.get("headers", ())).get(b"x-visitor", b"nobody").decode()
        self.module.visitor.set(name)
        self.module.bind_contextvars(user=name)
        await self.app(scope, receive, send)


ROUTES = {
    **{pattern: SHARED.format(source) for pattern, source in SHARED_ROUTES.items()},
    **LIVE_ROUTES,
    "/plain": "from visitor_here import who\ndynamic = 'force-dynamic'\nasync def GET(): return who()\n",
    "/changed": "from millpond import revalidate_tag, revalidate_path\n"
    "def POST():\n    revalidate_tag('all')\n    revalidate_path('/', 'layout')\n",
    "/draft": "from millpond import draft_mode\ndef POST(): draft_mode().enable()\n",
}
ALWAYS = ("/render", "/param/[n]", "/plain", "/changed", "/draft")


@asynccontextmanager
async def among_visitors(project: Project, pattern: str) -> AsyncIterator[Running]:
    """The route of `pattern`, and those that others use, inside a parent application."""
    project.write({"visitor_here.py": VISITOR})
    project.routes({each: ROUTES[each] for each in (*ALWAYS, pattern)})
    async with project.started() as running:
        outside = FromOutside(running.pond, running.module("/render"))
        async with client_of(outside) as client:
            running.client = client
            yield running


async def seen_by(running: Running, name: str, path: str) -> str:
    """The words of the answer, without those that name the visitor whose answer it is."""
    answer = await running.get(path, headers={"x-visitor": name})
    assert answer.status_code == 200
    body = answer.json() if answer.headers["content-type"] == "application/json" else answer.text
    if isinstance(body, list):
        found, own = body
        assert own == name  # and nothing that the work has set has come back
        return str(found)
    return str(body)


@pytest.mark.parametrize("pattern", [*SHARED_ROUTES, *LIVE_ROUTES])
async def test_whatever_is_kept_for_everybody_is_nobodys(project: Project, pattern: str) -> None:
    async with among_visitors(project, pattern) as running:

        async def both() -> list[str]:
            path = pattern.replace("[n]", "1")
            return [word for name in ("alice", "bob") for word in (await seen_by(running, name, path)).split()]

        words = await both()  # made, and found
        project.clock.move(11)
        words += await both()  # stale: each may begin a refresh
        await running.settle()
        words += await both()
        await running.post("/changed", headers={"x-visitor": "carol"})
        words += await both()  # made again
        await running.settle()
    assert set(words) <= {"nobody/nobody", "the-work/nobody"}
    assert words[0] == "nobody/nobody"


@pytest.mark.parametrize("path", ["/calls-async", "/calls-sync", "/calls-nested", "/calls-nested-sync-in-a-thread"])
async def test_with_cache_components_as_well(project: Project, path: str) -> None:
    project.write({"visitor_here.py": VISITOR})
    project.routes({path: LIVE_ROUTES[path].replace('dynamic = "force-dynamic"', "")})
    async with project.started(cache_components=True) as running:
        for name in ("alice", "bob"):
            assert set((await seen_by(running, name, path)).split()) <= {"nobody/nobody", "the-work/nobody"}


async def test_what_a_shared_render_leaves_for_later_is_nobodys(project: Project) -> None:
    async with among_visitors(project, "/after") as running:
        await seen_by(running, "alice", "/after")
        await running.settle()
        assert running.module("/after").later == ["nobody/nobody"] * 3


@pytest.mark.parametrize("path", ["/calls-async", "/calls-sync", "/calls-sync-in-a-thread", "/calls-nested"])
async def test_a_run_that_is_not_kept_is_no_other(project: Project, path: str) -> None:
    async with among_visitors(project, path) as running:
        cookie = (await running.post("/draft")).headers["set-cookie"].partition(";")[0]
        answer = await running.get(path, headers={"x-visitor": "alice", "cookie": cookie})
        found, own = answer.json()
        assert (set(found.split()), own) == ({"nobody/nobody"}, "alice")


@pytest.mark.parametrize("path", ["/render", "/calls-async", "/fetches-a-path"])
async def test_work_that_was_shared_in_vain_is_nobodys_as_well(
    monkeypatch: pytest.MonkeyPatch, project: Project, path: str
) -> None:
    monkeypatch.setattr(refresh, "_ATTEMPTS", 0)
    async with among_visitors(project, path) as running:
        assert await seen_by(running, "alice", path) == "nobody/nobody"


async def test_a_live_route_has_its_own_visitors_context(project: Project) -> None:
    async with among_visitors(project, "/plain") as running:
        assert await seen_by(running, "alice", "/plain") == "alice/alice"
        assert await seen_by(running, "bob", "/plain") == "bob/bob"


async def test_what_middleware_sets_around_a_render_reaches_the_handler(project: Project) -> None:
    project.write(
        {
            "visitor_here.py": VISITOR,
            "instrumentation.py": """
                from visitor_here import visitor
                def register(app):
                    from starlette.middleware.base import BaseHTTPMiddleware
                    @lambda function: app.add_render_middleware(BaseHTTPMiddleware, dispatch=function)
                    async def naming(request, call_next):
                        visitor.set("the middleware")
                        return await call_next(request)
                """,
        }
    )
    project.routes(
        {"/a": SHARED.format("async def GET(): return who()"), "/s": SHARED.format("def GET(): return who()")}
    )
    async with project.started() as running:
        assert (await running.get("/a")).json() == "the middleware/nobody"
        assert (await running.get("/s")).json() == "the middleware/nobody"


TRACED = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from millpond import cached

spans, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
tracer = provider.get_tracer("test")

def found(name):
    with tracer.start_as_current_span(name):
        return trace.get_current_span().name

@cached(revalidate=10)
async def of_async(): return found("async function")
@cached(revalidate=10)
def of_sync(): return found("sync function")
"""


class Traced:
    """A tracer around the application, as a server's instrumentation is."""

    def __init__(self, app: ASGIApp, module: Any) -> None:
        self.app, self.module = app, module

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        with self.module.tracer.start_as_current_span("visitor"):
            await self.app(scope, receive, send)


async def test_the_spans_of_shared_work_are_no_visitors_children(project: Project) -> None:
    project.write({"tracing_here.py": TRACED})
    project.routes(
        {
            "/fresh": "from tracing_here import *\nrevalidate = 10\nasync def GET(): return found('render')\n",
            "/live": "from tracing_here import *\ndynamic = 'force-dynamic'\n"
            "async def GET(): return [await of_async(), of_sync(), found('live')]\n",
            "/live-sync": "from tracing_here import *\ndynamic = 'force-dynamic'\ndef GET(): return of_sync()\n",
        }
    )
    async with project.started() as running:
        module = importlib.import_module("tracing_here")
        async with client_of(Traced(running.pond, module)) as client:
            for _ in range(2):
                for path in ("/fresh", "/live", "/live-sync"):
                    assert (await client.get(path)).status_code == 200
                project.clock.move(11)
        await running.settle()
    spans = module.spans.get_finished_spans()
    assert {span.name for span in spans if span.parent is not None} == {"live"}
    assert Counter(span.name for span in spans) == {
        "visitor": 6,
        "render": 2,
        "async function": 2,
        "sync function": 2,
        "live": 2,
    }


STARTING = """
import asyncio
from contextlib import asynccontextmanager
from contextvars import ContextVar
from visitor_here import visitor
imported, registered, late = (ContextVar(name, default="unset") for name in ("imported", "registered", "late"))
seen = []
imported.set("set")
{kind} register(app):
    {wait}
    seen.append(visitor.get())
    registered.set("set")
    @asynccontextmanager
    async def life(inner):
        seen.append(visitor.get())
        yield
    app.router.lifespan_context = life
"""
OF_THE_START = """
from millpond import cached
from visitor_here import *
import visitor_here
from instrumentation import imported, late, registered
late.set("set")
revalidate = 10
def found(): return [imported.get(), registered.get(), late.get()]
@cached
def of_sync(): return found()
@cached
async def of_async(): return found()
async def GET(): return [of_sync(), await of_async(), found()]
"""


@pytest.fixture(params=[("def", "pass"), ("async def", "await asyncio.sleep(0)")], ids=["sync", "async"])
def starting(project: Project, request: pytest.FixtureRequest) -> Project:
    kind, wait = request.param
    project.write({"visitor_here.py": VISITOR, "instrumentation.py": STARTING.format(kind=kind, wait=wait)})
    project.routes({"/": OF_THE_START, "/p/[n]": OF_THE_START, "/params/[n]": OF_THE_START + PARAMS})
    return project


PARAMS = """
def generate_static_params(): return [{"n": registered.get()}]
"""


async def test_what_is_set_at_import_and_by_register_is_there_for_everybody(starting: Project) -> None:
    async with starting.serving() as running:
        for path, state in (("/", "HIT"), ("/p/1", "MISS"), ("/params/set", "HIT")):
            answer = await running.get(path)
            assert (answer.json(), cache_of(answer)) == ([["set"] * 3] * 3, state)
        starting.clock.move(11)
        assert await running.cache("/") == "STALE"
        await running.settle()
        answer = await running.get("/")
        assert (answer.json(), cache_of(answer)) == ([["set"] * 3] * 3, "HIT")


async def test_an_application_that_its_first_visitor_starts_takes_nothing_of_his(starting: Project) -> None:
    pond = starting.pond()
    module = route_of(pond, "/").module.module
    async with client_of(FromOutside(pond, module.visitor_here)) as client:
        assert (await client.get("/", headers={"x-visitor": "alice"})).json() == [["set"] * 3] * 3
    assert importlib.import_module("instrumentation").seen == ["nobody"]
