"""What runs around a handler, and on later paths of a route, is observed, too; and nothing when the build is over."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest
from observed_project import HERE, SHAPES, Found, built, found, inputs_of, marked

from millpond.observe import observer
from millpond.observe.profiling import ProfilingSource

if TYPE_CHECKING:
    from pathlib import Path

    from ponds import Project

pytestmark = pytest.mark.anyio

ON_THE_SECOND_PATH = """
import itertools, time
turn = itertools.count()
def generate_static_params():
    return [{"id": "a"}, {"id": "b"}, {"id": "c"}]
"""


SOURCES = ["this interpreter's", *(["the profiler"] if sys.version_info >= (3, 12) else [])]
"""Where an interpreter has the better one, the other one is held to the same."""


@pytest.fixture(params=SOURCES, autouse=True)
def source(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "the profiler":
        monkeypatch.setattr(observer, "source_for", lambda listener, project: ProfilingSource(listener))


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_use_on_one_path_only_is_seen_and_is_that_paths(project: Project, shape: str) -> None:
    project.routes({"/[id]": ON_THE_SECOND_PATH + SHAPES[shape].format(call="next(turn) == 1 and time.time()")})
    route = (await project.built(build={"concurrency": 1}))["/[id]"]
    assert [found(one) for one in route.inputs] == [
        Found("clock (time.time)", "app/[id]/route.py", line) for line in marked(project, "app/[id]/route.py")
    ]
    assert [path.inputs for path in route.paths] == [[], [0], []]


async def test_middleware_and_handlers_of_errors_are_observed(project: Project) -> None:
    project.write(
        {
            "instrumentation.py": f"""
            import uuid
            from starlette.responses import PlainTextResponse

            class Sold(Exception):
                pass

            class Named:
                def __init__(self, app):
                    self.app = app

                async def __call__(self, scope, receive, send):
                    scope["state"]["name"] = uuid.uuid4().hex  {HERE}
                    await self.app(scope, receive, send)

            async def sold(request, error):
                return PlainTextResponse(str(uuid.uuid1()))  {HERE}

            def register(app):
                app.add_render_middleware(Named)
                app.add_exception_handler(Sold, sold)
            """
        }
    )
    inputs = await inputs_of(project, "from instrumentation import Sold\nasync def GET():\n    raise Sold\n")
    assert [(one.text, one.line) for one in inputs] == list(
        zip(["randomness (uuid.uuid4)", "randomness (uuid.uuid1)"], marked(project, "instrumentation.py"), strict=True)
    )


async def test_what_a_function_of_a_library_does_in_a_thread_is_the_line_that_gave_it_away(project: Project) -> None:
    inputs = await inputs_of(
        project,
        f"""
        import asyncio, os
        from pathlib import Path
        import anyio
        async def GET():
            await asyncio.to_thread(Path("/dev/null").read_text)  {HERE}
            await anyio.Path("/dev/null").read_text()  {HERE}
            await anyio.to_thread.run_sync(os.getenv, "NOT_SET")  {HERE}
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, Path("/dev/null").read_text)  {HERE}
            return 1
        """,
    )
    texts = ["file /dev/null", "file /dev/null", "env NOT_SET", "file /dev/null"]
    assert [(one.text, one.line) for one in inputs] == list(zip(texts, marked(project, "app/route.py"), strict=True))


HANDED_OVER = {
    "to_thread": "await asyncio.to_thread({call})",
    "anyio": "await anyio.to_thread.run_sync({call})",
    "the loop's pool": "await asyncio.get_running_loop().run_in_executor(None, {call})",
    "a pool": "pool.submit({call}).result()",
    "a partial": "pool.submit(functools.partial({call})).result()",
    "a thread": "await asyncio.to_thread(lambda: threading.Thread(target={call}).start())",
}
"""Ways to have a function in C called by a thread."""


@pytest.mark.parametrize("way", HANDED_OVER)
async def test_a_function_in_c_that_is_given_to_a_thread_is_the_line_that_gave_it_away(
    project: Project, way: str
) -> None:
    inputs = await inputs_of(
        project,
        f"""
        import anyio, asyncio, functools, threading, time
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(1)
        async def GET():
            {HANDED_OVER[way].format(call="time.time")}  {HERE}
            return 1
        """,
    )
    assert [(one.text, one.line) for one in inputs] == [("clock (time.time)", marked(project, "app/route.py")[0])]


@pytest.mark.parametrize("call", ["time.localtime, 0", "time.strftime, '%Y', (2027,) + 8 * (1,)", "abs, -1"])
async def test_a_function_in_c_that_uses_nothing_may_be_given_to_a_thread(project: Project, call: str) -> None:
    source = f"import asyncio, time\nasync def GET():\n    return str(await asyncio.to_thread({call}))\n"
    assert await inputs_of(project, source) == []


async def test_a_statement_that_a_thread_executes_is_told_once_with_its_text(project: Project) -> None:
    inputs = await inputs_of(
        project,
        f"""
        import asyncio, sqlite3
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(1)
        db = sqlite3.connect(":memory:", check_same_thread=False)
        async def GET():
            await asyncio.to_thread(db.execute, "SELECT 1")  {HERE}
            pool.submit(db.execute, "SELECT 1").result()  {HERE}
            return 1
        """,
    )
    assert [(one.text, one.line) for one in inputs] == [
        ("database (sqlite3 execute: SELECT ?)", line) for line in marked(project, "app/route.py")
    ]


async def test_what_a_library_gives_to_a_thread_for_itself_is_nobodys(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "stopwatch_library.py").write_text(
        "import time\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "def lap():\n    with ThreadPoolExecutor(1) as pool:\n        return pool.submit(time.time).result()\n"
    )
    monkeypatch.syspath_prepend(outside)
    inputs = await inputs_of(
        project,
        f"""
        import time
        from concurrent.futures import ThreadPoolExecutor
        from stopwatch_library import lap
        def GET():
            lap()
            with ThreadPoolExecutor(1) as pool:
                pool.submit(time.time).result()  {HERE}
            return 1
        """,
    )
    assert [(one.text, one.line) for one in inputs] == [("clock (time.time)", marked(project, "app/route.py")[0])]


async def test_a_client_that_connects_in_a_task_of_its_own_is_the_line_that_asks(project: Project) -> None:
    inputs = await inputs_of(
        project,
        f"""
        import contextlib, httpx2
        async def GET():
            async with httpx2.AsyncClient(trust_env=False) as client:
                with contextlib.suppress(httpx2.HTTPError):
                    await client.get("http://localhost:9/")  {HERE}
            return 1
        """,
    )
    assert inputs == [Found("network localhost:9", "app/route.py", *marked(project, "app/route.py"))]


async def test_a_connection_that_an_earlier_path_has_opened_is_seen_when_it_is_used(project: Project) -> None:
    project.write(
        {
            "upstream.py": f"""
            import asyncio
            streams = []

            async def ask(port):
                if not streams:
                    streams.append(await asyncio.open_connection("127.0.0.1", port))  {HERE}
                reader, writer = streams[0]
                writer.write(b"question\\n")  {HERE}
                return await reader.readline()
            """
        }
    )

    over = asyncio.Event()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()
        await writer.wait_closed()
        over.set()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        source = f"from upstream import ask\nasync def GET(): return await ask({server.sockets[0].getsockname()[1]})\n"
        manifest = await built(project, {"/a": source, "/b": source}, build={"concurrency": 1})
        connection = sys.modules["upstream"].streams[0][1]
        connection.close()
        await connection.wait_closed()
        await over.wait()
    opened, used = marked(project, "upstream.py")
    assert {record.pattern: [one.place[1] for one in record.inputs] for record in manifest.routes} == {
        "/a": [opened, used],
        "/b": [used],
    }


async def test_what_fetch_asks_for_is_no_input(project: Project) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\na")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        manifest = await built(
            project,
            {
                "/": f"""
                from millpond import cached, fetch
                @cached
                async def load():
                    return (await fetch("{url}inner")).text
                async def GET():
                    return [await load(), (await fetch("{url}", cache="force-cache")).text]
                """
            },
        )
    assert (manifest.routes[0].inputs, manifest.functions) == ([], [])


async def test_a_thread_that_the_pool_had_before_the_build_is_observed(project: Project) -> None:
    await anyio.to_thread.run_sync(threading.get_ident)
    inputs = await inputs_of(project, f"import time\ndef GET():\n    return time.time()  {HERE}\n")
    assert inputs == [Found("clock (time.time)", "app/route.py", *marked(project, "app/route.py"))]


async def test_nothing_is_observed_once_the_build_is_over(project: Project) -> None:
    before = sys.getprofile(), threading.getprofile()
    await inputs_of(project, "import time\ndef GET(): return time.time()\n")
    assert (sys.getprofile(), threading.getprofile()) == before
    if sys.version_info >= (3, 12):
        assert "millpond" not in [sys.monitoring.get_tool(tool) for tool in range(6)]


async def test_threads_of_a_build_are_let_go_of_when_they_serve(project: Project) -> None:
    project.routes(
        {
            "/": "import sys\ndef GET(kind: str = ''):\n    return str(sys.getprofile())\n",
            "/static": "dynamic = 'force-static'\ndef GET(): return 1\n",
        }
    )
    async with project.serving() as running:
        for _ in range(3):
            assert (await running.get("/")).json() == "None"


SERVED = """
import asyncio, sys, threading
import httpx2
from millpond import Millpond
from millpond.observe import audit

