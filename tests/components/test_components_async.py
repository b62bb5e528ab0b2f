"""What awaiting means for a prerender: a wait for the outside ends it, a wait for the handler's own tasks doesn't."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from components_project import assert_ends, assert_static, built_one, built_routes

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

SLEEP = "awaits asyncio.sleep"
COMPUTE = """
async def compute():
    await asyncio.sleep(0)
    return 1
"""
NAP = """
async def nap():
    await asyncio.sleep(0.01)  # here
    return 1
"""

WITHOUT_WAITING = {
    "sleep(0)": "await asyncio.sleep(0)",
    "many sleep(0)": "for _ in range(200): await asyncio.sleep(0)",
    "gather": "await asyncio.gather(compute(), compute())",
    "create_task": "await asyncio.create_task(compute())",
    "wait": "await asyncio.wait({asyncio.create_task(compute())})",
    "wait_for": "await asyncio.wait_for(compute(), 5)",
    "shield": "await asyncio.shield(compute())",
    "timeout": """
    async with asyncio.timeout(5):
        await compute()""",
    "TaskGroup": """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(compute()) for _ in range(3)]""",
    "anyio task group": """
    async with anyio.create_task_group() as group:
        group.start_soon(compute)""",
    "event": """
    event = asyncio.Event()
    asyncio.get_running_loop().call_soon(event.set)
    await event.wait()""",
    "queue": """
    queue = asyncio.Queue()
    async def put(): await queue.put(1)
    task = asyncio.create_task(put())
    await queue.get()""",
    "lock": """
    async with asyncio.Lock():
        await compute()""",
    "future": """
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, 1)
    await future""",
    "async generator": "[number async for number in numbers()]",
    "thread of the pool": "await run_in_threadpool(sum, [1, 2])",
    "gather of threads": "await asyncio.gather(*(run_in_threadpool(sum, [1]) for _ in range(5)))",
    "loop.time": "asyncio.get_running_loop().time()",
    "task left running": "asyncio.create_task(asyncio.sleep(60))",
}


@pytest.mark.parametrize("body", WITHOUT_WAITING.values(), ids=WITHOUT_WAITING)
async def test_waiting_for_own_tasks_and_for_computing_threads_is_static(project: Project, body: str) -> None:
    await assert_static(
        project,
        f"""
import asyncio
import anyio
from starlette.concurrency import run_in_threadpool
{COMPUTE}
async def numbers():
    for number in range(3):
        yield await compute()
async def GET():
    {body}
    return 1
""",
    )


OUTSIDE = {
    "sleep": ("await asyncio.sleep(0.01)  # here", SLEEP),
    "a sleep too short to block for": ("await asyncio.sleep(1e-9)  # here", SLEEP),
    "gather": ("await asyncio.gather(nap(), compute())", SLEEP),
    "gather of a bare sleep": ("await asyncio.gather(asyncio.sleep(0.01), compute())  # here", SLEEP),
    "a sleep that ends while others compute": ("await asyncio.gather(nap(), grind())", SLEEP),
    "a sleep that ends while a thread computes": ("await asyncio.gather(nap(), run_in_threadpool(slow_sum))", SLEEP),
    "TaskGroup": (
        """
    async with asyncio.TaskGroup() as group:
        group.create_task(compute())
        group.create_task(nap())""",
        SLEEP,
    ),
    "anyio task group": (
        """
    async with anyio.create_task_group() as group:
        group.start_soon(nap)""",
        SLEEP,
    ),
    "wait_for": ("await asyncio.wait_for(nap(), 5)", SLEEP),
    "a timeout that is met": (
        """
    try:
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()  # here
    except TimeoutError:
        pass""",
        "awaits asyncio.Event.wait",
    ),
    "a sleep in an async context manager": (
        """
    async with opened():
        pass""",
        SLEEP,
    ),
    "a sleep in an async generator": ("[number async for number in naps()]", SLEEP),
    "a thread outside of the pool": ("await asyncio.to_thread(sum, [1, 2])  # here", "awaits asyncio.to_thread"),
    "a thread that is quicker than the loop": (
        "await asyncio.gather(asyncio.to_thread(sum, [1, 2]), *map(asyncio.sleep, [0] * 50))  # here",
        "awaits asyncio.to_thread",
    ),
    "a future that nobody sets": (
        "await asyncio.get_running_loop().create_future()  # here",
        "awaits asyncio.get_running_loop().create_future()  # here",
    ),
    "another program": (
        'await asyncio.create_subprocess_exec("true")  # here',
        "process (subprocess.Popen)",
    ),
    "a stream": (
        """
    reader, writer = await asyncio.open_connection("localhost", 9)  # here""",
        "awaits asyncio.open_connection",
    ),
    "a client": (
        """
    async with httpx2.AsyncClient(trust_env=False) as client:
        await client.get("http://localhost:9/")  # here""",
        "awaits httpx2.AsyncClient.get",
    ),
    "a sleep before something else ends it, beside a thread": (
        "await asyncio.gather(nap_and_read_the_clock(), run_in_threadpool(slow_sum))",
        SLEEP,
    ),
    "a client, beside a thread": (
        """
    async with httpx2.AsyncClient(trust_env=False) as client:
        get = client.get("http://127.0.0.1:9/")
        await asyncio.gather(get, run_in_threadpool(slow_sum))  # here""",
        "awaits httpx2.AsyncClient.get",
    ),
}


