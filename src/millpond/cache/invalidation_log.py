"""What a process tells of the invalidations that it makes: counted, and noted for the timeline."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from typing import TYPE_CHECKING

from millpond.policy.tags import Named, named
from millpond.render.failures.masking import masked
from millpond.telemetry.counting import Counting
from millpond.telemetry.instruments import INVALIDATIONS
from millpond.telemetry.invalidated import By, invalidated_by, listen
from millpond.telemetry.journal import Event

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from millpond.config import MetricsConfig
    from millpond.policy.freshness import Clock
    from millpond.telemetry.invalidated import ToldInvalidation
    from millpond.telemetry.journal import Origin

_MOST_TAGS = 20
_MOST_PER_SECOND = 20
"""Invalidations that are noted: the journal is bounded, and has other things in it."""


class InvalidationLog:
    """Hears of invalidations, from any thread.

    Args:
        counting: of the application.
        clock: seconds since the epoch.
    """

    def __init__(self, counting: Counting, clock: Clock) -> None:
        self._counting, self._clock, self._lock = counting, clock, threading.Lock()
        self._latest: deque[float] = deque(maxlen=_MOST_PER_SECOND)
        """When the latest ones were noted."""
        self._unnoted = 0

    def hear(self, store: object) -> None:
        """Tell of the invalidations in a store that this process makes."""
        listen(store, self.invalidated)

    def invalidated(self, told: ToldInvalidation) -> None:
        """Tags or paths were invalidated. Of very many a second, some are noted with the number of the others."""
        by, hard = told.by, told.expire_after == 0
        names = [named(tag) for tag in told.tags]
        for kind, _ in names:
            what = "tag" if kind is Named.TAG else "path"
            self._counting.counters.add(INVALIDATIONS, by.origin, what, "hard" if hard else "soft")
        count = 0 if by.is_noted else self._within_budget()
        if count:
            first = [_readable(*each) for each in names[:_MOST_TAGS]]
            more = f" and {len(names) - len(first)} more" if len(names) > len(first) else ""
            self._counting.journal.note(
                Event(
                    at=self._clock(),
                    kind="invalidation",
                    text=f"{', '.join(first)}{more}",
                    detail="" if hard else _soft(told.expire_after),
                    tags=tuple(first),
                    generation=told.generation,
                    hard=hard,
                    place=by.place,
                    origin=by.origin,
                    name=by.name,
                    request=by.request,
                    count=count,
                )
            )

    def _within_budget(self) -> int:
        """How many invalidations an event stands for now; 0: too many were noted within a second, so it waits."""
        now = self._clock()
        with self._lock:
            self._unnoted += 1
            if len(self._latest) == _MOST_PER_SECOND and 0 <= now - self._latest[0] < 1:
                return 0
            self._latest.append(now)
            count, self._unnoted = self._unnoted, 0
            return count


def _readable(kind: Named, name: str) -> str:
    name = masked(name, os.environ)
    return name if kind is Named.TAG else f"{kind.value}:{name}"


def _soft(expire_after: float | None) -> str:
    limit = "" if expire_after is None else f" for {expire_after:g} s"
    return f"older answers are served as stale{limit}"


@contextlib.contextmanager
def counted_by(origin: Origin, project: Path, config: MetricsConfig, store: object, clock: Clock) -> Iterator[None]:
    """Within the block a process that doesn't serve counts what it invalidates in a store.

    Args:
        origin: who invalidates.
        project: its folder.
        config: whether anything is counted, and where.
        store: open.
        clock: seconds since the epoch.
    """
    counting = Counting.of(project, config)
    if counting is None:
        yield
        return
    with counting.at_once(), invalidated_by(By(origin)):
        InvalidationLog(counting, clock).hear(store)
        yield