async def serve():
    pond = Millpond("app")
    pond.isolated = False  # as a server's process
    async with pond.lifespan():
        transport = httpx2.ASGITransport(app=pond)
        async with httpx2.AsyncClient(transport=transport, base_url="http://shop.example") as client:
            for path in ("/", "/live", "/1", "/"):
                assert (await client.get(path)).status_code == 200

hooks = []
sys.addaudithook(lambda event, _: hooks.append(event) if event == "sys.addaudithook" else None)
asyncio.run(serve())
tools = {sys.monitoring.get_tool(tool) for tool in range(6)} if sys.version_info >= (3, 12) else set()
tools.discard("coverage.py")
print(hooks, audit._hooked, sys.getprofile(), threading.getprofile(), [tool for tool in tools if tool])
"""


async def test_a_server_installs_nothing(project: Project) -> None:
    source = "import time\ndef GET(): return time.time()\n"
    project.routes(
        {
            "/": f"revalidate = 60\n{source}",
            "/live": source,
            "/[id]": "import time\nrevalidate = 60\ndef GET(id): return time.time()\n",
        }
    )
    await project.built()
    served = await anyio.run_process([sys.executable, "-c", SERVED], cwd=project.folder)
    assert served.stdout.decode().strip() == "[] False None None []"


async def test_a_live_route_is_not_observed(project: Project) -> None:
    project.routes(
        {"/": "import time\nfrom millpond import headers\ndef GET():\n    time.time()\n    return headers()\n"}
    )
    route = (await project.built(compat="14"))["/"]
    assert (route.glyph, route.inputs) == ("λ", [])


async def test_what_runs_after_the_answer_is_no_part_of_it(project: Project) -> None:
    assert (
        await inputs_of(
            project,
            """
            import time
            from fastapi import BackgroundTasks
            from millpond import after
            def GET(tasks: BackgroundTasks):
                after(lambda: time.time())
                return 1
            """,
        )
        == []
    )
