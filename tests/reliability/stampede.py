"""Many requests at once, over all workers, for one key."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, NamedTuple

from served_pond import wire

if TYPE_CHECKING:
    from served_pond import Served


class Stampede(NamedTuple):
    renders: int
    statuses: Counter[int]
    answers: int
    """How many different bodies there were."""
    workers: int
    """How many processes took part."""


async def stampede(server: Served, key: str, requests: int) -> Stampede:
    """Ask `requests` times at once for a slow path; every connection is there before the first request."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(wire(server)) for _ in range(requests)]
        # Of some only: a connection that waits for long after its first answer is closed.
        asked = clients[:: max(1, requests // 32)]
        pids = {answer.json()["pid"] for answer in await asyncio.gather(*(one.ask("GET", "/pid") for one in asked))}
        before = renders_of(server, key)
        answers = await asyncio.gather(*(one.ask("GET", f"/slow/{key}") for one in clients))
        statuses = Counter(answer.status for answer in answers)
        bodies = {answer.body for answer in answers}
    return Stampede(renders_of(server, key) - before, statuses, len(bodies), len(pids))


def renders_of(server: Served, key: str) -> int:
    """How often a slow path has been rendered, by whatever worker."""
    count = server.folder / "truth" / f"{key}.count"
    return count.stat().st_size if count.exists() else 0
