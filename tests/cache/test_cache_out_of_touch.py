"""What the cache does while its store can't be reached: a store that says so, as the shared one does."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from millpond import Millpond
from millpond.config import parse_config
from millpond.stores.contract import Commit
from millpond.stores.memory import MemoryStore
from ponds import Running, client_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from millpond.policy.entry import Entry
    from millpond.stores.contract import Lease
    from ponds import Project

pytestmark = pytest.mark.anyio

ROUTE = """
from millpond import cached

runs, calls = [], []
revalidate = 10

def generate_static_params(): return []

@cached(revalidate=10)
async def data():
    calls.append(1)
    return len(calls)

async def GET(id: str):
    runs.append(id)
    return {"run": len(runs), "data": await data()}
"""
LIVE = """
from app.pages.route import data
dynamic = "force-dynamic"
async def GET():
    return await data()
"""
UNREACHABLE = "Millpond; hit; detail=store-unreachable"


class Remote(MemoryStore):
    """The store in memory, as if it were elsewhere: out of touch it gives what was there, and takes nothing."""

    reachable = True

    def is_synced(self) -> bool:
        return self.reachable

    def peek(self, key: str) -> Entry | None:
        return super().peek(key) if self.reachable else None

    async def get(self, key: str) -> Entry | None:
        return super().peek(key)

    async def commit(self, entry: Entry, lease: Lease | None = None, *, ends: bool = False) -> Commit:
        return await super().commit(entry, lease) if self.reachable else Commit.FAILED

    async def acquire(self, key: str, seconds: float) -> Lease | None:
        return await super().acquire(key, seconds) if self.reachable else None


@asynccontextmanager
async def started(project: Project) -> AsyncIterator[tuple[Running, Remote]]:
    project.routes({"/pages/[id]": ROUTE, "/live": LIVE.replace("app.pages.route", "shared")})
    project.write({"shared.py": ROUTE.split("async def GET")[0]})
    store = Remote(max_bytes=2**20, clock=project.clock)
    config = parse_config({"cache": {"store": "memory"}}, "millpond.toml")
    pond = Millpond(project.folder / "app", config=config, store=store, clock=project.clock)
    async with pond.lifespan(), client_of(pond) as client:
        yield Running(pond, client), store


async def test_what_is_at_hand_is_served_as_stale_and_no_render_is_begun_for_it(project: Project) -> None:
    async with started(project) as (running, store):
        await running.get("/pages/1")
        store.reachable = False
        for _ in range(3):
            answer = await running.get("/pages/1")
            assert (answer.headers["cache-status"], answer.headers["x-nextjs-cache"]) == (UNREACHABLE, "STALE")
            assert answer.json() == {"run": 1, "data": 1}
        project.clock.move(11)
        assert (await running.get("/pages/1")).headers["cache-status"] == UNREACHABLE
        await running.settle()
        assert len(running.module("/pages/[id]").runs) == 1
        store.reachable = True
        assert (await running.get("/pages/1")).headers["cache-status"].endswith("detail=age")
        await running.settle()
        assert len(running.module("/pages/[id]").runs) == 2


async def test_what_is_not_at_hand_is_rendered_and_kept_by_nobody(project: Project) -> None:
    async with started(project) as (running, store):
        store.reachable = False
        for run in (1, 2):
            answer = await running.get("/pages/1")
            assert answer.headers["cache-status"] == ("Millpond; fwd=miss; fwd-status=200; detail=store-unreachable")
            assert answer.json()["run"] == run
            assert answer.headers["cache-control"].startswith("private")


async def test_a_live_reader_takes_data_that_is_at_hand_and_refreshes_none(project: Project) -> None:
    async with started(project) as (running, store):
        assert await running.body("/live") == "1"
        store.reachable = False
        project.clock.move(11)
        assert [await running.body("/live") for _ in range(3)] == ["1", "1", "1"]
        await running.settle()
        store.reachable = True
        assert await running.body("/live") == "1"
        await running.settle()
        assert await running.body("/live") == "2"


async def test_an_answer_that_is_stored_is_never_made_of_data_that_may_be_outdated(project: Project) -> None:
    async with started(project) as (running, store):
        assert (await running.get("/pages/1")).json()["data"] == 1
        store.reachable = False
        assert (await running.get("/pages/2")).json() == {"run": 2, "data": 2}
