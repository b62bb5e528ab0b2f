"""How a static render ends where request data is read, whatever the user's code does about it, and where that was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from millpond.prerender.build_manifest import RouteRecord
    from ponds import Project

pytestmark = pytest.mark.anyio


async def record_of(project: Project, source: str, files: dict[str, str] | None = None) -> RouteRecord:
    """What the build says about a project of one route."""
    project.routes({"/": source})
    project.write(files or {})
    return (await project.built())["/"]


def assert_live(record: RouteRecord, why: str, file: str, line: int) -> None:
    assert (record.glyph, record.why, record.place) == ("λ", why, (file, line))


@pytest.mark.parametrize("clause", ["except Exception:", "except:", "except BaseException:"])
async def test_no_except_keeps_a_route_static(project: Project, clause: str) -> None:
    record = await record_of(
        project,
        f"""\
        from millpond import cookies
        revalidate = 60
        def GET():
            try:
                return cookies()["a"]
            {clause}
                return "swallowed"
        """,
    )
    assert_live(record, "cookies()", "app/route.py", 5)


async def test_a_suppressed_read_on_the_request_keeps_no_route_static(project: Project) -> None:
    record = await record_of(
        project,
        """\
        import contextlib
        revalidate = 60
        def GET(request):
            with contextlib.suppress(BaseException):
                request.headers["a"]
            return "swallowed"
        """,
    )
    assert_live(record, 'request.headers["a"]', "app/route.py", 5)


async def test_the_first_use_is_the_reason(project: Project) -> None:
    record = await record_of(
        project,
        """\
        import contextlib
        from millpond import cookies, headers
        revalidate = 60
        def GET():
            for read in headers, cookies:
                with contextlib.suppress(BaseException):
                    read()
            return 1
        """,
    )
    assert_live(record, "headers()", "app/route.py", 7)


async def test_an_error_after_a_swallowed_read_fails_no_build(project: Project) -> None:
    record = await record_of(
        project,
        """\
        from millpond import cookies
        revalidate = 60
        def GET():
            try:
                cookies()
            except BaseException as end:
                raise ValueError("as a wrapper does") from end
        """,
    )
    assert_live(record, "cookies()", "app/route.py", 5)


TASKS = {
    "create_task, awaited": "await asyncio.create_task(read())",
    "create_task, waited for": "await asyncio.wait([asyncio.create_task(read())])",
    "gather": "await asyncio.gather(read(), asyncio.sleep(0))",
    "gather, errors returned": "await asyncio.gather(read(), return_exceptions=True)",
    "wait_for": "await asyncio.wait_for(read(), 5)",
    "shield": "await asyncio.shield(read())",
    "timeout": "await timed()",
    "TaskGroup": "await grouped()",
    "anyio's task group": "await anyio_grouped()",
    "to_thread": "await asyncio.to_thread(in_thread)",
    "anyio.to_thread": "await anyio.to_thread.run_sync(in_thread)",
}
READERS = """\
import asyncio, anyio
from millpond import cookies
revalidate = 60
async def read(): cookies()
def in_thread(): cookies()
async def timed():
    async with asyncio.timeout(5): await read()
async def grouped():
    async with asyncio.TaskGroup() as group: group.create_task(read())
async def anyio_grouped():
    async with anyio.create_task_group() as group: group.start_soon(read)
async def GET():
    {}
    return "swallowed"
