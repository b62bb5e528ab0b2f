"""What the parts of an application report of their work: counted, and noted for the timeline."""

from __future__ import annotations

import contextlib
import os
import threading
from hashlib import blake2b
from typing import TYPE_CHECKING

from millpond.cache.invalidation_log import InvalidationLog
from millpond.cron.record import RunOutcome
from millpond.messages import counted
from millpond.render.failures.masking import masked
from millpond.telemetry.instruments import (
    CRONS,
    DRIFTED,
    EVICTIONS,
    PURGES,
    STORE_BYTES,
    STORE_ENTRIES,
    STORE_LIMIT,
)
from millpond.telemetry.journal import Event
from millpond.telemetry.spans import TAGS, Spans

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from millpond.app.served_build import ServedBuild
    from millpond.config.cron_config import CronConfig
    from millpond.cron.record import CronRun
    from millpond.policy.freshness import Clock
    from millpond.purge.delivery import SentPurge
    from millpond.stores.contract import Store
    from millpond.stores.store_figures import Eviction, StoreFigures
    from millpond.telemetry.counting import Counting
    from millpond.telemetry.instruments import Instrument

PAUSE = 60.0
"""Seconds in which evictions, refusals of one cache in front, and failures of one cron are noted once."""
_MOST_TAGS = 20
_GAUGES: tuple[tuple[Instrument, Callable[[StoreFigures], int]], ...] = (
    (STORE_BYTES, lambda figures: figures.bytes),
    (STORE_LIMIT, lambda figures: figures.limit),
    (STORE_ENTRIES, lambda figures: figures.entries),
)


class EventLog:
    """Hears of invalidations, evictions, purges, crons and builds, from any thread.

    Args:
        counting: of the application.
        clock: seconds since the epoch.
        spans: of the application; None: the process's.
    """

    def __init__(self, counting: Counting, clock: Clock, spans: Spans | None = None) -> None:
        self._counting, self._clock, self._spans = counting, clock, spans or Spans()
        self._lock = threading.Lock()
        self._noted: dict[str, float] = {}
        """When something was noted last, by what it is."""
        self._since: dict[str, int] = {}
        """How often it has happened since."""
        self._invalidations = InvalidationLog(counting, clock)
        self._store: Store | None = None
        self._served: ServedBuild | None = None

    def watch(self, store: Store) -> None:
        """Tell how full a store is, and what it evicts."""
        if self._store is store:
            return
        self._store, store.evicted = store, self.evicted
        self._invalidations.hear(store)
        for instrument, value in _GAUGES:
            self._counting.counters.gauge(instrument, store, _reader(value))

    def evicted(self, evictions: Sequence[Eviction]) -> None:
        """A full store has evicted entries."""
        now, counters = self._clock(), self._counting.counters
        for each in evictions:
            counters.observe(EVICTIONS, max(0.0, now - each.rendered_at), "yes" if each.was_read else "no")
        count = self._due("eviction", now, len(evictions))
        if count:
            unread = sum(not each.was_read for each in evictions)
            text = f"the store is full: {counted(count, 'entry', 'entries')} evicted"
            detail = f"of the last {len(evictions)}, {unread} had never been read"
            self._note(Event(at=now, kind="eviction", text=text, detail=detail, count=count))

    def purged(self, sent: SentPurge) -> None:
        """A cache in front has answered a purge, or hasn't."""
        outcome = sent.name
        self._counting.counters.observe(PURGES, sent.seconds, sent.purger, outcome)
        tags = tuple(masked(tag, os.environ) for tag in sent.tags[:_MOST_TAGS])
        told = {"millpond.purger": sent.purger, "millpond.outcome": outcome, TAGS: tags, "millpond.hard": sent.hard}
        self._spans.past("purge", sent.seconds, None, told)
        if sent.is_done:
            return
        now = self._clock()
        count = self._due(f"purge {sent.purger} {outcome}", now, 1)
        if count:
            ending = "it will be tried again" if sent.is_repeated else "it is not tried again"
            self._note(
                Event(
                    at=now,
                    kind="purge",
                    text=f"{sent.purger}: {masked(sent.why, os.environ)}; {ending}",
                    tags=tags,
                    hard=sent.hard,
                    count=count,
                    error=outcome,
                )
            )

    def cron_ended(self, cron: CronConfig, run: CronRun) -> None:
        """A run of a cron has ended, or was skipped."""
        if run.seconds is not None:
            self._counting.counters.observe(CRONS, run.seconds, cron.path, run.outcome.value)
        if run.outcome in (RunOutcome.OK, RunOutcome.RUNNING):
            return
        now = self._clock()
        count = self._due(f"cron {cron.path} {run.outcome}", now, 1)
        if not count:
            return
        status = "" if run.status is None else f" ({run.status})"
        self._note(
            Event(
                at=now,
                count=count,
                kind="cron",
                text=f"{cron.path}: {run.outcome}{status}",
                detail=f'"{cron.schedule}", by {run.by}',
                path=cron.path,
                origin="cron",
                error=run.outcome.value,
            )
        )

    def serves(self, served: ServedBuild) -> None:
        """A build is served from now on: the first process of the host that does notes it."""
        if self._served is None:
            self._counting.counters.gauge(DRIFTED, self, lambda log: log.drifted())
        self._served = served
        if served.made_at is not None and self._is_first(served.build):
            routes = len(served.plans)
            text = f"build {served.build} is served: {counted(routes, 'route')}"
            drifted = len(served.drifted)
            detail = f"frozen environment variables that differ here: {drifted}" if drifted else ""
            self._note(Event(at=self._clock(), kind="deploy", text=text, detail=detail))

    def drifted(self) -> int | None:
        """How many environment variables that the build was made from differ here; None: no build is served."""
        return None if self._served is None or self._served.made_at is None else len(self._served.drifted)

    def _is_first(self, build: str) -> bool:
        """Whether no other process of this host has served the build, since another one was served."""
        folder = self._counting.folder
        mark = folder / f"served-{_short(build)}"
        try:
            mark.touch(exist_ok=False)
        except OSError:  # it is there, or the folder can't be written: then nothing can be noted in it
            return False
        for other in folder.glob("served-*"):
            if other != mark:
                with contextlib.suppress(OSError):
                    other.unlink()
        return True

    def _due(self, what: str, now: float, count: int) -> int:
        """How often something has happened since it was noted; 0: it was noted lately, so it waits."""
        with self._lock:
            self._since[what] = self._since.get(what, 0) + count
            last = self._noted.get(what)
            if last is not None and 0 <= now - last < PAUSE:
                return 0
            self._noted[what] = now
            if self._is_noted_elsewhere(what, now):
                return 0
            return self._since.pop(what)

    def _is_noted_elsewhere(self, what: str, now: float) -> bool:
        """Whether another process of this host has noted it lately; if not, none will for a while."""
        mark = self._counting.folder / f"noted-{_short(what)}"
        try:
            if 0 <= now - mark.stat().st_mtime < PAUSE:
                return True
        except OSError:
            pass  # there is none yet
        with contextlib.suppress(OSError):  # a folder that can't be written has no journal either
            mark.touch()
            os.utime(mark, (now, now))
        return False

    def _note(self, event: Event) -> None:
        self._counting.journal.note(event)


def _short(name: str) -> str:
    return blake2b(name.encode(), digest_size=8).hexdigest()


def _reader(value: Callable[[StoreFigures], int]) -> Callable[[Store], float | None]:
    def read(store: Store) -> float | None:
        figures = store.figures()
        return None if figures is None else value(figures)

    return read
