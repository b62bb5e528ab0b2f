"""What a store remembers of a cron: which time was claimed last, and how the last runs ended."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from millpond.policy.entry import Entry

if TYPE_CHECKING:
    from millpond.config.cron_config import CronConfig

MAX_RUNS = 20


class RunOutcome(StrEnum):
    """How a run ended."""

    RUNNING = "running"
    OK = "ok"
    FAILED = "failed"
    """The handler raised, or answered 4xx or 5xx."""
    TIMED_OUT = "timed out"
    CANCELLED = "cancelled"
    """The server shut down, and its `shutdown_timeout` was over."""
    CUT_SHORT = "cut short"
    """The process that ran it died."""
    SKIPPED = "skipped"
    """It was due while the run before was still running."""


class CronRun(msgspec.Struct, frozen=True):
    """One run, or one that was skipped."""

    due: float
    """Seconds since the epoch, as the others."""
    outcome: RunOutcome
    began: float
    by: str
    """Host and process."""
    seconds: float | None = None
    status: int | None = None


class CronRecord(msgspec.Struct, frozen=True):
    """All that is remembered of a cron."""

    claimed: float = 0.0
    """Every due time up to this one was claimed, by any process; 0 before the first one."""
    runs: tuple[CronRun, ...] = ()
    """Oldest first."""

    def begun(self, run: CronRun) -> CronRecord:
        """With a run that begins: its time is claimed, so that nobody runs it a second time."""
        return CronRecord(max(self.claimed, run.due), (*self.runs, run)[-MAX_RUNS:])

    def ended(self, run: CronRun) -> CronRecord:
        """With the end of the run that began last."""
        return replace(self, runs=(*self.runs[:-1], run))

    def skipped(self, run: CronRun) -> CronRecord:
        """With a run that is skipped."""
        return self.begun(run)


def key_of(cron: CronConfig) -> str:
    """The key of a cron's record, and of its lease: another schedule is another cron."""
    return "\0".join(("cron", cron.path, cron.schedule, cron.timezone))


def entry_of(key: str, record: CronRecord, now: float, generation: int, former: Entry | None) -> Entry:
    """The entry that holds a record, in place of `former`, whatever the clocks of two hosts say."""
    return Entry(
        key=key,
        kind="cron",
        status=200,
        headers=(),
        body=msgspec.json.encode(record),
        rendered_at=now if former is None else max(now, former.rendered_at),
        revalidate=None,
        expire=None,
        generation=generation if former is None else max(generation, former.generation),
    )


def record_in(entry: Entry | None) -> CronRecord:
    """The record that an entry holds; an empty one for none, or for what another version has left."""
    if entry is None:
        return CronRecord()
    try:
        return msgspec.json.decode(entry.body, type=CronRecord)
    except (msgspec.DecodeError, UnicodeDecodeError):  # msgspec lets the latter through
        return CronRecord()
