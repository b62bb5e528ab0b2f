"""Renders that run out of time in threads: they are left to end, counted, and bounded."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from anyio.to_thread import current_default_thread_limiter
from starlette.middleware.base import BaseHTTPMiddleware

from millpond.render import after
from ponds import Running, cache_of, client_of, turns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.middleware.base import RequestResponseEndpoint
    from starlette.requests import Request
    from starlette.responses import Response

    from ponds import Project

pytestmark = pytest.mark.anyio

HANGS = """
import threading
from millpond import Request
revalidate = 10
hangs, may_end, begun = False, threading.Event(), 0
def hang():
    global begun
    begun += 1
    if hangs:
        may_end.wait(10)
def generate_static_params(): return [{"id": "1"}]
"""
SYNC = f"{HANGS}\ndef GET(id: str):\n    hang()\n    return id\n"
WAYS = {
    "handler": SYNC,
    "dependency": f"{HANGS}\nfrom fastapi import Depends\nasync def GET(id: str, got=Depends(hang)): return id\n",
    "cached": (
        f"{HANGS}\nfrom millpond import cached\n@cached\ndef value(id):\n    hang()\n    return id\n"
        "def GET(id: str): return value(id)\n"
    ),
    "stream": (
        f"{HANGS}\nfrom millpond import StreamingResponse\ndef parts(id):\n    hang()\n    yield id\n"
        "async def GET(id: str): return StreamingResponse(parts(id))\n"
    ),
    "awaited": f"{HANGS}\nimport asyncio\nasync def GET(id: str):\n    await asyncio.to_thread(hang)\n    return id\n",
}
QUICK = """
revalidate = 10
{}def GET(id: str): return id
def generate_static_params(): return []
"""


@pytest.fixture
def shop(project: Project) -> Project:
    project.config["cache"] = {"render_timeout": 0.2, "max_overdue_renders": 4}
    project.routes({"/quick/[id]": QUICK.format(""), "/async/[id]": QUICK.format("async ")})
    return project


@asynccontextmanager
async def hanging(running: Running, *patterns: str) -> AsyncIterator[Any]:
    """Let handlers hang within the block; gives the module of the first."""
    modules = [running.module(pattern) for pattern in patterns or ("/hangs/[id]",)]
    for module in modules:
        module.hangs, module.begun = True, 0
    try:
        yield modules[0]
    finally:
        for module in modules:
            module.may_end.set()
        await ended(running)


async def ended(running: Running) -> None:
    renders = running.responses.renders
    for _ in range(1000):
        if not renders.overdue:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("an overdue render doesn't end")


@pytest.mark.parametrize("way", WAYS)
async def test_past_the_limit_nothing_begins_that_hangs(
    shop: Project, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    shop.routes({"/hangs/[id]": WAYS[way]})
    async with shop.serving() as running:
        tokens = current_default_thread_limiter().total_tokens
        async with hanging(running) as module:
            for number in range(6):
                assert (await running.get(f"/hangs/{number + 5}")).status_code == 500
            assert module.begun <= running.responses.renders.overdue == 2
            assert current_default_thread_limiter().total_tokens == tokens + 2
            assert "2 of /hangs/[id] (app/hangs/[id]/route.py) since 2027-01-15 08:00:00+00:00" in caplog.text
        assert current_default_thread_limiter().total_tokens == tokens
        module.hangs = False
        assert (await running.get("/hangs/20")).status_code == 200


async def test_a_render_in_middleware_is_counted_as_well(shop: Project) -> None:
    shop.routes({"/hangs/[id]": SYNC})
    await shop.built()
    pond = shop.pond()

    @lambda function: pond.add_render_middleware(BaseHTTPMiddleware, dispatch=function)
    async def around(request: Request, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)

    async with pond.lifespan(), client_of(pond) as client:
        running = Running(pond, client)
        async with hanging(running) as module:
            for number in range(5):
                assert (await running.get(f"/hangs/{number + 5}")).status_code == 500
            assert module.begun <= running.responses.renders.overdue == 2


async def test_threads_stay_as_many_as_are_allowed(shop: Project) -> None:
    shop.routes({"/hangs/[id]": SYNC})
    async with shop.serving() as running:
        before = threading.active_count()
        async with hanging(running):
            for number in range(20):
                await running.get(f"/hangs/{number + 5}")
            assert threading.active_count() - before <= 4


async def test_what_is_stored_is_served_while_renders_hang(shop: Project) -> None:
    shop.routes({"/hangs/[id]": SYNC})
    async with shop.serving() as running, hanging(running):
        for number in range(3):
            await running.get(f"/hangs/{number + 5}")
        shop.clock.move(11)
        answers = [await running.get("/hangs/1") for _ in range(3)]
        await running.settle()
        answers.append(await running.get("/hangs/1"))
        assert [(answer.status_code, answer.text) for answer in answers] == [(200, '"1"')] * 4
        assert "refresh-failed" in answers[-1].headers["cache-status"]


async def test_one_route_that_hangs_leaves_others_room(shop: Project) -> None:
    shop.routes({"/hangs/[id]": SYNC})
    async with shop.serving() as running, hanging(running):
        for number in range(6):
            assert (await running.get(f"/hangs/{number + 5}")).status_code == 500
        assert (await running.get("/quick/1")).status_code == 200


@pytest.mark.private_names
async def test_sync_handlers_wait_for_the_end_of_those_that_hang_and_async_ones_go_on(
    shop: Project, caplog: pytest.LogCaptureFixture
) -> None:
    shop.routes({"/hangs/[id]": SYNC, "/stuck/[id]": SYNC})
    async with shop.serving() as running:
        async with hanging(running, "/hangs/[id]", "/stuck/[id]"):
            for path in ("/hangs/5", "/hangs/6", "/stuck/5", "/stuck/6"):
                await running.get(path)
            caplog.clear()
            assert (await running.get("/quick/2")).status_code == 500
            assert "/quick/2" in caplog.text
            assert "2 of /hangs/[id]" in caplog.text
            assert "2 of /stuck/[id]" in caplog.text
            assert "Traceback" not in caplog.text
            assert (await running.get("/async/1")).status_code == 200
        assert (await running.get("/quick/2")).status_code == 200


async def test_an_async_handler_that_takes_too_long_is_ended_and_holds_nothing_up(shop: Project) -> None:
    forever = "import asyncio\nrevalidate = 10\nasync def GET(id: str):\n    await asyncio.Event().wait()\n"
    shop.routes({"/forever/[id]": f"{forever}def generate_static_params(): return []\n"})
    async with shop.serving() as running:
        for number in range(4):
            assert (await running.get(f"/forever/{number}")).status_code == 500
        await ended(running)
        assert cache_of(await running.get("/quick/1")) == "MISS"


async def test_who_waits_for_a_free_thread_gives_up_his_place(shop: Project) -> None:
    async with shop.serving() as running:
        limiter = current_default_thread_limiter()
        tokens, limiter.total_tokens = limiter.total_tokens, 0
        try:
            for number in range(4):
                assert (await running.get(f"/quick/{number}")).status_code == 500
            await ended(running)
            assert limiter.statistics().tasks_waiting == 0
        finally:
            limiter.total_tokens = tokens
        assert (await running.get("/quick/5")).status_code == 200


async def test_a_live_handler_finds_a_thread_whatever_hangs(shop: Project) -> None:
    shop.routes({"/hangs/[id]": SYNC, "/live": 'dynamic = "force-dynamic"\ndef GET(): return 1\n'})
    async with shop.serving() as running:
        limiter = current_default_thread_limiter()
        tokens, limiter.total_tokens = limiter.total_tokens, 1
        try:
            async with hanging(running):
                for number in range(4):
                    await running.get(f"/hangs/{number + 5}")
                assert (await asyncio.wait_for(running.get("/live"), 5)).json() == 1
        finally:
            limiter.total_tokens = tokens


# What else hangs in threads

AFTER = """
import threading
from millpond import after
dynamic = "force-dynamic"
may_end, ended = threading.Event(), []
def send():
    may_end.wait(10)
    ended.append(1)
