"""Crons run when they are due, once among all who could run them, and never two at a time."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from cron_hosts import NOON, Hosts, hosts
from msgspec.structs import replace

from millpond.cron.job import AlreadyClaimed
from millpond.cron.record import RunOutcome
from millpond.cron.scheduler import Scheduler
from ponds import turns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

    from millpond.cron.record import CronRecord
    from ponds import Project

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def running(of: Hosts, patience: float = 0.05) -> AsyncIterator[None]:
    """All hosts run what is due."""
    async with AsyncExitStack() as stack:
        for pond in of.ponds:
            await stack.enter_async_context(Scheduler(pond.jobs(), patience, of.sleep).running())
        await turns(50)
        yield


async def record(of: Hosts) -> CronRecord:
    return await of.ponds[0].jobs()[0].record()


async def outcomes(of: Hosts) -> list[RunOutcome]:
    return [run.outcome for run in (await record(of)).runs]


async def test_a_cron_runs_when_it_is_due_and_not_before(project: Project) -> None:
    async with hosts(project) as one, running(one):
        one.module.GATE.set()
        await one.move(298)
        assert one.runs == 0
        await one.move(1)
        assert one.runs == 1
        await one.move(299)
        assert one.runs == 1
        await one.move(1)
        assert one.runs == 2
        assert await outcomes(one) == [RunOutcome.OK, RunOutcome.OK]


async def test_each_time_is_run_once_by_any_number_of_hosts(project: Project) -> None:
    async with hosts(project, count=4) as four, running(four):
        four.module.GATE.set()
        for number in range(1, 6):
            await four.move(300)
            assert four.runs == number
        assert await outcomes(four) == [RunOutcome.OK] * 5


async def test_a_host_whose_clock_is_behind_does_not_run_a_time_again(project: Project) -> None:
    async with hosts(project) as one:
        one.module.GATE.set()
        job = one.ponds[0].jobs()[0]
        await job.run(NOON + 300)
        with pytest.raises(AlreadyClaimed):
            await job.run(NOON + 300)
        assert one.runs == 1


async def test_what_is_due_while_the_last_run_goes_on_is_skipped(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with hosts(project, count=2) as two, running(two):
            await two.move(300)
            assert two.runs == 1
            await two.move(301)
            two.module.GATE.set()
            await turns(200)
            assert two.runs == 1
            assert await outcomes(two) == [RunOutcome.OK, RunOutcome.SKIPPED]
            await two.move(300)
            assert two.runs == 2
    assert "/job was due while its last run went on: skipped" in caplog.text


async def test_with_catch_up_one_run_makes_up_for_what_fell_into_the_last_one(project: Project) -> None:
    async with hosts(project, catch_up=True) as one, running(one):
        await one.move(300)
        one.clock.move(900)
        one.module.GATE.set()
        await turns(300)
        assert one.runs == 2
        assert await outcomes(one) == [RunOutcome.OK, RunOutcome.OK]


@pytest.mark.parametrize(("catch_up", "runs"), [(False, 1), (True, 2)])
async def test_a_downtime_is_caught_up_by_one_run_where_that_is_wanted(
    project: Project, catch_up: bool, runs: int
) -> None:
    async with hosts(project, catch_up=catch_up) as one:
        one.module.GATE.set()
        async with running(one):
            await one.move(300)
        one.clock.move(3600)
        async with running(one):
            assert one.runs == runs
            await one.move(300)
            assert one.runs == runs + 1


async def test_the_first_start_catches_nothing_up(project: Project) -> None:
    async with hosts(project, catch_up=True) as one, running(one):
        assert one.runs == 0


async def test_a_machine_that_slept_runs_nothing_late_unless_it_is_to_catch_up(project: Project) -> None:
    async with hosts(project) as one, running(one):
        one.module.GATE.set()
        await one.move(300 + 600)
        assert one.runs == 0
        await one.move(300)
        assert one.runs == 1


@pytest.mark.parametrize(
    ("status", "outcome"), [(204, "ok"), (302, "ok"), (404, "failed"), (503, "failed"), (0, "failed")]
)
async def test_the_answer_decides_how_a_run_ended(project: Project, status: int, outcome: str) -> None:
    async with hosts(project) as one, running(one):
        one.module.GATE.set()
        one.module.STATUS[0] = status
        await one.move(300)
        run = (await record(one)).runs[-1]
        assert (run.outcome, run.status) == (outcome, status or 500)


async def test_a_run_that_takes_too_long_is_cancelled_and_the_next_one_comes(project: Project) -> None:
    async with hosts(project, timeout=0.05) as one, running(one):
        await one.move(300)
        await asyncio.sleep(0.1)
        await turns(50)
        assert await outcomes(one) == [RunOutcome.TIMED_OUT]
        one.module.GATE.set()
        await one.move(300)
        assert await outcomes(one) == [RunOutcome.TIMED_OUT, RunOutcome.OK]


@pytest.mark.parametrize(
    "error", [TimeoutError("its own"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()], ids=repr
)
async def test_an_error_of_the_application_is_a_failure_and_no_time_out(project: Project, error: BaseException) -> None:
    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    async with hosts(project) as one:
        job = dataclasses.replace(one.ponds[0].jobs()[0], app=fail)
        assert (await job.run(NOON + 300)).outcome is RunOutcome.FAILED


async def test_a_run_may_end_while_the_server_ends(project: Project) -> None:
    async with hosts(project) as one:
        async with running(one, patience=5):
            await one.move(300)
            asyncio.get_running_loop().call_later(0.02, one.module.GATE.set)
        assert await outcomes(one) == [RunOutcome.OK]


async def test_a_run_that_does_not_end_with_the_server_is_cancelled_and_says_so(project: Project) -> None:
    async with hosts(project) as one:
        async with running(one):
            await one.move(300)
        assert await outcomes(one) == [RunOutcome.CANCELLED]


async def test_a_run_whose_process_died_is_not_run_again_and_the_next_one_says_so(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    async with hosts(project) as one:
        job = one.ponds[0].jobs()[0]
        dead = asyncio.create_task(job.run(NOON + 300))
        await turns(200)
        killed = (await record(one)).runs[-1]
        assert killed.outcome is RunOutcome.RUNNING
        dead.cancel()
        await asyncio.gather(dead, return_exceptions=True)
        # As a SIGKILL leaves it: claimed, without an end, and under a lease that runs out.
        lease = await job.store.acquire(job.key, 10)
        assert lease is not None
        former = await job.store.get(job.key)
        assert former is not None
        body = former.body.replace(b'"cancelled"', b'"running"')
        await job.store.commit(replace(former, body=body), lease)
        one.leases.move(11)
        one.module.GATE.set()
        with caplog.at_level(logging.ERROR):
            await job.run(NOON + 600)
        assert await outcomes(one) == [RunOutcome.CUT_SHORT, RunOutcome.OK]
        assert "the run before was cut short" in caplog.text


@pytest.mark.parametrize("error", [OSError("no such host"), SystemExit(3)], ids=repr)
async def test_a_store_that_fails_is_logged_and_the_next_time_is_tried_again(
    project: Project, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    async with hosts(project) as one, running(one):
        one.module.GATE.set()

        async def broken(key: str, seconds: float) -> None:
            raise error

        with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
            patch.setattr(one.ponds[0].store, "acquire", broken)
            await one.move(300)
        assert one.runs == 0
        assert "/job can't be run" in caplog.text
        await one.move(300)
        assert one.runs == 1


async def test_a_store_that_fails_at_the_start_costs_the_catching_up_and_no_run(
    project: Project, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hosts(project, catch_up=True) as one:
        one.module.GATE.set()

        async def broken(key: str) -> None:
            raise OSError("no such host")

        with monkeypatch.context() as patch:
            patch.setattr(one.ponds[0].store, "get", broken)
            scheduler = running(one)
            await scheduler.__aenter__()
        assert "/job: the store can't tell whether a run was missed" in caplog.text
        await one.move(300)
        assert one.runs == 1
        await scheduler.__aexit__(None, None, None)


async def test_a_loop_that_ends_by_itself_is_told_of(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(seconds: float) -> None:
        raise OSError("no clock")

    async with hosts(project) as one, Scheduler(one.ponds[0].jobs(), 1, broken).running():
        await turns(50)
    assert "a cron isn't run any longer" in caplog.text
    assert "no clock" in caplog.text


async def test_a_target_that_is_answered_from_the_cache_is_a_failure_and_says_what_to_do(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    static = 'dynamic = "force-static"\n\n\ndef GET():\n    return 1\n'
    async with hosts(project, handler=static) as one:
        for number in (1, 2):  # rendered, and then stored
            run = await one.ponds[0].jobs()[0].run(NOON + 300 * number)
            assert run.outcome is RunOutcome.FAILED
    assert '/job was answered from the cache, so its handler did not run: say dynamic = "force-dynamic"' in caplog.text


async def test_only_so_many_runs_are_remembered(project: Project) -> None:
    async with hosts(project) as one, running(one):
        one.module.GATE.set()
        for _ in range(25):
            await one.move(300)
        runs = (await record(one)).runs
        assert one.runs == 25
        assert [run.due for run in runs] == [NOON + 300 * number for number in range(6, 26)]
