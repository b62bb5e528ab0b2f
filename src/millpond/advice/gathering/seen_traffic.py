"""What was counted for each route: since the build was made, at most a day."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from millpond.advice.observation import SeenRenders, SeenTraffic, SlowFetch
from millpond.serve.watched.live_watch import TOGETHER
from millpond.telemetry.counters import Spread
from millpond.telemetry.instruments import (
    EVICTIONS,
    LIVE_EQUAL,
    LIVE_READS,
    LIVE_SAMPLED,
    RENDERS,
    REQUESTS,
    SLOW_FETCHES,
)
from millpond.telemetry.minutes import MINUTE
from millpond.telemetry.request_counts import CLIENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from millpond.telemetry.counters import Series, Value
    from millpond.telemetry.minutes import Minute

DAY = 86_400.0
_WITHOUT_MINUTES = 3600.0
"""Seconds that totals are taken for where no minute is known: they are less than an hour old, or nobody knows."""


class SeenSeries(NamedTuple):
    """One value that was counted: the metric, its attributes, the number, and of a histogram the sum."""

    name: str
    values: tuple[str, ...]
    number: float
    total: float = 0.0


class SeenCounts(NamedTuple):
    """What was counted, of the whole application."""

    seconds: float
    routes: Mapping[str, SeenTraffic]
    slow_fetches: Sequence[SlowFetch]
    evicted: float
    evicted_read: float


def in_minutes(minutes: Iterable[Minute]) -> Iterator[SeenSeries]:
    """What was counted in some minutes."""
    for minute in minutes:
        for name, numbers in minute.numbers.items():
            for key, number in numbers.items():
                yield SeenSeries(name, tuple(key.split("\n")), number)
        for name, spreads in minute.spreads.items():
            for key, (total, buckets) in spreads.items():
                yield SeenSeries(name, tuple(key.split("\n")), sum(buckets), total)


def in_totals(totals: Mapping[Series, Value]) -> Iterator[SeenSeries]:
    """What was counted in all."""
    for (name, values), value in totals.items():
        if isinstance(value, Spread):
            yield SeenSeries(name, values, value.number, value.total)
        else:
            yield SeenSeries(name, values, value)


def seen_counts(minutes: Sequence[Minute], totals: Mapping[Series, Value], since: float) -> SeenCounts:
    """What was counted since a time.

    Args:
        minutes: of the last day.
        totals: used where no minute has ended yet.
        since: seconds since the epoch; what was counted before is another build's.
    """
    late = [minute for minute in minutes if minute.at > since]
    seconds = len(late) * MINUTE if minutes else _WITHOUT_MINUTES
    return _summed(in_minutes(late) if minutes else in_totals(totals), max(seconds, MINUTE))


def _summed(counted: Iterable[SeenSeries], seconds: float) -> SeenCounts:
    routes: defaultdict[str, SeenTraffic] = defaultdict(SeenTraffic)
    slow: defaultdict[tuple[str, str], float] = defaultdict(float)
    evictions: defaultdict[str, float] = defaultdict(float)
    for name, values, number, total in counted:
        match name, values:
            case REQUESTS.name, (route, status, decision, reason, origin):
                if origin == CLIENT:
                    routes[route].requests[decision, reason, status] += number
            case RENDERS.name, (route, cause, outcome):
                known = routes[route].renders
                known[cause, outcome] = known.get((cause, outcome), SeenRenders()).plus(SeenRenders(number, total))
            case LIVE_SAMPLED.name, (route,):
                routes[route].sampled += number
            case LIVE_READS.name, (route, read):
                routes[route].reads[read] += number
            case LIVE_EQUAL.name, (route, when):
                if when == TOGETHER:
                    routes[route].together += number
                else:
                    routes[route].again += number
            case SLOW_FETCHES.name, (route, file, line):
                slow[route, f"{file}:{line}"] += number
            case EVICTIONS.name, (was_read,):
                evictions[was_read] += number
    fetches = [SlowFetch(route, place, number) for (route, place), number in slow.items()]
    evicted_read = sum(number for was_read, number in evictions.items() if was_read in ("true", "read", "yes"))
    return SeenCounts(seconds, routes, fetches, sum(evictions.values()), evicted_read)
