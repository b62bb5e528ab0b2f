"""millpond cron"""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from millpond.cli.project import open_project, prints_on_stderr, run_project
from millpond.cli.terminal.console import errors_as_json, output, print_json, print_table
from millpond.cli.terminal.options import HERE, Json, Which
from millpond.cron.job import AlreadyClaimed
from millpond.cron.record import RunOutcome
from millpond.errors import CommandError, UsageError
from millpond.prerender.build_table import route_table
from millpond.serve.logs import configure_logs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millpond.app import Millpond
    from millpond.cron.job import CronJob
    from millpond.cron.record import CronRecord, CronRun

cron = App(name="cron", help_format="plaintext")

HEADINGS = ["Path", "Schedule", "Time zone", "Next run", "Last run", "Outcome"]
FAILED = 1


@cron.command(name="list")
def list_crons(*, which: Which = HERE, json: Json = False) -> int:
    """List the crons: when each runs next, and the outcome of its last runs."""
    configure_logs("text", "error")
    with errors_as_json(json):
        app = open_project(which.entrypoint())
        jobs = _jobs_of(app, "millpond cron list")
        records = run_project(app, _records(app, jobs))
    now = time.time()
    facts = [_facts(job, record, now) for job, record in zip(jobs, records, strict=True)]
    if json:
        print_json({"crons": facts})
        return 0
    console = output()
    if not facts:
        console.print("no [[cron]] is configured")
        return 0
    rows = [_row(job, record, now) for job, record in zip(jobs, records, strict=True)]
    print_table(console, route_table(HEADINGS, rows, console.width))
    return 0


@cron.command
def run(
    path: Annotated[str, Parameter(help="The path of the cron, as in the configuration.")],
    /,
    *,
    schedule: Annotated[str | None, Parameter(help="Selects one of several crons with the same path.")] = None,
    which: Which = HERE,
    json: Json = False,
) -> int:
    """Run a cron now, in this process, and wait until it ends; the exit code is 0 if it succeeded."""
    configure_logs("text", "warning")
    with errors_as_json(json):
        app = open_project(which.entrypoint())
        job = _chosen(_jobs_of(app, "millpond cron run"), path, schedule)
        with prints_on_stderr():
            outcome = run_project(app, _run(app, job))
    if json:
        print_json(_run_facts(outcome))
    else:
        output().print(f"{path}: {_summary(outcome)}", soft_wrap=True)
    return 0 if outcome.outcome is RunOutcome.OK else FAILED


def _jobs_of(app: Millpond, doing: str) -> list[CronJob]:
    if app.config.cache.store == "memory" and app.config.cron:
        raise UsageError(
            f'{doing} reads the store, but the configuration has [cache] store = "memory": only the server itself has '
            "the records of crons."
        )
    return app.jobs()


def _chosen(jobs: Sequence[CronJob], path: str, schedule: str | None) -> CronJob:
    fitting = [job for job in jobs if job.cron.path == path and schedule in (None, job.cron.schedule)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        schedules = ", ".join(f'"{job.cron.schedule}"' for job in fitting)
        raise CommandError(f"{len(fitting)} crons run {path}; select one with --schedule: {schedules}.")
    known = ", ".join(sorted({job.cron.path for job in jobs})) or "none"
    raise CommandError(f"there is no such cron of {path}; the configured ones are: {known}.")


async def _records(app: Millpond, jobs: Sequence[CronJob]) -> list[CronRecord]:
    await app.store.open()
    try:
        return [await job.record() for job in jobs]
    finally:
        await app.store.close()


async def _run(app: Millpond, job: CronJob) -> CronRun:
    async with app.lifespan():
        try:
            return await job.run(job.clock(), once=False)
        except AlreadyClaimed:
            raise CommandError(f"{job.cron.path} is already running; try again when it has ended.") from None


def _facts(job: CronJob, record: CronRecord, now: float) -> dict[str, Any]:
    return {
        "path": job.cron.path,
        "schedule": job.cron.schedule,
        "timezone": job.cron.timezone,
        "next": job.schedule.after(now),
        "catch_up": job.cron.catch_up,
        "runs": [_run_facts(run) for run in reversed(record.runs)],
    }


def _run_facts(run: CronRun) -> dict[str, Any]:
    return {
        "due": run.due,
        "began": run.began,
        "outcome": run.outcome,
        "status": run.status,
        "seconds": run.seconds,
        "by": run.by,
    }


def _row(job: CronJob, record: CronRecord, now: float) -> list[str]:
    last = record.runs[-1] if record.runs else None
    return [
        job.cron.path,
        job.cron.schedule,
        job.cron.timezone,
        _time(job.schedule.after(now)),
        "" if last is None else _time(last.began),
        "not yet" if last is None else _summary(last),
    ]


def _summary(run: CronRun) -> str:
    """The outcome of a run as readable text."""
    parts = [run.outcome.value]
    if run.status is not None:
        parts.append(f"with {run.status}")
    if run.seconds is not None:
        parts.append(f"after {run.seconds:.1f} s")
    return " ".join(parts)


def _time(moment: float) -> str:
    """A time in this machine's time zone."""
    return datetime.fromtimestamp(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")
