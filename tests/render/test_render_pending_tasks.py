"""Tasks that a shutdown waits for: all of them, for so long, and not for what can't be stopped."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from millpond.render.pending_tasks import PendingTasks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ponds import Project

pytestmark = pytest.mark.anyio


async def test_a_drain_waits_for_what_begins_meanwhile() -> None:
    pending, done = PendingTasks(), []

    async def second() -> None:
        await asyncio.sleep(0)
        done.append("second")

    async def first() -> None:
        await asyncio.sleep(0)
        pending.begin(second())
        done.append("first")

    pending.begin(first())
    assert await pending.drain(5) == 0
    assert done == ["first", "second"]
    assert await pending.drain(5) == 0


async def test_what_is_late_is_cancelled_counted_and_may_clean_up() -> None:
    pending, cleaned = PendingTasks(), []

    async def late() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    pending.begin(late())
    pending.begin(asyncio.sleep(0))
    assert await pending.drain(0.01) == 1
    assert cleaned == [True]


def test_tasks_of_another_event_loop_are_not_waited_for() -> None:
    pending = PendingTasks()
    other = asyncio.new_event_loop()
    holding = threading.Event()

    async def begin() -> None:
        pending.begin(asyncio.sleep(3600))
        holding.set()

    thread = threading.Thread(target=other.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(begin(), other).result(5)
    assert holding.is_set()
    assert asyncio.run(pending.drain(60)) == 0
    asyncio.run_coroutine_threadsafe(pending.drain(0), other).result(5)
    other.call_soon_threadsafe(other.stop)
    thread.join(5)
    other.close()


HANGING = """
import threading
from millpond import after
dynamic = "force-dynamic"
begun, gate = threading.Event(), threading.Event()

def hang():
    begun.set()
    gate.wait(30)

def POST():
    after(hang)
"""


@pytest.fixture
def gates() -> Iterator[list[threading.Event]]:
    held: list[threading.Event] = []
    yield held
    for gate in held:
        gate.set()


async def test_a_callback_that_hangs_in_a_thread_does_not_hold_up_a_shutdown(
    project: Project,
    gates: list[threading.Event],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("millpond.render.pending_tasks.UNWIND_SECONDS", 0.05)
    project.routes({"/": HANGING})
    async with asyncio.timeout(10):
        async with project.started(server={"shutdown_timeout": 0.05}) as running:
            module = running.module("/")
            gates.append(module.gate)
            await running.post("/")
            await asyncio.to_thread(module.begun.wait, 5)
    assert "1 background tasks didn't end within 0.05 s and were cancelled" in caplog.text
    module.gate.set()
