"""The crons: when each runs next, how its last runs ended, and running one now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from millpond.cron.job import AlreadyClaimed
from millpond.cron.record import RunOutcome
from millpond.dashboard.acting.acts import ActedBy
from millpond.dashboard.pages.dashboard_page import DashboardPage
from millpond.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from millpond.cron.job import CronJob
    from millpond.cron.record import CronRun
    from millpond.dashboard.acting.acts import Acts
    from millpond.dashboard.pages.dashboard_page import Viewer

RUN = "run"
_SHOWN_RUNS = 5
_LONGEST_NOTE = 200
STATES = {
    RunOutcome.OK: "hit",
    RunOutcome.RUNNING: "live",
    RunOutcome.SKIPPED: "stale",
    RunOutcome.CANCELLED: "stale",
}
"""How the end of a run is marked; all others are errors."""


class CronRow(NamedTuple):
    """One cron."""

    path: str
    schedule: str
    timezone: str
    next: float
    """Seconds since the epoch."""
    runs: Sequence[CronRun]
    """The last ones, latest first."""
    query: str
    """Names it in URLs."""

    @property
    def is_running(self) -> bool:
        return bool(self.runs) and self.runs[0].outcome is RunOutcome.RUNNING


class Crons(DashboardPage):
    """`crons`, and `crons/run?path=/api/sync&schedule=0+*+*+*+*`, which asks."""

    template = "crons.html"

    def __init__(self, acts: Acts) -> None:
        self._acts = acts

    async def context(self, viewer: Viewer, rest: str, query: Mapping[str, str]) -> dict[str, Any] | None:
        """As `DashboardPage.context`."""
        if rest not in ("", RUN):
            return None
        operated = viewer.operated
        asked = _job(operated.crons, query) if rest == RUN else None
        if rest == RUN and asked is None:
            return None
        rows: list[CronRow] = []
        lost = ""
        try:
            rows = [await self._row(job, operated.clock()) for job in (operated.crons if asked is None else [asked])]
        except StoreError as error:
            lost = str(error)
        return {
            "rows": rows,
            "lost": lost,
            "asked": rows[0] if asked is not None and rows else None,
            "states": STATES,
            "in_development": viewer.operated.development,
            "is_claimed": query.get("claimed") == "1",
            "who": viewer.name,
            "longest_note": _LONGEST_NOTE,
        }

    async def act(self, viewer: Viewer, rest: str, form: Mapping[str, str]) -> str | None:
        """As `DashboardPage.act`."""
        job = _job(viewer.operated.crons, form) if rest == RUN else None
        if job is None:
            return None
        note = "".join(each for each in form.get("note", "") if each.isprintable()).strip()[:_LONGEST_NOTE]
        if viewer.lost_store() is not None:  # nobody could claim the run
            return "crons#main"
        try:
            await self._acts.run_cron(job, ActedBy(viewer.name, note))
        except AlreadyClaimed:
            return "crons?claimed=1#main"
        except StoreError:
            return "crons#main"
        return "timeline?done=1#main"

    async def _row(self, job: CronJob, now: float) -> CronRow:
        cron, record = job.cron, await job.record()
        runs = list(reversed(record.runs))[:_SHOWN_RUNS]
        return CronRow(
            cron.path,
            cron.schedule,
            cron.timezone,
            job.schedule.after(now),
            runs,
            urlencode({"path": cron.path, "schedule": cron.schedule, "timezone": cron.timezone}),
        )


def _job(jobs: Sequence[CronJob], named: Mapping[str, str]) -> CronJob | None:
    wanted = tuple(named.get(name, "") for name in ("path", "schedule", "timezone"))
    return next((job for job in jobs if (job.cron.path, job.cron.schedule, job.cron.timezone) == wanted), None)
