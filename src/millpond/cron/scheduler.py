"""Runs the crons of an application when they are due, for as long as it serves."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from millpond.cron.job import AlreadyClaimed
from millpond.render.base_exceptions import is_cancellation
from millpond.render.pending_tasks import PendingTasks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from millpond.cron.job import CronJob

log = logging.getLogger("millpond.cron")

_LOOK_AGAIN_SECONDS = 30.0
"""The system clock may be set while the scheduler sleeps."""
_LATE_SECONDS = 60.0
"""A run that would begin later than that was missed: the process or the machine was suspended."""
_UNWIND_SECONDS = 5.0
"""For a run that was cancelled to write down in the store how it ended."""


@dataclass(slots=True)
class Scheduler:
    """Runs the jobs of one process; processes with the same store share them.

    Args:
        jobs: each with its clock.
        patience: seconds that a run has to end when the server shuts down; then it is cancelled.
        sleep: waits so many seconds.
    """

    jobs: Sequence[CronJob]
    patience: float
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _runs: PendingTasks = field(default_factory=PendingTasks)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Within the block, each job is run when it is due."""
        loops = [asyncio.create_task(self._keep_running(job)) for job in self.jobs]
        for loop in loops:
            loop.add_done_callback(_log_failure)
        try:
            yield
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
            await self._runs.drain(self.patience, _UNWIND_SECONDS)

    async def _keep_running(self, job: CronJob) -> None:
        done = job.clock()
        if job.cron.catch_up:
            await self._catch_up(job)
        while True:
            due = job.schedule.after(done)
            while (left := due - job.clock()) > 0:
                await self.sleep(min(left, _LOOK_AGAIN_SECONDS))
            now = job.clock()
            done = job.schedule.last(now)
            if now - due <= _LATE_SECONDS:
                await self._run(job, due)
            elif job.cron.catch_up:
                await self._run(job, done)
            # The run has dealt with the times that fell into it.
            done = max(done, job.schedule.last(job.clock()))

    async def _catch_up(self, job: CronJob) -> None:
        """One run for all times that were missed while no server ran; the first start has none."""
        try:
            claimed = (await job.record()).claimed
        except Exception:
            log.exception("%s: the store can't tell whether a run was missed", job.cron.path)
            return
        last = job.schedule.last(job.clock())
        if 0 < claimed < last:
            await self._run(job, last)

    async def _run(self, job: CronJob, due: float) -> None:
        await asyncio.shield(self._runs.begin(self._run_quietly(job, due)))  # the end of this loop isn't the run's

    async def _run_quietly(self, job: CronJob, due: float) -> None:
        try:
            await job.run(due)
        except AlreadyClaimed:
            log.debug("%s is another process's", job.cron.path)
        except BaseException as error:
            if is_cancellation(error):
                raise
            log.exception("%s can't be run", job.cron.path)


def _log_failure(loop: asyncio.Task[None]) -> None:
    """Log why a loop ended by itself: its cron isn't run any longer."""
    if not loop.cancelled() and loop.exception() is not None:
        log.critical("a cron isn't run any longer", exc_info=loop.exception())