@pytest.mark.parametrize(("body", "why"), OUTSIDE.values(), ids=OUTSIDE)
async def test_a_wait_for_the_outside_ends_the_prerender_where_it_is(project: Project, body: str, why: str) -> None:
    nap = NAP if "# here" not in body else NAP.replace("  # here", "")
    await assert_ends(
        project,
        f"""
import asyncio
import time
from contextlib import asynccontextmanager
import anyio
import httpx2
from starlette.concurrency import run_in_threadpool
{COMPUTE}{nap}
def slow_sum():
    return sum(range(2_000_000))
async def nap_and_read_the_clock():
    await nap()
    time.time()
async def grind():
    for _ in range(20):
        sum(range(100_000))
        await asyncio.sleep(0)
@asynccontextmanager
async def opened():
    yield await nap()
async def naps():
    yield await nap()
async def GET():
    {body}
    return 1
""",
        why,
    )


async def test_an_answer_that_is_there_at_once_is_of_the_outside_all_the_same(project: Project) -> None:
    await assert_ends(
        project,
        """
        import asyncio, socket
        far, near = socket.socketpair()
        far.send(b"x")
        async def receive():
            reader, writer = await asyncio.open_connection(sock=near)
            try:
                return await reader.read(1)  # here
            finally:
                writer.close()
                far.close()
        async def GET():
            return (await asyncio.gather(receive(), *map(asyncio.sleep, [0] * 100)))[0].decode()
        """,
        "awaits asyncio.StreamReader.read",
    )


async def test_a_sync_handler_that_has_the_loop_wait_for_it_ends(project: Project) -> None:
    await assert_ends(
        project,
        """
        import asyncio
        from anyio import from_thread
        def GET():  # here
            from_thread.run(asyncio.sleep, 0.01)
            return 1
        """,
        SLEEP,
    )


DEPENDENCY = """
import asyncio
from typing import Annotated
from fastapi import Depends
opened, closed = [], []
async def session():
    opened.append(1)
    try:
        {before}
        yield 7
    finally:
        await asyncio.sleep(0)
        closed.append(1)
async def GET(number: Annotated[int, Depends(session)]):
    {body}
    return number
"""


@pytest.mark.parametrize(
    ("before", "body"), [("await asyncio.sleep(0.01)  # here", ""), ("", "await asyncio.sleep(0.01)  # here")]
)
async def test_dependencies_are_closed_when_a_pass_is_cancelled(project: Project, before: str, body: str) -> None:
    project.config["cache_components"] = True
    project.routes({"/": DEPENDENCY.format(before=before or "pass", body=body or "pass")})
    pond = project.pond()
    built = await pond.build()
    assert [record.why for record in built.manifest.routes] == [SLEEP]
    module = pond.file_routes[0].module.module
    assert len(module.opened) == len(module.closed) == 1


async def test_a_connection_goes_back_to_its_pool_when_a_pass_is_cancelled(project: Project) -> None:
    project.write(
        {
            "pool.py": """
            import asyncio
            from contextlib import asynccontextmanager
            free, log = [], []
            class Connection:
                async def query(self):
                    await asyncio.sleep(0.01)
            @asynccontextmanager
            async def connection():
                one = free.pop() if free else Connection()
                try:
                    yield one
                finally:
                    await asyncio.sleep(0.001)  # a roll-back: the outside, too
                    free.append(one)
                    log.append("returned")
            """
        }
    )
    route = """
        from pool import connection, log
        async def GET():
            async with connection() as one:
                await one.query()
            return log
        """
    project.config["cache_components"] = True
    project.routes({"/a": route, "/b": route})
    pond = project.pond()
    built = await pond.build()
    assert [record.why for record in built.manifest.routes] == [SLEEP, SLEEP]
    pool = pond.file_routes[0].module.module.log
    assert pool == ["returned", "returned"]


