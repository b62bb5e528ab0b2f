"""Middleware around renders: its reads count as the handler's, and what it answers is no answer of the route."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from millpond.routes.imports import import_project_file

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from millpond import Millpond
    from millpond.prerender.manifest import RouteRecord
    from ponds import Project

pytestmark = pytest.mark.anyio

FRESH = "revalidate = 60\ndef GET(): return 1\n"
PURE = """
from starlette.datastructures import URL, Headers, QueryParams
from starlette.requests import HTTPConnection, Request
from urllib.parse import parse_qs
class Pure:
    def __init__(self, app): self.app = app
    async def __call__(self, scope, receive, send):
        {}
        await self.app(scope, receive, send)
def register(app):
    app.add_middleware(Pure)
"""
FUNCTION = """
def register(app):
    @app.middleware("http")
    async def function(request, call_next):
        scope = dict(request.scope)
        {}
        return await call_next(request)
"""


async def record_with(project: Project, instrumentation: str, route: str = FRESH) -> RouteRecord:
    project.write({"instrumentation.py": dedent(instrumentation)})
    project.routes({"/": route})
    return (await project.built())["/"]


def place_of(source: str, part: str) -> tuple[str, int]:
    lines = enumerate(dedent(source).splitlines(), 1)
    return "instrumentation.py", next(number for number, line in lines if part in line)


# What is read

FUNCTIONS_READ = {
    'request.headers.get("accept-language", "en")': 'request.headers["accept-language"]',
    'request.cookies.get("theme")': 'request.cookies["theme"]',
    'request.query_params.get("q")': 'request.query_params["q"]',
    "request.url.query": "request.url.query",
    "str(request.url)": "request.url",
    "request.client": "request.client",
    "await request.body()": "request.body()",
    "await request.json()": "request.json()",
    'request.scope["headers"]': "request.headers",
    'request.scope["query_string"]': "request.query_params",
}
PURE_READS = {
    'scope["headers"]': "request.headers",
    'scope.get("headers")': "request.headers",
    'list(dict(scope)["headers"])': "request.headers",
    "dict({**scope}['headers'])": "request.headers",
    "[*scope.copy()['headers']]": "request.headers",
    "(b'a', b'b') in dict(scope)['headers']": "request.headers",
    "dict(scope)['headers'] + []": "request.headers",
    "[] + dict(scope)['headers']": "request.headers",
    'Headers(scope=scope).get("a")': "request.headers",
    'Request(scope).headers.get("a")': "request.headers",
    'HTTPConnection({**scope}).cookies.get("a")': "request.headers",
    'Request({**scope}).query_params.get("a")': "request.query_params",
    'QueryParams({**scope}["query_string"])': "request.query_params",
    'parse_qs({**scope}["query_string"])': "request.query_params",
    '{**scope}["query_string"] == b""': "request.query_params",
    'b"" == {**scope}["query_string"]': "request.query_params",
    'bool({**scope}["query_string"])': "request.query_params",
    'b"?" + {**scope}["query_string"]': "request.query_params",
    'scope["client"]': "request.client",
    '{**scope}["client"][0]': "request.client",
    "Request({**scope}).client": "request.client",
    "URL(scope=scope).query": "request.url",
    "Request(dict(scope)).url.query": "request.url",
}


async def reasons(project: Project, around: str, reads: Iterable[str]) -> dict[str, str]:
    """Read -> why a route is live around which it happens ("" for a static one). All are tried in one build."""
    lines = [f"if scope['path'] == '/r{number}': {read}" for number, read in enumerate(reads)]
    source = dedent(around).format("\n        ".join(lines))
    project.write({"instrumentation.py": source})
    project.routes({f"/r{number}": FRESH for number, _ in enumerate(reads)})
    records = await project.built()
    found = {}
    for number, read in enumerate(reads):
        record = records[f"/r{number}"]
        found[read] = "" if record.static else record.why
        assert record.static or record.place == place_of(source, f"'/r{number}'"), read
    return found


async def test_a_read_in_a_function_around_renders_makes_the_route_live(project: Project) -> None:
    assert await reasons(project, FUNCTION, FUNCTIONS_READ) == FUNCTIONS_READ


async def test_a_read_off_the_scope_makes_the_route_live(project: Project) -> None:
    assert await reasons(project, PURE, PURE_READS) == PURE_READS


@pytest.mark.parametrize("error", ["Exception", "BaseException"])
async def test_a_read_counts_also_when_the_middleware_swallows_the_end(project: Project, error: str) -> None:
    source = PURE.format(f"try: dict(scope['headers'])\n        except {error}: pass")
    assert (await record_with(project, source)).why == "request.headers"


async def test_what_is_free_in_a_handler_is_free_around_it(project: Project) -> None:
    free = [
        "request.url.path",
        "request.url.hostname",
        "request.method",
        "request.path_params",
        "request.state.number = 1",
        "request.scope['path']",
        "request.scope['path_params']",
        "await request.is_disconnected()",
    ]
    assert await reasons(project, FUNCTION, free) == dict.fromkeys(free, "")


async def test_what_shows_nothing_of_the_request_is_free_in_a_pure_middleware(project: Project) -> None:
    free = [
        "scope['path'], scope['method'], scope['path_params']",
        "scope = {**scope, 'more': 1}",
        "scope['state']['number'] = 1",
        "scope.setdefault('state', {})",
        "{**scope}['headers'].append((b'x-request-id', b'7'))",
    ]
    assert await reasons(project, PURE, free) == dict.fromkeys(free, "")


async def test_the_language_of_one_visitor_is_not_anothers(project: Project) -> None:
    project.write(
        {"instrumentation.py": FUNCTION.format('request.state.lang = request.headers.get("accept-language", "en")')}
    )
    project.routes({"/": "revalidate = 60\ndef GET(request): return request.state.lang\n"})
    async with project.serving() as running:
        for language in ("de", "fr", "de"):
            assert (await running.get("/", headers={"accept-language": language})).json() == language


async def test_a_library_in_place_of_a_line_is_named(project: Project) -> None:
    record = await record_with(
        project,
        """\
        from starlette.middleware.gzip import GZipMiddleware
        def register(app):
            app.add_middleware(GZipMiddleware)
        """,
    )
    assert (record.glyph, record.why) == ("λ", "request.headers in GZipMiddleware")
    assert record.place == ("instrumentation.py", 3)


LIBRARIES = {
    "CORSMiddleware": "from starlette.middleware.cors import CORSMiddleware as M; options = {'allow_origins': ['*']}",
    "TrustedHostMiddleware": "from starlette.middleware.trustedhost import TrustedHostMiddleware as M; "
    "options = {'allowed_hosts': ['shop.example']}",
    "HTTPSRedirectMiddleware": "from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware as M; "
    "options = {}",
}


@pytest.mark.parametrize("library", LIBRARIES)
async def test_starlettes_own_middleware_answers_each_visitor(project: Project, library: str) -> None:
    record = await record_with(project, f"{LIBRARIES[library]}\ndef register(app): app.add_middleware(M, **options)\n")
    assert record.glyph == "λ"
    assert record.why.endswith(f" in {library}")


async def test_outer_middleware_sees_the_name_of_the_one_that_reads(project: Project) -> None:
    record = await record_with(
        project,
        """
        from starlette.middleware.base import BaseHTTPMiddleware
        from starlette.middleware.cors import CORSMiddleware
        from starlette.middleware.gzip import GZipMiddleware
        class Outer(BaseHTTPMiddleware):
            async def dispatch(self, request, call_next):
                return await call_next(request)
        def register(app):
            app.add_middleware(GZipMiddleware)
            app.add_middleware(CORSMiddleware)
            app.add_middleware(Outer)
        """,
    )
    assert record.why == "request.headers in CORSMiddleware"


async def test_a_read_once_the_answer_is_whole_changes_nothing(project: Project) -> None:
    source = PURE.replace("app(scope, receive, send)", "app(scope, receive, send)\n        dict(scope['headers'])")
    assert (await record_with(project, source.format("pass"))).glyph == "○"


async def test_a_file_is_sent_whole_so_its_range_is_nobodys_choice(project: Project) -> None:
    project.write({"price.txt": "7"})
    record = await record_with(
        project,
        PURE.format("pass"),
        "from millpond import Response\nfrom starlette.responses import FileResponse\n"
        "revalidate = 60\ndef GET(): return FileResponse('price.txt')\n".replace(
            "'price.txt'", repr(str(project.folder / "price.txt"))
        ),
    )
    assert record.glyph == "○"


@pytest.mark.parametrize("around", ["def register(app): pass\n", PURE.format("pass")], ids=["nothing", "middleware"])
async def test_a_response_that_reads_the_scope_makes_the_route_live(project: Project, around: str) -> None:
    record = await record_with(
        project,
        around,
        """\
        from starlette.responses import PlainTextResponse
        revalidate = 60
        class Negotiated(PlainTextResponse):
            async def __call__(self, scope, receive, send):
                self.body = dict(scope["headers"]).get(b"accept", b"none")
                await super().__call__(scope, receive, send)
        def GET(): return Negotiated("")
        """,
    )
    assert (record.glyph, record.why, record.place) == ("λ", "request.headers", ("app/route.py", 5))


async def test_a_handler_that_reads_the_scope_is_live(project: Project) -> None:
    for read, why in {
        'request.scope["headers"]': "request.headers",
        'dict(request.scope)["query_string"].decode()': "request.query_params",
    }.items():
        route = f"revalidate = 60\nasync def GET(request):\n    {read}\n    return 1\n"
        record = await record_with(project, "def register(app): pass\n", route)
        assert (record.glyph, record.why, record.place) == ("λ", why, ("app/route.py", 3))


async def test_middleware_further_out_sees_an_ordinary_answer(project: Project) -> None:
    project.write(
        {
            "instrumentation.py": """\
            seen = []
            class Reads:
                def __init__(self, app): self.app = app
                async def __call__(self, scope, receive, send):
                    dict(scope["headers"])
                    await self.app(scope, receive, send)
            def register(app):
                app.add_middleware(Reads)
                @app.middleware("http")
                async def outer(request, call_next):
                    try:
                        response = await call_next(request)
                    except BaseException as error:
                        seen.append(type(error))
                        raise
                    seen.append(response.status_code)
                    return response
            """
        }
    )
    project.routes({"/": FRESH})
    pond = project.pond()
    built = await pond.build()
    assert [record.why for record in built.manifest.routes] == ["request.headers"]
    assert import_project_file(project.folder / "instrumentation.py", project.folder).seen == [200]


async def test_force_static_gives_middleware_an_empty_request_to_read(project: Project) -> None:
    read = 'request.state.lang = request.headers.get("accept-language", "en")'
    route = 'dynamic = "force-static"\ndef GET(request): return request.state.lang\n'
    project.write({"instrumentation.py": FUNCTION.format(read)})
    project.routes({"/": route})
    async with project.serving() as running:
        answer = await running.get("/", headers={"accept-language": "de"})
        assert (answer.json(), answer.headers["x-nextjs-cache"]) == ("en", "HIT")


async def test_under_force_static_a_body_that_middleware_reads_reaches_the_handler(project: Project) -> None:
    project.write({"instrumentation.py": FUNCTION.format("await request.body()")})
    project.routes({"/": 'dynamic = "force-static"\nasync def GET(request): return (await request.body()).decode()\n'})
    async with project.serving() as running:
        answer = await running.get("/")
        assert (answer.json(), answer.headers["x-nextjs-cache"]) == ("", "HIT")


async def test_under_error_a_read_in_middleware_fails_the_build(project: Project) -> None:
    source = FUNCTION.format('request.headers.get("accept-language")')
    project.write({"instrumentation.py": source})
    project.routes({"/": 'dynamic = "error"\ndef GET(): return 1\n'})
    (failure,) = await project.failures()
    assert 'instrumentation.py:6: request.headers["accept-language"] needs a request' in failure


# What it answers

GUARD = """
from starlette.responses import PlainTextResponse
class Guard:
    def __init__(self, app): self.app = app
    async def __call__(self, scope, receive, send):
        known = False
        try: known = (b"authorization", b"me") in scope["headers"]
        except BaseException: pass
        app = self.app if known else PlainTextResponse("who are you?", 401)
        await app(scope, receive, send)