"""


@pytest.mark.parametrize("way", TASKS)
async def test_a_read_in_a_task_of_the_handler_is_seen(project: Project, way: str) -> None:
    record = await record_of(project, READERS.format(TASKS[way]))
    assert_live(record, "cookies()", "app/route.py", 5 if "thread" in way else 4)


@pytest.mark.parametrize("stream", ["async def body():", "def body():"])
async def test_a_read_in_the_middle_of_a_streamed_body_is_seen(project: Project, stream: str) -> None:
    record = await record_of(
        project,
        f"""\
        from millpond import StreamingResponse, headers
        revalidate = 60
        {stream}
            yield "a"
            yield headers().get("a", "")
        def GET():
            return StreamingResponse(body())
        """,
    )
    assert_live(record, "headers()", "app/route.py", 5)


async def test_the_place_is_in_a_module_of_the_project(project: Project) -> None:
    helper = "def theme(request):\n    return request.cookies.get('theme')\n"
    source = "from shared_theme import theme\nrevalidate = 60\ndef GET(request):\n    return theme(request)\n"
    record = await record_of(project, source, {"shared_theme.py": helper})
    assert_live(record, 'request.cookies["theme"]', "shared_theme.py", 2)


async def test_the_place_is_in_a_dependency(project: Project) -> None:
    record = await record_of(
        project,
        """\
        from fastapi import Depends, Request
        revalidate = 60
        def user(request: Request):
            return request.headers.get("authorization")
        def GET(user=Depends(user)):
            return user
        """,
    )
    assert_live(record, 'request.headers["authorization"]', "app/route.py", 4)


async def test_the_place_is_in_a_sync_handler_that_runs_in_a_thread(project: Project) -> None:
    record = await record_of(
        project, "from millpond import headers\nrevalidate = 60\ndef GET():\n    x = 1\n    return headers()\n"
    )
    assert_live(record, "headers()", "app/route.py", 5)


async def test_the_place_of_a_read_in_a_library_is_the_line_that_called_it(
    project: Project, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path_factory.mktemp("library")
    (library / "agents_of_users.py").write_text("async def agent(request):\n    return request.headers['user-agent']\n")
    monkeypatch.syspath_prepend(str(library))
    record = await record_of(
        project,
        "from agents_of_users import agent\nrevalidate = 60\nasync def GET(request):\n    return await agent(request)",
    )
    assert_live(record, 'request.headers["user-agent"]', "app/route.py", 4)


async def test_a_library_in_the_projects_own_environment_is_still_a_library(project: Project) -> None:
    project.write({".venv/lib/site-packages/vendored_agent.py": "def agent(request): return request.headers['a']\n"})
    record = await record_of(
        project,
        """\
        import sys, pathlib
        sys.path.append(str(pathlib.Path(__file__).parents[1] / ".venv/lib/site-packages"))
        from vendored_agent import agent
        revalidate = 60
        def GET(request):
            return agent(request)
        """,
    )
    assert_live(record, 'request.headers["a"]', "app/route.py", 6)


MIDDLEWARES = {
    "BaseHTTPMiddleware": """\
        from starlette.middleware.base import BaseHTTPMiddleware
        seen = []
        async def note(request, call_next):
            try:
                response = await call_next(request)
            except BaseException as error:
                seen.append(type(error).__name__)
                raise
            seen.append(response.status_code)
            response.headers["x-seen"] = "yes"
            return response
        def register(app):
            app.add_render_middleware(BaseHTTPMiddleware, dispatch=note)
        """,
    "pure ASGI": """\
        seen = []
        class Note:
            def __init__(self, app): self.app = app
            async def __call__(self, scope, receive, send):
                async def noting(message):
                    if message["type"] == "http.response.start":
                        seen.append(message["status"])
                        message["headers"] = [*message["headers"], (b"x-seen", b"yes")]
                    await send(message)
                try:
                    await self.app(scope, receive, noting)
                except BaseException as error:
                    seen.append(type(error).__name__)
                    raise
        def register(app):
            app.add_render_middleware(Note)
        """,
}


@pytest.mark.parametrize("middleware", MIDDLEWARES)
async def test_a_middleware_of_the_user_sees_an_ordinary_answer_where_a_render_ends(
    project: Project, middleware: str
) -> None:
    project.write({"instrumentation.py": MIDDLEWARES[middleware]})
    project.routes({"/": "from millpond import cookies\nrevalidate = 60\ndef GET():\n    return dict(cookies())\n"})
    async with project.serving() as running:
        answer = await running.get("/", headers={"cookie": "a=1"})
    assert (answer.json(), answer.headers["x-seen"]) == ({"a": "1"}, "yes")
    assert (project.folder / ".millpond/build/manifest.json").exists()


@pytest.mark.parametrize("middleware", MIDDLEWARES)
@pytest.mark.parametrize("kept", [True, False])
async def test_what_middleware_around_renders_adds_is_stored_only_if_it_is_to_be(
    project: Project, middleware: str, kept: bool, caplog: pytest.LogCaptureFixture
) -> None:
    source = MIDDLEWARES[middleware]
    if kept:
        source = source.replace("_middleware(", "_middleware(keep_headers=True, middleware_class=")
        source = source.replace("dispatch=note)", "dispatch=note)")
    project.write({"instrumentation.py": source})
    project.routes({"/": "revalidate = 60\ndef GET(): return 1\n", "/live": "def GET(): return 1\n"})
    async with project.serving() as running:
        answer = await running.get("/")
        assert (answer.headers["x-nextjs-cache"], answer.headers.get("x-seen")) == ("HIT", "yes" if kept else None)
        assert (await running.get("/live")).headers["x-seen"] == "yes"
    told = "changes x-seen, which are dropped from answers for everybody" in caplog.text
    assert told is not kept


@pytest.mark.parametrize("middleware", MIDDLEWARES)
async def test_a_middleware_of_the_user_sees_what_a_static_handler_raises(project: Project, middleware: str) -> None:
    project.write({"instrumentation.py": MIDDLEWARES[middleware]})
    project.routes({"/": "revalidate = 60\ndef GET(): raise ValueError('no stock')\n"})
    (failure,) = await project.failures()
    assert "ValueError: no stock" in failure
    assert "app/route.py:2 in GET" in failure


async def test_a_middleware_that_answers_an_error_itself_keeps_the_route_live(project: Project) -> None:
    project.write(
        {
            "instrumentation.py": """\
            from starlette.responses import PlainTextResponse
            def register(app):
                from starlette.middleware.base import BaseHTTPMiddleware
                @lambda function: app.add_render_middleware(BaseHTTPMiddleware, dispatch=function)
                async def guard(request, call_next):
                    if "authorization" not in request.headers:
                        return PlainTextResponse("who are you?", 401)
                    return await call_next(request)
            """
        }
    )
    project.routes({"/": "revalidate = 60\ndef GET(): return 'secret'\n"})
    async with project.serving() as running:
        assert (await running.get("/")).status_code == 401
        assert (await running.get("/", headers={"authorization": "me"})).json() == "secret"
        assert (await running.get("/")).status_code == 401


async def test_a_route_without_request_data_stays_static_under_all_of_this(project: Project) -> None:
    record = await record_of(
        project,
        """\
        import asyncio
        from fastapi import Depends, Request
        revalidate = 60
        def nothing(request: Request): return request.url.path
        async def GET(request, path=Depends(nothing)):
            async with asyncio.TaskGroup() as group:
                task = group.create_task(asyncio.sleep(0, path))
            return task.result()
        """,
    )
    assert (record.glyph, record.why) == ("○", "revalidate = 60")
