"""Live runs: what a handler gets, what its answer is, and what happens when it raises (R1.22 to R1.45)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ponds import cache_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from ponds import Project

pytestmark = pytest.mark.anyio


async def test_get_and_head_never_see_a_body(project: Project) -> None:
    source = "async def GET(request): return (await request.body()).decode() or 'none'\n"
    project.routes({"/": source, "/post": source.replace("GET", "POST")})
    async with project.serving() as running:
        assert (await running.client.request("GET", "/", content=b"hidden")).json() == "none"
        assert (await running.post("/post", content=b"shown")).json() == "shown"


async def test_head_runs_get_and_keeps_its_body_back(project: Project) -> None:
    project.routes({"/": "runs = []\ndef GET(request):\n    runs.append(request.method)\n    return 'abc'\n"})
    async with project.serving() as running:
        answer = await running.client.head("/")
        assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "5")
        assert running.module("/").runs == ["HEAD"]


async def test_a_head_of_the_files_own_is_called_beside_a_static_get(project: Project) -> None:
    project.routes(
        {
            "/": """
            from millpond import Response
            revalidate = 60
            def GET(): return 1
            def HEAD(): return Response(headers={"x-own": "head"})
            """
        }
    )
    async with project.serving() as running:
        answer = await running.client.head("/")
        assert (answer.headers["x-own"], cache_of(answer)) == ("head", None)
        assert await running.cache("/") == "HIT"


async def test_options_is_answered_with_what_the_file_has(project: Project) -> None:
    source = "def GET(): return 1\ndef POST(): return 2\ndef DELETE(): return 3\n"
    project.routes({"/live": source, "/static": f"revalidate = 60\n{source}", "/own": "def OPTIONS(): return 'own'\n"})
    async with project.serving() as running:
        for path in ("/live", "/static"):
            answer = await running.client.options(path)
            assert (answer.status_code, answer.content) == (204, b"")
            assert answer.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, POST"
        assert (await running.client.options("/own")).json() == "own"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "QUERY", "BREW", "TRACE"])
async def test_a_method_that_is_missing_is_405_with_allow(project: Project, method: str) -> None:
    project.routes({"/": "revalidate = 60\ndef GET(): return 1\ndef POST(): return 2\n"})
    async with project.serving() as running:
        answer = await running.client.request(method, "/")
        assert (answer.status_code, answer.json()) == (405, {"detail": "Method Not Allowed"})
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"


async def test_a_route_that_lacks_the_method_hands_nothing_on_to_a_weaker_one(project: Project) -> None:
    project.routes({"/a/b": "def GET(): return 1\n", "/a/[x]": "def POST(x): return x\n"})
    async with project.serving() as running:
        assert (await running.post("/a/b")).status_code == 405
        assert (await running.post("/a/c")).json() == "c"


async def test_max_duration_ends_nothing(project: Project) -> None:
    source = "import time\nmax_duration = 0\ndef GET():\n    time.sleep(0.01)\n    return 1\n"
    project.routes({"/": source})
    async with project.serving() as running:
        assert (await running.get("/")).json() == 1


@pytest.mark.parametrize("config", ["", "revalidate = 60"], ids=["live", "static"])
async def test_no_answer_varies_by_what_a_router_of_pages_sends(project: Project, config: str) -> None:
    project.routes({"/": f"{config}\ndef GET(): return 1\n"})
    async with project.serving() as running:
        assert "vary" not in (await running.get("/", headers={"rsc": "1"})).headers


@pytest.mark.parametrize("config", ["", "revalidate = 60"], ids=["live", "static"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "PUT"])
async def test_nothing_is_said_of_other_origins(project: Project, config: str, method: str) -> None:
    project.routes({"/": f"{config}\ndef GET(): return 1\n"})
    asked = {"origin": "https://elsewhere.example", "access-control-request-method": "PUT"}
    async with project.serving() as running:
        answer = await running.client.request(method, "/", headers=asked)
        assert [name for name in answer.headers if name.startswith("access-control")] == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_other_methods_run_beside_a_static_get_and_are_never_answered_from_the_cache(
    project: Project, method: str
) -> None:
    project.routes(
        {
            "/static": f"revalidate = 60\nruns = []\ndef GET(): return 'page'\n"
            f"def {method}():\n    runs.append(1)\n    return len(runs)\n",
            "/items/[id]": f"runs = []\ndef generate_static_params(): return [{{'id': '1'}}]\n"
            f"def GET(id): return 'page'\ndef {method}(id):\n    runs.append(1)\n    return len(runs)\n",
        }
    )
    async with project.serving() as running:
        for path in ("/static", "/items/1"):
            assert await running.cache(path) == "HIT"
            for run in (1, 2):
                answer = await running.client.request(method, path)
                assert (answer.json(), cache_of(answer)) == (run, None)
            assert await running.body(path) == '"page"'


async def test_a_live_answer_has_no_cache_control_and_says_why(project: Project) -> None:
    project.routes({"/": "def GET(): return 1\n"})
    async with project.serving() as running:
        answer = await running.get("/")
        assert answer.headers["cache-status"] == "Millpond; fwd=bypass; detail=live"
        assert {"cache-control", "x-nextjs-cache", "etag", "vary", "age"} & set(answer.headers) == set()


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_handler_that_raises_is_a_500_and_a_logged_traceback(
    project: Project, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    project.routes({"/": f"async def {method}(): return [][0]\n"})
    async with project.serving() as running:
        answer = await running.client.request(method, "/")
        assert (answer.status_code, answer.content) == (500, b"Internal Server Error")
    assert "IndexError" in caplog.text
    assert f"app/route.py:1: {method} / raised" in caplog.text


@pytest.mark.parametrize("raised", ["SystemExit(3)", "BaseException('odd')", "BaseExceptionGroup('', [SystemExit()])"])
@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_nothing_that_a_handler_raises_ends_the_server(project: Project, raised: str, kind: str) -> None:
    project.routes(
        {
            "/live": f"{kind} GET(): raise {raised}\n",
            "/fresh/[id]": f"def generate_static_params(): return []\n{kind} GET(id): raise {raised}\n",
        }
    )
    async with project.serving() as running:
        for path in ("/live", "/fresh/1"):
            answer = await running.get(path)
            assert (answer.status_code, answer.content) == (500, b"Internal Server Error")


@pytest.mark.parametrize("raised", ["OSError", "SystemExit(3)", "KeyboardInterrupt"])
async def test_what_a_background_task_raises_unmakes_no_answer(project: Project, raised: str) -> None:
    handler = f"""
        from starlette.background import BackgroundTask
        from millpond import JSONResponse
        def fail(): raise {raised}
        """
    project.routes(
        {
            "/live": f"{handler}\n        def GET(): return JSONResponse(1, background=BackgroundTask(fail))\n",
            "/fresh": f"{handler}\n        revalidate = 60\n"
            "        def GET(): return JSONResponse(1, background=BackgroundTask(fail))\n",
        }
    )
    async with project.started() as running:
        for path in ("/live", "/fresh", "/fresh"):
            answer = await running.get(path)
            assert (answer.status_code, answer.text) == (200, "1")


@pytest.mark.parametrize("raised", ["SystemExit(3)", "KeyboardInterrupt", "asyncio.CancelledError"])
async def test_what_one_callback_raises_keeps_none_that_follows(
    project: Project, raised: str, caplog: pytest.LogCaptureFixture
) -> None:
    project.routes(
        {
            "/": f"""
            import asyncio
            from millpond import after, headers
            done = []
            def sync(): raise {raised}
            async def later(): raise {raised}
            async def GET():
                headers()
                after(sync)
                after(later)
                after(later())
                after(done.append, 1)
            """
        }
    )
    async with project.serving() as running:
        await running.get("/")
        await running.settle()
        assert running.module("/").done == [1]
    assert caplog.text.count("an after() callback failed") == 3


async def test_the_users_own_exception_handlers_answer(project: Project) -> None:
    project.write(
        {
            "instrumentation.py": """
            from starlette.responses import PlainTextResponse
            class SoldOut(Exception): ...
            def register(app):
                @app.exception_handler(SoldOut)
                async def gone(request, error): return PlainTextResponse("sold out", 410)
            """
        }
    )
    raising = "from instrumentation import SoldOut\n{}\ndef GET(): raise SoldOut\n"
    project.routes({"/live": raising.format(""), "/static": raising.format("revalidate = 60")})
    async with project.serving() as running:
        for path, cache in (("/live", None), ("/static", "HIT")):
            answer = await running.get(path)
            assert (answer.status_code, answer.text, cache_of(answer)) == (410, "sold out", cache)


VALUES = {
    "{'a': [1, 2.5, None, True]}": ("application/json", '{"a":[1,2.5,null,true]}'),
    "[1, 'é']": ("application/json", '[1,"é"]'),
    "'text'": ("application/json", '"text"'),
    "None": ("application/json", "null"),
    "7": ("application/json", "7"),
    "Point(x=1)": ("application/json", '{"x":1}'),
    "[Point(x=1)]": ("application/json", '[{"x":1}]'),
    "datetime.date(2030, 1, 2)": ("application/json", '"2030-01-02"'),
    "JSONResponse({'a': 1})": ("application/json", '{"a":1}'),
    "PlainTextResponse('é')": ("text/plain; charset=utf-8", "é"),
    "HTMLResponse('<p>')": ("text/html; charset=utf-8", "<p>"),
    "StreamingResponse(iter(['a', 'b']), media_type='text/csv')": ("text/csv; charset=utf-8", "ab"),
    "Response(b'raw')": (None, "raw"),
}


@pytest.mark.parametrize("config", ["", "revalidate = 60"], ids=["live", "static"])
@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_every_kind_of_value_is_answered_alike_live_and_static(project: Project, config: str, kind: str) -> None:
    project.routes(
        {
            f"/v{number}": "import datetime\nfrom millpond import *\nfrom pydantic import BaseModel\n"
            f"class Point(BaseModel):\n    x: int\n{config}\n{kind} GET(): return {value}\n"
            for number, value in enumerate(VALUES)
        }
    )
    async with project.serving() as running:
        for number, expected in enumerate(VALUES.values()):
            answer = await running.get(f"/v{number}")
            assert (answer.headers.get("content-type"), answer.text) == expected
            assert cache_of(answer) == ("HIT" if config else None)


@pytest.mark.parametrize("config", ["", "revalidate = 60"], ids=["live", "static"])
async def test_a_response_model_and_a_response_parameter_shape_the_answer(project: Project, config: str) -> None:
    project.routes(
        {
            "/": f"""
            from fastapi import Response
            from pydantic import BaseModel
            {config}
            class Public(BaseModel):
                name: str
            class User(Public):
                password: str
            def GET(response: Response) -> Public:
                response.headers["x-own"] = "1"
                response.status_code = 203
                return User(name="Ann", password="secret")
            """
        }
    )
    async with project.serving() as running:
        answer = await running.get("/")
        assert (answer.status_code, answer.json(), answer.headers["x-own"]) == (203, {"name": "Ann"}, "1")


async def test_a_cookie_through_a_response_parameter_makes_get_live(project: Project) -> None:
    source = "from fastapi import Response\n{}\ndef GET(response: Response):\n    response.set_cookie('a', 'b')\n"
    project.routes({"/": source.format("revalidate = 60")})
    record = (await project.built())["/"]
    assert (record.glyph, record.why, record.place) == ("λ", "the answer sets a cookie", ("app/route.py", 3))
    for dynamic in ("force-static", "error"):
        project.routes({"/": source.format(f'dynamic = "{dynamic}"')})
        (failure,) = await project.failures()
        assert (
            f'the answer sets a cookie · app/route.py:3: under dynamic = "{dynamic}" it would go to every visitor; '
            "leave it out, or make the route live." in failure
        )


DEPENDING = """
from fastapi import BackgroundTasks, Depends
{config}
log = []
async def opened():
    log.append("open")
    try:
        yield "resource"
    except Exception as error:
        log.append(type(error).__name__)
        raise
    finally:
        log.append("closed")
