"""@cached on synchronous functions: threads that wait for one another, loops that end, and nothing that hangs."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import anyio.to_thread
import pytest
from starlette.testclient import TestClient

from millpond.cache.active_application import deactivate
from ponds import client_of, turns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from millpond import Millpond
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

VALUES = """
import threading
from millpond import cached
runs, gate, entered, threads = 0, None, threading.Event(), []

@cached(revalidate=10)
def value(n=0):
    global runs
    runs += 1
    threads.append(threading.get_ident())
    entered.set()
    if gate is not None: gate.wait()
    return [n, runs]

@cached
def outer(n):
    return ["outer", value(n)]

@cached
def countdown(n):
    return [n] if n == 0 else [n, *countdown(n - 1)]
"""
SYNC = """
import values_here
from values_here import countdown, outer, value
dynamic = "force-dynamic"
def GET(n: int = 0): return value(n)
def POST(n: int = 0): return outer(n)
def PUT(n: int = 0): return countdown(n)
"""
ASYNC = SYNC.replace("def ", "async def ")


@pytest.fixture
async def few_threads() -> AsyncIterator[None]:
    """Two threads for all handlers."""
    limiter = anyio.to_thread.current_default_thread_limiter()
    before, limiter.total_tokens = limiter.total_tokens, 2
    yield
    limiter.total_tokens = before


@pytest.fixture
def files(project: Project) -> Project:
    project.write({"values_here.py": VALUES})
    project.routes({"/sync": SYNC, "/async": ASYNC})
    return project


async def soon(running: Running, method: str, path: str) -> object:
    answer = await asyncio.wait_for(running.client.request(method, path), 5)
    assert answer.status_code == 200
    return answer.json()


@pytest.mark.usefixtures("few_threads")
async def test_more_callers_than_threads_are_one_run(files: Project) -> None:
    async with files.started() as running:
        here = running.module("/sync").values_here
        here.gate = threading.Event()
        callers = [asyncio.create_task(soon(running, "GET", "/sync")) for _ in range(12)]
        await asyncio.to_thread(here.entered.wait, 5)
        await turns()
        here.gate.set()
        assert await asyncio.gather(*callers) == [[0, 1]] * 12


@pytest.mark.usefixtures("few_threads")
async def test_more_callers_of_different_keys_than_threads_all_end(files: Project) -> None:
    async with files.started() as running:
        found = await asyncio.gather(*(soon(running, "PUT", f"/sync?n={n}") for n in range(12)))
        assert found == [list(range(n, -1, -1)) for n in range(12)]


@pytest.mark.usefixtures("few_threads")
async def test_threads_that_all_wait_for_a_refresh_run_it_themselves(files: Project) -> None:
    """The refresh needs a thread, and every thread waits for the refresh."""
    files.routes(
        {
            "/page/[id]": """
            import threading
            from values_here import value
            revalidate = 10
            inside, go = threading.Semaphore(0), threading.Event()
            def generate_static_params(): return []
            def GET(id: str):
                inside.release()
                go.wait()
                return value()
            """
        }
    )
    async with files.started() as running:
        page = running.module("/page/[id]")
        await soon(running, "GET", "/async")
        files.clock.move(11)
        pages = [asyncio.create_task(soon(running, "GET", f"/page/{n}")) for n in range(2)]
        for _ in pages:
            await asyncio.to_thread(page.inside.acquire, timeout=5)
        assert await soon(running, "GET", "/async") == [0, 1]  # stale: its refresh waits for a thread
        await turns()
        page.go.set()
        assert await asyncio.gather(*pages) == [[0, 2]] * 2
        assert running.module("/sync").values_here.runs == 2


async def test_the_function_runs_in_the_thread_that_called_it(files: Project) -> None:
    async with files.started() as running:
        here = running.module("/sync").values_here
        mine: list[int] = []

        def call() -> None:
            mine.append(threading.get_ident())
            here.value(5)

        await asyncio.to_thread(call)
        assert here.threads == mine


@pytest.mark.parametrize("path", ["/sync", "/async"])
async def test_functions_nest_and_recur(files: Project, path: str) -> None:
    async with files.started() as running:
        assert await soon(running, "POST", path) == ["outer", [0, 1]]
        assert await soon(running, "PUT", f"{path}?n=3") == [3, 2, 1, 0]
        assert await soon(running, "PUT", f"{path}?n=3") == [3, 2, 1, 0]


async def test_a_sync_function_in_the_loop_is_seen_by_threads_at_once(files: Project) -> None:
    async with files.started() as running:
        found = [await soon(running, "GET", path) for path in ("/async", "/sync", "/async")]
        assert found == [[0, 1]] * 3


async def test_a_shutdown_waits_for_a_run_in_a_thread(files: Project) -> None:
    async with files.started() as running:
        here = running.module("/sync").values_here
        here.gate = threading.Event()
        caller = asyncio.create_task(soon(running, "GET", "/sync"))
        await asyncio.to_thread(here.entered.wait, 5)
        asyncio.get_running_loop().call_later(0.02, here.gate.set)
    assert await caller == [0, 1]


@pytest.fixture
def unstarted(files: Project) -> Iterator[Millpond]:
    """A Millpond without a lifespan: its first request starts it."""
    pond = files.pond()
    yield pond
    assert pond._runtimes.first is not None
    deactivate(pond._runtimes.first.data)  # its loops have ended: there is none to shut down in


@pytest.mark.parametrize("path", ["/sync", "/async"])
def test_a_client_that_starts_a_loop_for_each_request_gets_answers(unstarted: Millpond, path: str) -> None:
    client = TestClient(unstarted)
    assert [client.get(path).json() for _ in range(3)] == [[0, 1]] * 3


def test_two_loops_share_what_is_stored(unstarted: Millpond) -> None:
    async def read() -> list[object]:
        async with client_of(unstarted) as client:
            return [(await client.get(path)).json() for path in ("/sync", "/async")]

    assert asyncio.run(read()) == asyncio.run(read()) == [[0, 1], [0, 1]]


class Ending(asyncio.SelectorEventLoop):
    """A loop that is closed just after somebody has seen it run."""

    def is_running(self) -> bool:
        return self.is_closed()


@pytest.mark.filterwarnings("error")
async def test_a_thread_outlives_the_loop_that_it_calls_for(files: Project) -> None:
    async with files.started() as running:
        here = running.module("/sync").values_here
        assert running.pond._runtimes.first is not None
        data = running.pond._runtimes.first.data
        assert await asyncio.to_thread(here.value, 1) == [1, 1]
        ending = Ending()
        ending.close()
        ours, data.loop = data.loop, ending
        assert await asyncio.to_thread(here.value, 2) == [2, 2]  # a miss
        files.clock.move(11)
        assert await asyncio.to_thread(here.value, 1) == [1, 1]  # a stale one, which nobody can refresh
        assert data.caller_runs.watches.of(ending).look()  # while a thread waits for it
        data.caller_runs.watches.of(ending)._asked = float("-inf")
        assert await asyncio.to_thread(here.value, 3) == [3, 3]  # found blocked before
        assert not data.engine._arriving
        data.loop = ours
        assert await asyncio.to_thread(here.value, 2) == [2, 4]


async def test_what_a_loop_has_left_behind_is_not_in_the_way_of_newer_results(files: Project) -> None:
    async with files.started() as running:
        here = running.module("/sync").values_here
        assert running.pond._runtimes.first is not None
        engine = running.pond._runtimes.first.data.engine
        assert await asyncio.to_thread(here.value, 1) == [1, 1]
        [entry] = [each for each in running.pond.store.entries() if each.kind == "function"]
        engine._arriving[entry.key] = entry  # the loop ended before it was stored
        files.clock.move(11)
        assert await asyncio.to_thread(here.value, 1) == [1, 1]
        await running.settle()
        assert await asyncio.to_thread(here.value, 1) == [1, 2]