async def POST(): after(send)
def GET(): return 1
"""
CACHED = """
import threading
from millpond import cached
dynamic = "force-dynamic"
may_end, hangs = threading.Event(), False
@cached(revalidate=10)
def value(number: int) -> int:
    if hangs:
        may_end.wait(10)
    return number
async def POST(number: int): return value(number)
def GET(): return 1
"""


async def test_callbacks_that_hang_leave_handlers_their_threads_and_are_named(
    project: Project, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(after, "AFTER_THREADS", 2)
    project.routes({"/": AFTER})
    async with project.serving() as running:
        limiter = current_default_thread_limiter()
        tokens, limiter.total_tokens = limiter.total_tokens, 1
        try:
            before = threading.active_count()
            for _ in range(8):
                assert (await running.post("/")).status_code == 200
            assert (await asyncio.wait_for(running.get("/"), 5)).json() == 1
            assert threading.active_count() - before <= 3
            assert caplog.text.count("after(send) waits for a thread: all 2 run callbacks: 2 of send") == 1
        finally:
            running.module("/").may_end.set()
            limiter.total_tokens = tokens
        await running.settle()
        assert len(running.module("/").ended) == 8


async def test_refreshes_that_hang_leave_handlers_their_threads(project: Project) -> None:
    project.routes({"/": CACHED})
    async with project.serving() as running:
        limiter, module = current_default_thread_limiter(), running.module("/")
        for number in range(4):
            await running.post(f"/?number={number}")
        project.clock.move(11)
        tokens, limiter.total_tokens = limiter.total_tokens, 1
        module.hangs = True
        try:
            for number in range(4):
                assert (await running.post(f"/?number={number}")).json() == number
            await turns()
            assert (await asyncio.wait_for(running.get("/"), 5)).json() == 1
        finally:
            module.may_end.set()
            limiter.total_tokens = tokens
        await running.settle()
