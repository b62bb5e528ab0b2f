"""One cron: its claim in the store, the run, and the record of it."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from millpond.cache.runs.lease import kept
from millpond.config.schedule import Schedule
from millpond.cron.cron_request import AnsweredFromCache, send_cron_request
from millpond.cron.record import CronRecord, CronRun, RunOutcome, entry_of, key_of, record_in
from millpond.render.base_exceptions import contained
from millpond.stores.contract import Commit

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp

    from millpond.config import Config, CronConfig
    from millpond.policy.freshness import Clock
    from millpond.stores.contract import Lease, Store

log = logging.getLogger("millpond.cron")


class AlreadyClaimed(Exception):
    """Another process runs this cron, or has claimed that time."""


@dataclass(frozen=True, slots=True)
class CronJob:
    """A cron of a running application.

    A due time is claimed in the store before the run, in one step with the check that nobody else has claimed it. So it
    is run at most once: a run whose process is killed is not repeated, and the next run logs that. The lease of the
    claim is kept during the run, so that two runs of one cron never overlap.
    """

    cron: CronConfig
    app: ASGIApp
    config: Config
    store: Store
    clock: Clock
    timer: Callable[[], float] = time.monotonic
    """Seconds, to measure how long a run takes."""
    told: Callable[[CronConfig, CronRun], None] = lambda cron, run: None
    """Is told of each run that has ended, was cut short, or was skipped."""

    @property
    def key(self) -> str:
        return key_of(self.cron)

    @property
    def schedule(self) -> Schedule:
        return Schedule(self.cron.schedule, self.cron.timezone)

    async def record(self) -> CronRecord:
        """What the store remembers of the cron."""
        return record_in(await self.store.get(self.key))

    async def run(self, due: float, *, once: bool = True) -> CronRun:
        """Claim `due`, run it, and deal with the times that fall into the run.

        Args:
            due: seconds since the epoch.
            once: don't run it if that time was claimed already; False for a run by hand.

        Raises:
            AlreadyClaimed: another process has claimed it.
        """
        seconds = self.config.cache.lease_seconds
        lease = await self.store.acquire(self.key, seconds)
        if lease is None:
            raise AlreadyClaimed
        async with kept(self.store, lease, seconds):
            record = self._with_dead_run_ended(await self.record())
            if once and record.claimed >= due:
                raise AlreadyClaimed
            record, run = await self._run(record, due, lease)
            while (late := self.schedule.last(self.clock())) > record.claimed:
                if not self.cron.catch_up:
                    log.warning("%s was due while its last run went on: skipped", self.cron.path)
                    skipped = CronRun(late, RunOutcome.SKIPPED, self.clock(), _whoami())
                    self.told(self.cron, skipped)
                    await self._commit(record.skipped(skipped), lease)
                    break
                record, run = await self._run(record, late, lease)
            return run

    async def _run(self, record: CronRecord, due: float, lease: Lease) -> tuple[CronRecord, CronRun]:
        run = CronRun(due, RunOutcome.RUNNING, self.clock(), _whoami())
        record = record.begun(run)
        if not await self._commit(record, lease):
            raise AlreadyClaimed
        log.info("%s begins", self.cron.path, extra={"fields": {"cron": self.cron.schedule}})
        began = self.timer()
        try:
            outcome, status = await self._outcome()
        except asyncio.CancelledError:
            await self._end(record, replace(run, outcome=RunOutcome.CANCELLED, seconds=self.timer() - began), lease)
            raise
        run = replace(run, outcome=outcome, status=status, seconds=round(self.timer() - began, 3))
        return await self._end(record, run, lease), run

    async def _end(self, record: CronRecord, run: CronRun, lease: Lease) -> CronRecord:
        record = record.ended(run)
        self.told(self.cron, run)
        level = logging.INFO if run.outcome is RunOutcome.OK else logging.ERROR
        fields = {"cron": self.cron.schedule, "status": run.status, "seconds": run.seconds}
        log.log(level, "%s: %s", self.cron.path, run.outcome, extra={"fields": fields})
        if not await self._commit(record, lease):
            log.error("%s: the store can't remember how this run ended", self.cron.path)
        return record

    async def _outcome(self) -> tuple[RunOutcome, int | None]:
        limit = asyncio.timeout(self.cron.timeout)
        try:
            async with limit:
                status = await contained(self._ask, "the application")
        except AnsweredFromCache:
            log.error(
                '%s was answered from the cache, so its handler did not run: say dynamic = "force-dynamic" in its '
                "file, and build again.",
                self.cron.path,
            )
            return RunOutcome.FAILED, None
        except Exception:
            if limit.expired():
                return RunOutcome.TIMED_OUT, None
            log.exception("%s raised", self.cron.path)
            return RunOutcome.FAILED, None
        return (RunOutcome.OK if status < 400 else RunOutcome.FAILED), status

    async def _ask(self) -> int:
        return await send_cron_request(self.app, self.config, self.cron.path, self.cron.schedule)

    def _with_dead_run_ended(self, record: CronRecord) -> CronRecord:
        """A run that hasn't ended never will: this process holds the lease now."""
        if not record.runs or record.runs[-1].outcome is not RunOutcome.RUNNING:
            return record
        dead = record.runs[-1]
        log.error("%s: the run before was cut short, as %s ended", self.cron.path, dead.by)
        cut_short = replace(dead, outcome=RunOutcome.CUT_SHORT)
        self.told(self.cron, cut_short)
        return record.ended(cut_short)

    async def _commit(self, record: CronRecord, lease: Lease) -> bool:
        former = await self.store.get(self.key)
        entry = entry_of(self.key, record, self.clock(), self.store.generation(), former)
        return await self.store.commit(entry, lease) is Commit.STORED


def _whoami() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
