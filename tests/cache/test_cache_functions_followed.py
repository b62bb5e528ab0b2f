"""Sync cached functions in threads that a render starts: their tags and lifetimes are the answer's (R6.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from millpond.cache.runs import loop_watch

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

SOURCE = """
import asyncio, queue, threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from millpond import cache_life, cached, revalidate_tag
{config}
runs = 0
POOL = ThreadPoolExecutor(1)
@cached(tags=["db"])
def load(id=1):
    cache_life(revalidate=77)
    return id
class Loading(threading.Thread):
    def run(self): load()
def in_a_thread(make):
    thread = make()
    thread.start()
    thread.join()
@cached
def outer(): return list(POOL.map(load, [1]))
async def GET():
    global runs
    runs += 1
    {call}
    return runs
def DELETE(): revalidate_tag("db", expire=0)
"""

CALLS = {
    "to_thread": "await asyncio.to_thread(load)",
    "run_in_executor": "await asyncio.get_running_loop().run_in_executor(None, load)",
    "own executor": "await asyncio.get_running_loop().run_in_executor(POOL, load)",
    "pool.map": "list(POOL.map(load, [1, 2]))",
    "pool.submit": "POOL.submit(load).result()",
    "Thread": "in_a_thread(lambda: threading.Thread(target=load))",
    "Thread, own run": "in_a_thread(Loading)",
    "Timer": "in_a_thread(lambda: threading.Timer(0, load))",
    "a thread in a thread": "in_a_thread(lambda: threading.Thread(target=lambda: list(POOL.map(load, [1]))))",
    "in a function": "outer()",
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_watch, "BLOCKED_SECONDS", 0.1)
    monkeypatch.setattr("millpond.cache.functions.sync_bridge.LOOK_SECONDS", 0.05)


@pytest.mark.parametrize("config", ["revalidate = False", ""], ids=["16", "16cc"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_what_a_thread_reads_is_what_the_answer_is_made_of(project: Project, call: str, config: str) -> None:
    project.routes({"/": SOURCE.format(call=call, config=config)})
    async with project.started(cache_components=not config) as running:
        answer = await running.get("/")
        assert answer.headers["cache-control"].startswith("s-maxage=77,")
        await running.settle()
        await running.client.delete("/")
        assert await running.body("/") == "2"


async def test_a_build_warns_of_a_thread_that_cannot_be_followed(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    call = "QUEUED.map(load, [1, 2, 3])"
    source = SOURCE.format(call=call, config="revalidate = False").replace(
        "runs = 0\n", "runs = 0\nQUEUED = ThreadPool(1)\n"
    )
    project.routes({"/": source})
    await project.built()
    assert caplog.text.count("@cached load() is called in a thread that no render has started") == 1
    assert "app/route.py:10: @cached load()" in caplog.text
