"""What a cached function, or a render for everybody, hands over to threads is its own work there, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ponds import cache_of

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

WAYS = {
    "the loop's executor": "return await asyncio.get_running_loop().run_in_executor(None, read)",
    "asyncio.to_thread": "return await asyncio.to_thread(read)",
    "submit": "with ThreadPoolExecutor() as pool: return pool.submit(read).result()",
    "map": "with ThreadPoolExecutor() as pool: return list(pool.map(lambda _: read(), [1]))[0]",
    "a warm pool": "return pool.submit(read).result()",
    "a job of a job": "return pool.submit(lambda: other.submit(read).result()).result()",
    "Thread": "return in_thread(threading.Thread(target=lambda: read_into(found)))",
    "Timer": "return in_thread(threading.Timer(0, lambda: read_into(found)))",
    "a thread with a run of its own": """
        class Reading(threading.Thread):
            def run(self): read_into(found)
        return in_thread(Reading())""",
    "a thread of a thread": """
        return in_thread(threading.Thread(target=lambda: in_thread(threading.Thread(target=lambda: read_into(found)))))
    """,
}
READING = """
import asyncio, threading
from concurrent.futures import ThreadPoolExecutor
from millpond import cached
dynamic = "force-dynamic"
pool, other = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
pool.submit(int).result(), other.submit(int).result()
{kind} GET(request):
    found = []
    def read():
        try: return request.headers["x-user"]
        except BaseException: return "swallowed"
    def read_into(into): into.append(read())
    def in_thread(thread):
        thread.start()
        thread.join()
        return found[0]
    @cached(key=["x"])
    {kind} inner():
        {way}
    return {wait} inner()
"""


async def test_a_request_is_refused_to_a_cached_functions_threads(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    sources = {}
    for number, way in enumerate(WAYS.values()):
        sources[f"/async{number}"] = READING.format(kind="async def", wait="await", way=way)
        if "await" not in way:
            sources[f"/sync{number}"] = READING.format(kind="def", wait="", way=way)
    project.routes(sources)
    async with project.started() as running:
        for path in sources:
            caplog.clear()
            answers = [await running.get(path, headers={"x-user": user}) for user in ("alice", "bob")]
            assert [(answer.status_code, answer.text) for answer in answers] == [(500, "Internal Server Error")] * 2, (
                path
            )
            assert 'request.headers["x-user"] inside of the cached function' in caplog.text
        assert [entry for entry in running.pond.store.entries() if entry.kind == "function"] == []


async def test_threads_that_a_cached_function_has_begun_may_serve_others_later(project: Project) -> None:
    project.routes(
        {
            "/": """
            import queue, threading
            from concurrent.futures import ThreadPoolExecutor
            from millpond import cached
            dynamic = "force-dynamic"
            pool, jobs, done = ThreadPoolExecutor(1), queue.SimpleQueue(), queue.SimpleQueue()
            def work():
                while (job := jobs.get()) is not None: done.put(job())
            @cached
            def begun():
                threading.Thread(target=work).start()
                return pool.submit(lambda: "begun").result()
            def GET(request):
                said = begun()
                jobs.put(lambda: request.headers["x-user"])
                jobs.put(None)
                return [said, pool.submit(lambda: request.headers["x-user"]).result(), done.get()]
            """
        }
    )
    async with project.started() as running:
        assert (await running.get("/", headers={"x-user": "alice"})).json() == ["begun", "alice", "alice"]


async def test_what_a_renders_jobs_use_belongs_to_the_answer(project: Project) -> None:
    project.routes(
        {
            "/": """
            from concurrent.futures import ThreadPoolExecutor
            from millpond import cached
            revalidate = 600
            @cached(revalidate=60, tags=["products"])
            def product(name): return name
            def GET():
                with ThreadPoolExecutor() as pool: return list(pool.map(product, ["oak", "ash"]))
            """
        }
    )
    async with project.serving() as running:
        assert cache_of(await running.get("/")) == "HIT"
        entry = running.entry("/")
        assert entry is not None
        assert (entry.lifetime.revalidate, "products" in entry.tags) == (60, True)


async def test_the_threads_of_a_live_handler_see_what_they_saw_before(project: Project) -> None:
    project.routes(
        {
            "/": """
            import threading
            from concurrent.futures import ThreadPoolExecutor
            from contextvars import ContextVar
            user = ContextVar("user", default="nobody")
            dynamic = "force-dynamic"
            def GET(request):
                user.set(request.headers["x-user"])
                thread = threading.Thread(target=int)
                thread.start()
                with ThreadPoolExecutor() as pool: return [pool.submit(user.get).result(), "run" in vars(thread)]
            """
        }
    )
    async with project.started() as running:
        assert (await running.get("/", headers={"x-user": "alice"})).json() == ["nobody", False]
