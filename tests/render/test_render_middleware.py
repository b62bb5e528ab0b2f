"""Middleware around renders: what it reads counts as the handler's."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest
from instrumented import FRESH, FUNCTION, PURE, place_of, record_with

from millpond.routes.imports import import_project_file

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ponds import Project

pytestmark = pytest.mark.anyio

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


@pytest.mark.private_names
async def test_a_read_in_a_function_around_renders_makes_the_route_live(project: Project) -> None:
    assert await reasons(project, FUNCTION, FUNCTIONS_READ) == FUNCTIONS_READ


async def test_a_read_off_the_scope_makes_the_route_live(project: Project) -> None:
    assert await reasons(project, PURE, PURE_READS) == PURE_READS


@pytest.mark.parametrize("error", ["Exception", "BaseException"])
async def test_a_read_counts_also_when_the_middleware_swallows_the_end(project: Project, error: str) -> None:
    source = PURE.format(f"try: dict(scope['headers'])\n        except {error}: pass")
    assert (await record_with(project, source)).why == "request.headers"


@pytest.mark.private_names
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


@pytest.mark.private_names
async def test_a_library_in_place_of_a_line_is_named(project: Project) -> None:
    record = await record_with(
        project,
        """\
        from starlette.middleware.gzip import GZipMiddleware
        def register(app):
            app.add_render_middleware(GZipMiddleware)
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
    record = await record_with(
        project, f"{LIBRARIES[library]}\ndef register(app): app.add_render_middleware(M, **options)\n"
    )
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
            app.add_render_middleware(GZipMiddleware)
            app.add_render_middleware(CORSMiddleware)
            app.add_render_middleware(Outer)
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
                app.add_render_middleware(Reads)
                from starlette.middleware.base import BaseHTTPMiddleware
                @lambda function: app.add_render_middleware(BaseHTTPMiddleware, dispatch=function)
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


@pytest.mark.private_names
async def test_under_error_a_read_in_middleware_fails_the_build(project: Project) -> None:
    source = FUNCTION.format('request.headers.get("accept-language")')
    project.write({"instrumentation.py": source})
    project.routes({"/": 'dynamic = "error"\ndef GET(): return 1\n'})
    (failure,) = await project.failures()
    assert 'instrumentation.py:7: request.headers["accept-language"] needs a request' in failure


OF_THE_USERS_OWN = {
    "that calls Starlette's constructor by its class": """
        class Own(BaseHTTPMiddleware):
            def __init__(self, app): BaseHTTPMiddleware.__init__(self, app)
            async def dispatch(self, request, call_next): return await call_next(request)
        """,
    "that gives it another function": """
        class Own(BaseHTTPMiddleware):
            def __init__(self, app): BaseHTTPMiddleware.__init__(self, app, dispatch=self.run)
            async def run(self, request, call_next): return await call_next(request)
        """,
    "without Starlette's constructor": """
        class Own(BaseHTTPMiddleware):
            def __init__(self, app): self.app, self.dispatch_func = app, self.run
            async def run(self, request, call_next): return await call_next(request)
        """,
    "that changes its function later": """
        class Own(BaseHTTPMiddleware):
            def __init__(self, app):
                super().__init__(app)
                self.dispatch_func = self.run
            async def run(self, request, call_next): return await call_next(request)
        """,
    "of a base that takes options": """
        class Base(BaseHTTPMiddleware):
            def __init_subclass__(cls, *, tag): cls.tag = tag
        class Own(Base, tag="own"):
            async def dispatch(self, request, call_next): return await call_next(request)
        """,
    "of a metaclass whose classes have no hash": """
        class Meta(type):
            def __eq__(cls, other): return cls is other
        class Own(BaseHTTPMiddleware, metaclass=Meta):
            async def dispatch(self, request, call_next): return await call_next(request)
        """,
    "made by a partial function": """
        from functools import partial
        class Made(BaseHTTPMiddleware):
            def __init__(self, app, name): super().__init__(app)
            async def dispatch(self, request, call_next): return await call_next(request)
        Own = partial(Made, name="made")
        """,
}


@pytest.mark.private_names
@pytest.mark.parametrize("kind", OF_THE_USERS_OWN)
@pytest.mark.parametrize("reads", [False, True])
async def test_a_middleware_class_is_built_as_its_author_wrote_it(project: Project, kind: str, reads: bool) -> None:
    source = "from starlette.middleware.base import BaseHTTPMiddleware" + dedent(OF_THE_USERS_OWN[kind])
    look = 'request.headers.get("x-user")' if reads else "request.url.path"
    source = source.replace("return await call_next", f"{look}; return await call_next")
    record = await record_with(project, source + "def register(app):\n    app.add_render_middleware(Own)\n")
    assert record.static is not reads, record.why
    assert record.why == ('request.headers["x-user"]' if reads else "revalidate = 60")