async def test_a_real_async_driver_ends_the_prerender_and_its_connection_is_returned(project: Project) -> None:
    pytest.importorskip("aiosqlite")
    project.write(
        {
            "db.py": """
            from sqlalchemy.ext.asyncio import create_async_engine
            engine = create_async_engine("sqlite+aiosqlite:///:memory:")
            """,
            "instrumentation.py": """
            from contextlib import asynccontextmanager
            from db import engine
            def register(app):
                @asynccontextmanager
                async def lifespan(_):
                    async with engine.connect():
                        pass  # so that the pool has one
                    yield
                    app.state.out = engine.pool.checkedout() if hasattr(engine.pool, "checkedout") else 0
                    await engine.dispose()
                app.router.lifespan_context = lifespan
            """,
        }
    )
    project.config["cache_components"] = True
    project.routes(
        {
            "/": """
            from sqlalchemy import text
            from db import engine
            async def GET():
                async with engine.connect() as connection:
                    return (await connection.execute(text("SELECT 1"))).scalar()
            """
        }
    )
    pond = project.pond()
    built = await pond.build()
    assert [record.glyph for record in built.manifest.routes] == ["λ"]
    assert built.manifest.routes[0].why.startswith(("awaits sqlalchemy.", "database (sqlalchemy "))
    assert pond.state.out == 0


async def test_tasks_left_running_are_cancelled_and_awaited(project: Project) -> None:
    source = """
        import asyncio
        ends = []
        async def work(name):
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0)
                ends.append(name)
        async def GET():
            for name in ("one", "two"):
                asyncio.create_task(work(name))
            await asyncio.sleep(0)
            return 1
        """
    project.config["cache_components"] = True
    project.routes({"/": source})
    pond = project.pond()
    built = await pond.build()
    assert [record.glyph for record in built.manifest.routes] == ["○"]
    assert pond.file_routes[0].module.module.ends == ["one", "two"] * 2


async def test_a_task_left_running_while_caches_are_filled_changes_nothing(project: Project) -> None:
    record = await built_one(
        project,
        """
        import asyncio
        from millpond import cached
        @cached
        async def load():
            await asyncio.sleep(0.01)
            return 1
        async def GET():
            asyncio.create_task(asyncio.sleep(60))
            return await load()
        """,
    )
    assert record.glyph == "○"


async def test_the_next_pass_knows_nothing_of_the_context_variables_of_the_former(project: Project) -> None:
    source = """
        import asyncio
        from contextvars import ContextVar
        seen = []
        user = ContextVar("user", default="nobody")
        async def set_in_a_task():
            user.set("task")
        {kind} GET():
            seen.append(user.get())
            user.set("somebody")
            return {{"user": user.get()}}
        """
    project.config["cache_components"] = True
    project.routes({"/a": source.format(kind="async def"), "/b": source.format(kind="def")})
    pond = project.pond()
    assert (await pond.build()).failures == []
    for route in pond.file_routes:
        assert route.module.module.seen == ["nobody", "nobody"]


async def test_a_cache_of_the_module_that_the_first_pass_fills_serves_the_second(project: Project) -> None:
    record = await built_one(
        project,
        """
        import asyncio
        from functools import cache
        from millpond import cached
        kept = {}
        @cached
        async def load():
            await asyncio.sleep(0.01)
            return [1]
        @cache
        def squares():
            return [n * n for n in range(1000)]
        async def GET():
            if "list" not in kept:
                kept["list"] = await load()
            return kept["list"] + squares()
        """,
    )
    # What was kept past its lifetime is the user's own doing: the second pass used no cached function.
    assert (record.glyph, record.revalidate) == ("○", None)


async def test_what_after_runs_for_one_route_excuses_no_wait_of_another(project: Project) -> None:
    records = await built_routes(
        project,
        {
            "/a": """
            import time
            from millpond import after
            def GET():
                after(time.sleep, 0.2)
                return 1
            """,
            "/b": """
            import asyncio
            async def GET():
                await asyncio.sleep(0.03)
                return 1
            """,
        },
    )
    assert [records[pattern].glyph for pattern in ("/a", "/b")] == ["○", "λ"]


async def test_middleware_between_the_render_and_the_handler_changes_nothing(project: Project) -> None:
    project.write(
        {
            "instrumentation.py": """
            from starlette.middleware.base import BaseHTTPMiddleware
            async def mark(request, call_next):
                response = await call_next(request)
                response.headers["x-mark"] = "1"
                return response
            def register(app):
                app.add_render_middleware(BaseHTTPMiddleware, dispatch=mark)
            """
        }
    )
    records = await built_routes(
        project,
        {
            "/static": "import asyncio\nasync def GET():\n    await asyncio.sleep(0)\n    return 1\n",
            "/thread": "def GET(): return sum(range(1_000_000))\n",
            "/live": "import asyncio\nasync def GET():\n    await asyncio.sleep(0.01)\n    return 1\n",
        },
    )
    assert {pattern: record.glyph for pattern, record in records.items()} == {
        "/static": "○",
        "/thread": "○",
        "/live": "λ",
    }
    assert (records["/live"].why, records["/live"].place) == (SLEEP, ("app/live/route.py", 3))