def opened_in_thread():
    log.append("sync open")
    yield "resource"
    log.append("sync closed")
def GET(tasks: BackgroundTasks, one=Depends(opened), other=Depends(opened_in_thread)):
    tasks.add_task(log.append, "task")
    log.append("GET")
    {end}
"""


@pytest.mark.parametrize(
    ("end", "exits"),
    [
        ("return 1", []),
        ("from millpond import redirect; redirect('/a')", []),
        ("from millpond import not_found; not_found()", []),
        ("raise ValueError", ["ValueError"]),
    ],
)
async def test_dependencies_with_yield_are_left_as_after_an_ordinary_answer(
    project: Project, end: str, exits: list[str]
) -> None:
    project.routes({"/": DEPENDING.format(config="", end=end)})
    async with project.serving() as running:
        await running.get("/")
        log = running.module("/").log
    assert sorted(set(log) - {"task"}) == sorted({"open", "sync open", "GET", *exits, "closed"} | sync_closed(exits))


def sync_closed(exits: list[str]) -> set[str]:
    return set() if exits else {"sync closed"}  # without a finally, code after yield is skipped when the handler raised


async def test_a_dependency_of_a_static_render_that_ends_sees_no_exception(project: Project) -> None:
    project.routes({"/": DEPENDING.format(config="revalidate = 60", end="from millpond import cookies; cookies()")})
    pond = project.pond()
    await pond.build()
    log = pond.file_routes[0].module.module.log
    assert log == ["open", "sync open", "GET", "sync closed", "closed"]


async def test_background_tasks_run_once_per_render_of_a_static_route(project: Project) -> None:
    project.routes({"/": DEPENDING.format(config="revalidate = 60", end="return 1")})
    await project.built()
    async with project.started() as running:
        await running.get("/")
        log = running.module("/").log
        assert log == []
        project.clock.move(61)
        for _ in range(3):
            await running.get("/")
        await running.settle()
        assert log.count("task") == 1


async def test_a_background_task_that_fails_unmakes_no_answer(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    source = "from fastapi import BackgroundTasks\n{}\ndef fail(): raise OSError('no mail')\n"
    source += "def GET(tasks: BackgroundTasks):\n    tasks.add_task(fail)\n    return 1\n"
    project.routes({"/live": source.format(""), "/static": source.format("revalidate = 60")})
    async with project.serving() as running:
        assert (await running.get("/live")).status_code == 200
        assert await running.cache("/static") == "HIT"
    assert caplog.text.count("OSError: no mail") == 2


async def test_headers_and_connection_may_be_awaited(project: Project) -> None:
    source = """
    from millpond import connection, headers
    async def GET():
        await connection()
        return (await headers())["x-user"]
    """
    project.routes({"/": source})
    async with project.serving() as running:
        assert await running.body("/", headers={"x-user": "alice"}) == '"alice"'


async def test_what_middleware_has_put_into_a_request_is_there_in_a_live_run(project: Project) -> None:
    source = """
    from millpond import Request
    def GET(request: Request): return [request.session["name"], request.auth, request.user]
    """
    project.routes({"/": source})

    class Known:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            known = {"session": {"name": "alice"}, "auth": ["all"], "user": "alice"}
            await self.app({**scope, **known}, receive, send)

    await project.built()
    async with project.started(wrap=Known) as running:
        assert (await running.get("/")).json() == ["alice", ["all"], "alice"]
