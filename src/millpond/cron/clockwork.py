"""Runs the crons of an application when they are due, for as long as it serves."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from millpond.cron.job import Busy
from millpond.render.base_exceptions import is_cancellation
from millpond.render.pending_tasks import PendingTasks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from millpond.cron.job import Job

log = logging.getLogger("millpond.cron")

_LOOK_AGAIN_SECONDS = 30.0
"""A clock may be set while nobody looks at it."""
_LATE_SECONDS = 60.0
"""Who wakes up later than that has slept through a time that was due."""
_UNWIND_SECONDS = 5.0
"""For a run that was cancelled to write down in the store how it ended."""


@dataclass(slots=True)
class Clockwork:
    """The jobs of one process; those of other processes with the same store are theirs, too.

    Args:
        jobs: each with the clock that it goes by.
        patience: seconds that a run has to end when the server ends; then it is cancelled.
        sleep: waits so many seconds.
    """

    jobs: Sequence[Job]
    patience: float
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _runs: PendingTasks = field(default_factory=PendingTasks)

    @contextlib.asynccontextmanager
    async def going(self) -> AsyncIterator[None]:
        """Within the block, each job is run when it is due."""
        loops = [asyncio.create_task(self._keep_running(job)) for job in self.jobs]
        for loop in loops:
            loop.add_done_callback(_say_why)
        try:
            yield
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
            await self._runs.drain(self.patience, _UNWIND_SECONDS)

    async def _keep_running(self, job: Job) -> None:
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
            # What was due while it ran has been dealt with by the run.
            done = max(done, job.schedule.last(job.clock()))

    async def _catch_up(self, job: Job) -> None:
        """One run for all that nobody ran while no server was there; the first start has nothing to catch up."""
        try:
            claimed = (await job.record()).claimed
        except Exception:
            log.exception("%s: whether something is to be caught up isn't known", job.cron.path)
            return
        last = job.schedule.last(job.clock())
        if 0 < claimed < last:
            await self._run(job, last)

    async def _run(self, job: Job, due: float) -> None:
        await asyncio.shield(self._runs.begin(self._run_quietly(job, due)))  # the end of this loop isn't the run's

    async def _run_quietly(self, job: Job, due: float) -> None:
        try:
            await job.run(due)
        except Busy:
            log.debug("%s is another process's", job.cron.path)
        except BaseException as error:
            if is_cancellation(error):
                raise
            log.exception("%s can't be run", job.cron.path)


def _say_why(loop: asyncio.Task[None]) -> None:
    """A loop goes on until it is cancelled: one that ends by itself would leave its cron undone, and nobody told."""
    if not loop.cancelled() and loop.exception() is not None:
        log.critical("a cron isn't run any longer", exc_info=loop.exception())
