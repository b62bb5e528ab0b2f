"""Crons of several hosts with a shared store: one run for each time, whoever serves which build."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import pytest
from cron_hosts import NOON, hosts

from engines import any_engine, settle, soon
from millpond.config.store_url import parse_store_url
from millpond.cron.job import AlreadyClaimed
from millpond.cron.record import RunOutcome
from millpond.stores.valkey.store import ValkeyStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from engines import Engine
    from millpond.cron.job import CronJob
    from ponds import Project

__all__ = ["any_engine"]

pytestmark = pytest.mark.anyio

_prefixes = (f"crons-{number}" for number in itertools.count())


def shared(engine: Engine, project: Project) -> Callable[[int], ValkeyStore]:
    """Makes stores of hosts: each serves another build, as in the middle of a deploy."""
    prefix = next(_prefixes)
    settle(engine.client(), prefix)

    def store(number: int) -> ValkeyStore:
        address = parse_store_url(engine.url)
        return ValkeyStore(address, prefix=prefix, build=f"build-{number}", max_bytes=2**20, clock=project.clock)

    return store


async def ran(job: CronJob, due: float) -> bool:
    try:
        await job.run(due)
    except AlreadyClaimed:
        return False
    return True


async def test_each_time_is_run_by_one_host_however_close_they_are(project: Project, any_engine: Engine) -> None:
    async with hosts(project, count=3, store=shared(any_engine, project)) as three:
        three.module.GATE.set()
        jobs = [pond.jobs()[0] for pond in three.ponds]
        for number in range(1, 31):
            due = NOON + 300 * number
            project.clock.now = due + 1
            together = await asyncio.gather(*(ran(job, due) for job in jobs))
            after = [await ran(job, due) for job in jobs]
            assert (sum(together), any(after), three.runs) == (1, False, number)
        assert [run.outcome for run in (await jobs[1].record()).runs] == [RunOutcome.OK] * 20


async def test_two_runs_of_one_cron_never_overlap(project: Project, any_engine: Engine) -> None:
    async with hosts(project, count=2, store=shared(any_engine, project)) as two:
        first, second = (pond.jobs()[0] for pond in two.ponds)
        project.clock.now = NOON + 301
        running = asyncio.create_task(ran(first, NOON + 300))
        assert await asyncio.to_thread(soon, lambda: two.runs == 1)
        assert not await ran(second, NOON + 600)
        two.module.GATE.set()
        assert await running
        project.clock.now = NOON + 601
        assert await ran(second, NOON + 600)
        assert two.runs == 2
