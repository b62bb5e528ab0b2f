"""The counters of one process: numbers in memory, which cost a hit some ten nanoseconds."""

from __future__ import annotations

import threading
import weakref
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from millpond.telemetry.instruments import SHARED, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from millpond.telemetry.instruments import Instrument

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds: the upper bounds of a histogram of durations; what is above the last counts as well."""
AGE_BUCKETS = (1.0, 10.0, 60.0, 600.0, 3600.0, 21_600.0, 86_400.0, 604_800.0, 2_592_000.0)
"""Seconds: those of ages."""

T = TypeVar("T")

MOST_SERIES = 20_000
"""Of one process. What is counted beyond that has `OTHER` in the place of each attribute."""
OTHER = "_OTHER"
"""OpenTelemetry's name for what isn't told apart."""
_LONGEST_VALUE = 200
"""Characters of an attribute's value."""


class Series(NamedTuple):
    """One line of a metric: its name, and the values of its attributes."""

    name: str
    values: tuple[str, ...]


class Spread(NamedTuple):
    """What a histogram has seen."""

    number: int
    total: float
    """The sum of what was observed."""
    buckets: tuple[int, ...]
    """How many in each bucket; the last is for what is above all bounds."""

    def plus(self, other: Spread) -> Spread:
        """Both together."""
        buckets = tuple(a + b for a, b in zip(self.buckets, other.buckets, strict=True))
        return Spread(self.number + other.number, self.total + other.total, buckets)


Value = float | Spread


