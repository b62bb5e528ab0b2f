"""Applications with crons, in the place of several hosts: one store on disk, and one clock that is moved."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from millpond import Millpond
from millpond.config import parse_config
from millpond.routes.imports import forget
from millpond.stores.lmdb.store import LmdbStore
from ponds import Clock, turns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from millpond.stores.contract import Store
    from ponds import Project

# 12:00:00 UTC on 1 January 2027, at which */5 is due.
NOON = 1_798_804_800.0

HANDLER = """
import asyncio

from millpond import Request, Response

dynamic = "force-dynamic"
RUNS = []
GATE = asyncio.Event()
STATUS = [200]
SEEN = []


async def GET(request: Request):
    RUNS.append(request.headers["x-millpond-cron"])
    SEEN.append(dict(request.headers))
    if not GATE.is_set():
        await GATE.wait()
    if STATUS[0] == 0:
        raise RuntimeError("the upstream is gone")
    return Response(status_code=STATUS[0])
"""


class Hosts:
    """Several applications of one project that share a store."""

    def __init__(self, project: Project, ponds: list[Millpond], leases: Clock) -> None:
        self.clock, self.ponds = project.clock, ponds
        self.leases = leases
        """What leases are measured by. Holders renew theirs by real time, so it stands still until it is moved."""
        self.module: Any = next(route.module.module for route in ponds[0].file_routes)
        for pond in ponds[1:]:
            # One process imports a file once; hosts each do. What handlers write down is looked at in one place.
            assert next(route.module.module for route in pond.file_routes) is self.module

    @property
    def runs(self) -> int:
        return len(self.module.RUNS)

    async def sleep(self, seconds: float) -> None:
        """Ends when somebody has moved the clock so far."""
        ends = self.clock.now + seconds
        while self.clock.now < ends:
            await turns(1)

    async def move(self, seconds: float) -> None:
        """Let time pass, and everything happen that is due."""
        self.clock.move(seconds)
        await turns(200)


@asynccontextmanager
async def hosts(
    project: Project,
    count: int = 1,
    handler: str = HANDLER,
    store: Callable[[int], Store] | None = None,
    **cron: Any,
) -> AsyncIterator[Hosts]:
    """So many started applications with a cron of /job each; every five minutes, where nothing else is said.

    Args:
        project: whose.
        count: of applications.
        handler: the source of /job.
        store: makes that of one application, by its number; without it they share one on disk.
        cron: more of the cron's table.
    """
    project.clock.now = NOON + 1
    project.routes({"/job": handler})
    forget(project.folder)
    table = {"path": "/job", "schedule": "*/5 * * * *", **cron}
    config = parse_config({"cron": [table], "server": {"shutdown_timeout": 0.05}}, "millpond.toml")
    ponds, leases = [], Clock(50.0)

    def on_disk(number: int) -> Store:
        del number
        return LmdbStore(project.folder / "cache", max_bytes=2**20, clock=project.clock, monotonic=leases)

    async with AsyncExitStack() as started:
        for number in range(count):
            own = (store or on_disk)(number)
            pond = Millpond(project.folder / "app", config=config, store=own, clock=project.clock)
            await started.enter_async_context(pond.lifespan())
            ponds.append(pond)
        yield Hosts(project, ponds, leases)
