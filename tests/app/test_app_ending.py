"""What an application lets go of: at the end of a build or of a run, also where either fails or is cut short."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from millpond.cache import active_application
from ponds import client_of, start, turns

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

LIFESPAN = """
from contextlib import asynccontextmanager
from pathlib import Path

def note(event):
    with Path(__file__).with_name("events").open("a") as file:
        print(event, file=file)

def register(app):
    @asynccontextmanager
    async def lifespan(_):
        note("entered")
        try:
            yield
        finally:
            note("exited")

    app.router.lifespan_context = lifespan
"""
CALLBACK = """
import asyncio
from millpond import after, fetch
dynamic = "force-dynamic"
gate, got = asyncio.Event(), []

async def later():
    await gate.wait()
    got.append((await fetch("/slow", cache="no-store")).json())

async def GET():
    after(later)
"""
SLOW = """
import asyncio
revalidate = 10
runs = []

async def GET():
    runs.append("begun")
    await asyncio.sleep(0.05)
    runs.append("whole")
    return 1
"""
UNPLANNED = """
dynamic_params = False
asked = []

def generate_static_params():
    asked.append(1)
    if len(asked) == 1:
        raise ValueError("no database")
    return [{"id": "1"}]

def GET(id: str):
    return id
"""


def events(project: Project) -> list[str]:
    file = project.folder / "events"
    return file.read_text("utf-8").split() if file.exists() else []


async def test_a_shutdown_waits_for_the_refresh_that_its_last_callback_begins(project: Project) -> None:
    project.routes({"/": CALLBACK, "/slow": SLOW})
    async with project.serving() as running:
        callback, slow = running.module("/"), running.module("/slow")
        slow.runs.clear()
        project.clock.move(20)
        await running.get("/")
        asyncio.get_running_loop().call_later(0.05, callback.gate.set)  # when the shutdown has begun
    assert callback.got == [1]
    assert slow.runs == ["begun", "whole"]


async def test_a_shutdown_that_is_cancelled_lets_go_of_everything_all_the_same(project: Project) -> None:
    project.write({"instrumentation.py": LIFESPAN})
    project.routes({"/": CALLBACK})
    pond = project.pond()
    ending = asyncio.Event()

    async def live() -> None:
        async with pond.lifespan():
            async with client_of(pond) as client:
                await client.get("/")
            ending.set()

    living = asyncio.create_task(live())
    await ending.wait()
    await turns()
    living.cancel()
    with pytest.raises(asyncio.CancelledError):
        await living
    assert active_application._active == []
    assert events(project) == ["entered", "exited"]


async def test_a_start_that_fails_closes_the_store_and_leaves_the_lifespan(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write({"instrumentation.py": LIFESPAN})
    project.routes({"/[id]": UNPLANNED})
    pond, closed = project.pond(), []
    close = pond.store.close

    async def noted() -> None:
        closed.append(True)
        await close()

    monkeypatch.setattr(pond.store, "close", noted)
    with pytest.raises(ValueError, match="no database"):
        await start(pond)
    assert events(project) == ["entered", "exited"]
    assert closed == [True]


def test_a_build_that_cant_be_planned_leaves_the_lifespan_and_the_application_can_start(project: Project) -> None:
    """Each in an event loop of its own, as commands and servers are."""
    project.write({"instrumentation.py": LIFESPAN})
    project.routes({"/[id]": UNPLANNED})
    pond = project.pond()
    with pytest.raises(ValueError, match="no database"):
        asyncio.run(pond.build())
    assert events(project) == ["entered", "exited"]

    async def run() -> None:
        async with pond.lifespan():
            assert events(project) == ["entered", "exited", "entered"]

    asyncio.run(run())
    assert events(project) == ["entered", "exited"] * 2
