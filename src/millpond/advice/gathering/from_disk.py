"""What the processes of this host have left on its disk: counters, minutes and events."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from millpond.advice.gathering.seen_traffic import DAY
from millpond.telemetry.counter_files import CounterFiles
from millpond.telemetry.counters import Counters
from millpond.telemetry.journal import Journal
from millpond.telemetry.minutes import Minutes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from millpond.telemetry.counters import Series, Value
    from millpond.telemetry.journal import Event
    from millpond.telemetry.minutes import Minute


class LeftBehind(NamedTuple):
    """What was counted and noted."""

    minutes: Sequence[Minute]
    totals: Mapping[Series, Value]
    events: Sequence[Event]
    """Newest first."""


def left_behind(folder: Path, now: float) -> LeftBehind:
    """All of it.

    Args:
        folder: where the processes add up; nothing where there is none.
        now: seconds since the epoch.
    """
    totals = CounterFiles(folder, Counters()).totals()
    return LeftBehind(Minutes(folder).since(now - DAY), totals, Journal(folder).latest(now=now))