class Tally:
    """A number that grows. `count += 1` is for the thread of the event loop; other threads call `add`."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count: float = 0


class Distribution:
    """A histogram."""

    __slots__ = ("_bounds", "_buckets", "_total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds, self._buckets, self._total = bounds, [0] * (len(bounds) + 1), 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._buckets[bisect_left(self._bounds, value)] += 1
        self._total += value

    def spread(self) -> Spread:
        """What was observed so far."""
        return Spread(sum(self._buckets), self._total, tuple(self._buckets))

    def include(self, spread: Spread) -> None:
        """Count what another has observed."""
        self._buckets = [a + b for a, b in zip(self._buckets, spread.buckets, strict=True)]
        self._total += spread.total

    def exclude(self, spread: Spread) -> None:
        """Count no more what was observed until then."""
        self._buckets = [a - b for a, b in zip(self._buckets, spread.buckets, strict=True)]
        self._total -= spread.total


class _Gauge(NamedTuple):
    instrument: Instrument
    owner: weakref.ref[Any]
    read: Callable[[Any], float | None]


class Counters:
    """What one process counts.

    Those who count something often keep the `Tally` or `Distribution` that they were given. All may be asked for from
    any thread.
    """

    def __init__(self, most: int = MOST_SERIES) -> None:
        self._most = most
        self._tallies: dict[Series, Tally] = {}
        self._distributions: dict[Series, Distribution] = {}
        self._gauges: list[_Gauge] = []
        self._included: dict[Series, float] = {}
        """Of the numbers, what other processes have counted; less what this one has left to others."""
        self._left: dict[Series, Value] = {}
        self.listener: Callable[[Instrument, float, tuple[str, ...]], None] | None = None
        """Hears of each value of a histogram."""
        self._lock = threading.Lock()

    def tally(self, instrument: Instrument, *values: str) -> Tally:
        """The number for these values of the attributes."""
        series = Series(instrument.name, values)
        return self._tallies.get(series) or self._made(self._tallies, series, Tally)

    def distribution(self, instrument: Instrument, *values: str) -> Distribution:
        """The histogram for these values of the attributes."""
        series = Series(instrument.name, values)
        return self._distributions.get(series) or self._made(
            self._distributions, series, lambda: Distribution(bounds_of(instrument))
        )

    def add(self, instrument: Instrument, *values: str, count: float = 1) -> None:
        """Count, from any thread."""
        tally = self.tally(instrument, *values)
        with self._lock:
            tally.count += count

    def observe(self, instrument: Instrument, value: float, *values: str) -> None:
        """Count a value of a histogram, from any thread."""
        distribution = self.distribution(instrument, *values)
        with self._lock:
            distribution.observe(value)
        if self.listener is not None:
            self.listener(instrument, value, values)

    def gauge(self, instrument: Instrument, owner: T, read: Callable[[T], float | None]) -> None:
        """Ask `read` about `owner` whenever the metric is wanted, while `owner` exists; None: it isn't known now.

        Several are added up, unless the instrument says that they are about the same.
        """
        self._gauges.append(_Gauge(instrument, weakref.ref(owner), read))

    def counted(self) -> dict[Series, Value]:
        """All that was counted."""
        with self._lock:
            values: dict[Series, Value] = {series: tally.count for series, tally in self._tallies.items()}
            values.update((series, each.spread()) for series, each in self._distributions.items())
        return values

    def own(self) -> dict[Series, float]:
        """The numbers that this process has counted itself."""
        with self._lock:
            return {
                series: tally.count - self._included.get(series, 0)
                for series, tally in self._tallies.items()
                if tally.count != self._included.get(series, 0)
            }

    def gauges(self) -> dict[Series, float]:
        """What is so now."""
        values: dict[Series, float] = {}
        for gauge in list(self._gauges):
            owner, series = gauge.owner(), Series(gauge.instrument.name, ())
            if owner is None:
                self._gauges.remove(gauge)
                continue
            value = gauge.read(owner)
            if value is not None:
                values[series] = value if series not in values else _both(series, values[series], value)
        return values

    def include(self, counted: Iterable[tuple[Series, Value]], instruments: dict[str, Instrument]) -> None:
        """Go on from what another process has counted, which has ended."""
        for series, value in counted:
            instrument = instruments.get(series.name)
            if instrument is None or len(series.values) != len(instrument.attributes):
                continue  # of another version
            if isinstance(value, Spread):
                if instrument.kind is Kind.HISTOGRAM and len(value.buckets) == len(bounds_of(instrument)) + 1:
                    self.distribution(instrument, *series.values).include(value)
            elif instrument.kind is Kind.COUNTER:
                self.tally(instrument, *series.values).count += value
                self._included[series] = self._included.get(series, 0) + value

    def leave(self, counted: dict[Series, Value]) -> None:
        """Note what a file has from now on that other processes add up, or go on from."""
        self._left = counted

    def go_on(self) -> None:
        """Count anew, without what was left: what this process itself has counted, as it says, stays the same."""
        with self._lock:
            for series, value in self._left.items():
                if isinstance(value, Spread):
                    self._distributions[series].exclude(value)
                else:
                    self._tallies[series].count -= value
                    self._included[series] = self._included.get(series, 0) - value
            self._left = {}

    def _made(self, among: dict[Series, T], series: Series, make: Callable[[], T]) -> T:
        values = tuple(map(_attribute, series.values))
        with self._lock:
            if len(self._tallies) + len(self._distributions) >= self._most:
                values = (OTHER,) * len(values)
            return among.setdefault(Series(series.name, values), make())


def _attribute(value: str) -> str:
    """A value that can be written down: bounded, one line, and without lone surrogates, which file names may have."""
    value = value[:_LONGEST_VALUE].replace("\n", " ")
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def bounds_of(instrument: Instrument) -> tuple[float, ...]:
    """The bounds of the buckets of a histogram."""
    return AGE_BUCKETS if instrument.name.endswith(".age") else BUCKETS


def added(values: Iterable[dict[Series, Value]]) -> dict[Series, Value]:
    """The values of several processes, added up; of gauges that all of them share, the largest."""
    totals: dict[Series, Value] = {}
    for each in values:
        for series, value in each.items():
            total = totals.get(series)
            if total is None:
                totals[series] = value
            elif isinstance(total, Spread) and isinstance(value, Spread):
                totals[series] = total.plus(value)
            elif not isinstance(total, Spread) and not isinstance(value, Spread):
                totals[series] = _both(series, total, value)
    return totals


def _both(series: Series, one: float, other: float) -> float:
    return max(one, other) if series.name in SHARED else one + other