def register(app):
    app.add_middleware(Guard)
"""
CLOSED = """
from starlette.responses import PlainTextResponse
closed = {status}
class Closing:
    def __init__(self, app): self.app = app
    async def __call__(self, scope, receive, send):
        await (PlainTextResponse("closed", closed) if closed else self.app)(scope, receive, send)
def register(app):
    app.add_middleware(Closing)
"""
ON_DEMAND = "revalidate = 60\ndef GET(slug): return f'{slug} for you'\n"


async def test_a_guard_lets_the_authorised_in_on_demand(project: Project) -> None:
    project.write({"instrumentation.py": GUARD})
    project.routes({"/items/[slug]": ON_DEMAND})
    async with project.serving() as running:
        for slug in ("oak", "pine"):
            assert (await running.get(f"/items/{slug}")).status_code == 401
            answer = await running.get(f"/items/{slug}", headers={"authorization": "me"})
            assert (answer.status_code, answer.json()) == (200, f"{slug} for you")
            assert "x-nextjs-cache" not in answer.headers
            assert (await running.get(f"/items/{slug}")).status_code == 401


async def test_a_guard_that_raises_lets_the_authorised_in_on_demand(project: Project) -> None:
    source = PURE.format("if not scope['state'].get('user'): raise PermissionError('who are you?')")
    project.write({"instrumentation.py": source})
    project.routes({"/items/[slug]": ON_DEMAND})
    await project.built()

    def known(pond: Millpond) -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope["state"] = {"user": "me"} if (b"authorization", b"me") in scope["headers"] else {}
            await pond(scope, receive, send)

        return app

    async with project.started(wrap=known) as running:
        assert (await running.get("/items/oak")).status_code == 500
        answer = await running.get("/items/oak", headers={"authorization": "me"})
        assert (answer.status_code, answer.json()) == (200, "oak for you")


@pytest.mark.parametrize("status", [200, 307, 401, 404, 503])
async def test_what_answers_in_place_of_the_handler_keeps_the_route_live(project: Project, status: int) -> None:
    record = await record_with(project, CLOSED.format(status=status))
    assert (record.glyph, record.why) == ("λ", f"Closing answered {status} in place of GET")
    assert record.place == place_of(CLOSED, "async def __call__")


async def test_a_function_that_answers_is_named_with_its_line(project: Project) -> None:
    source = FUNCTION.format("return PlainTextResponse('closed', 200)")
    record = await record_with(project, f"from starlette.responses import PlainTextResponse\n{source}")
    assert record.why == "function answered 200 in place of GET"
    assert record.place == ("instrumentation.py", 4)


@pytest.mark.parametrize("dynamic", ["error", "force-static"])
async def test_a_promise_of_a_static_answer_fails_where_middleware_answers(project: Project, dynamic: str) -> None:
    project.write({"instrumentation.py": CLOSED.format(status=307)})
    project.routes({"/": f'dynamic = "{dynamic}"\ndef GET(): return 1\n'})
    (failure,) = await project.failures()
    line = place_of(CLOSED, "async def __call__")[1]
    assert (
        f'Closing answered 307 in place of GET · instrumentation.py:{line}: under dynamic = "{dynamic}" every visitor '
        "would get that; put the middleware in front of everything (add_outer_middleware), or make the route live."
    ) in failure


async def test_no_redirect_of_the_made_up_request_is_stored(project: Project) -> None:
    project.write(
        {
            "instrumentation.py": """\
            from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware
            def register(app):
                app.add_middleware(HTTPSRedirectMiddleware)
            """
        }
    )
    project.routes({"/": FRESH, "/items/[slug]": ON_DEMAND})
    async with project.serving() as running:
        for path in ("/", "/items/oak"):
            answer = await running.get(path)
            assert (answer.status_code, answer.headers["location"]) == (307, f"https://shop.example{path}")


async def test_a_refresh_that_middleware_answers_keeps_the_last_good_answer(project: Project) -> None:
    project.write({"instrumentation.py": CLOSED.format(status=0)})
    project.routes({"/": FRESH})
    async with project.serving() as running:
        vars(import_project_file(project.folder / "instrumentation.py", project.folder))["closed"] = 503
        project.clock.move(61)
        assert await running.cache("/") == "STALE"
        await running.settle()
        answer = await running.get("/")
        assert (answer.status_code, answer.json()) == (200, 1)


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ("raise HTTPException(404)", 404),
        ("not_found()", 404),
        ("redirect('/elsewhere')", 307),
    ],
)
async def test_a_dependency_that_answers_belongs_to_the_route(project: Project, answers: str, status: int) -> None:
    project.write({"instrumentation.py": PURE.format("pass")})
    project.routes(
        {
            "/items/[slug]": f"""\
            from fastapi import Depends, HTTPException
            from millpond import not_found, redirect
            revalidate = 60
            def item(slug: str): {answers}
            def GET(item=Depends(item)): return item
            """
        }
    )
    async with project.serving() as running:
        assert [await running.cache("/items/oak") for _ in range(2)] == ["MISS", "HIT"]
        assert (await running.get("/items/oak")).status_code == status


# Handlers of errors

SOLD = """
from starlette.responses import PlainTextResponse
class Sold(Exception): pass
async def sold(request, error):
    return PlainTextResponse({}, {})
def register(app):
    app.add_exception_handler(Sold, sold)
"""
RAISES = "from instrumentation import Sold\nrevalidate = 60\ndef GET(): raise Sold\n"


async def test_what_a_handler_of_errors_reads_counts_as_the_handlers(project: Project) -> None:
    record = await record_with(project, SOLD.format('request.headers.get("accept-language", "en")', 404), RAISES)
    assert (record.glyph, record.why) == ("λ", 'request.headers["accept-language"]')
    assert record.place == ("instrumentation.py", 5)


async def test_an_answer_of_a_handler_of_errors_that_reads_nothing_is_stored(project: Project) -> None:
    record = await record_with(project, SOLD.format('"sold"', 404), RAISES)
    assert record.static
