"""Callers that share one call of an upstream: each keeps its own timeout, and the call goes on for the longest."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from upstreams import Upstream, upstream

from ponds import turns

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

SOON, LATE = 0.1, 5.0

ROUTE = """
import httpx2
from millpond import fetch
dynamic = "force-dynamic"
URL = ""
async def GET(seconds: float | None = None):
    try:
        answer = await fetch(URL, revalidate=10, timeout=seconds)
    except httpx2.TimeoutException as error:
        return [type(error).__name__, str(error)]
    return [answer.status_code, answer.text]
"""


async def asked(running: Running, seconds: float | None) -> list[Any]:
    answer = await running.get("/" if seconds is None else f"/?seconds={seconds}")
    return list(answer.json())


def timed_out(seconds: float) -> list[Any]:
    return ["ReadTimeout", f"no complete answer within {seconds:g} s"]


async def started_together(running: Running, source: Upstream, *seconds: float | None) -> list[asyncio.Task[Any]]:
    """The calls, one after the other, while the upstream waits."""
    source.hold()
    tasks = []
    for each in seconds:
        tasks.append(asyncio.create_task(asked(running, each)))
        await source.arrived.wait()
        await asyncio.sleep(0.01)
    return tasks


@pytest.mark.parametrize("longer", [LATE, None])
@pytest.mark.parametrize("first_is_short", [True, False])
async def test_the_short_one_gives_up_and_the_long_one_gets_the_answer(
    project: Project, first_is_short: bool, longer: float | None
) -> None:
    project.routes({"/": ROUTE})
    async with upstream() as source, project.started() as running:
        running.module("/").URL = source.url
        order = (SOON, longer) if first_is_short else (longer, SOON)
        first, second = await started_together(running, source, *order)
        short, long = (first, second) if first_is_short else (second, first)
        assert await asyncio.wait_for(short, LATE / 2) == timed_out(SOON)
        await asyncio.sleep(0.05)
        assert not long.done()
        source.open.set()
        assert await long == [200, "/ 1"]
        assert source.requests == 1


async def test_each_gives_up_at_its_own_time_and_the_call_ends_with_the_last(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.routes({"/": ROUTE})
    async with upstream() as source, project.started() as running:
        running.module("/").URL = source.url
        tasks = await started_together(running, source, 0.1, 0.3, 0.2)
        assert await asyncio.gather(*tasks) == [timed_out(0.1), timed_out(0.3), timed_out(0.2)]
        await running.settle()
        assert running.responses.engine.tasks() == []
        assert source.requests == 1
        assert "failed" not in caplog.text


class SlowToEnd(httpx2.AsyncBaseTransport):
    """Its first request is never answered, and takes a while to end when it is cancelled."""

    def __init__(self) -> None:
        self.requests, self.ending, self.may_end = 0, asyncio.Event(), asyncio.Event()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests += 1
        if self.requests == 1:
            try:
                await asyncio.Event().wait()
            finally:
                self.ending.set()
                await self.may_end.wait()
        return httpx2.Response(200, text=str(self.requests))


async def test_who_joins_a_call_that_is_being_given_up_gets_another_one(project: Project) -> None:
    project.routes({"/": ROUTE.replace("timeout=seconds", "timeout=seconds, client=CLIENT")})
    transport = SlowToEnd()
    async with httpx2.AsyncClient(transport=transport) as client, project.started() as running:
        running.module("/").URL, running.module("/").CLIENT = "http://up/", client
        first = asyncio.create_task(asked(running, SOON))
        await transport.ending.wait()
        second = asyncio.create_task(asked(running, LATE))
        await turns()
        transport.may_end.set()
        assert await first == timed_out(SOON)
        assert await second == [200, "2"]


async def test_a_refresh_in_the_background_keeps_the_time_of_its_call(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.routes({"/": ROUTE})
    async with upstream() as source, project.started() as running:
        running.module("/").URL = source.url
        await asked(running, SOON)
        project.clock.move(11)
        source.hold()
        assert await asked(running, SOON) == [200, "/ 1"]
        await running.settle()
        assert f"refreshing cached data (GET {source.url}) failed" in caplog.text


async def test_one_who_waits_gets_the_answer_of_a_call_whose_first_caller_has_gone(project: Project) -> None:
    project.routes({"/": ROUTE})
    async with upstream() as source, project.started() as running:
        running.module("/").URL = source.url
        gone, stays = await started_together(running, source, None, SOON)
        gone.cancel()
        assert await stays == timed_out(SOON)
        source.open.set()
