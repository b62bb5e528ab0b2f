"""A minute's figures for a day: what was counted in each, written by one process of the host, and outliving it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec

from millpond.telemetry.counters import Series, Spread

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from millpond.telemetry.counters import Value

MINUTE, HOUR = 60.0, 3600.0
_HOURS = 24
_PREFIX, _SUFFIX = "minutes-", ".jsonl"


class Minute(msgspec.Struct, frozen=True):
    """What was counted in one minute, of all processes of a host together."""

    at: float
    """Its end, in seconds since the epoch."""
    numbers: dict[str, dict[str, float]]
    """Metric -> values of its attributes, joined by `\\n` -> how much it grew; of gauges: the value."""
    spreads: dict[str, dict[str, tuple[float, list[int]]]]
    """Of histograms: the sum, and the buckets."""

    def number(self, name: str, values: tuple[str, ...]) -> float:
        """How much a number grew."""
        return self.numbers.get(name, {}).get("\n".join(values), 0.0)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Minute)


def grown(former: Mapping[Series, Value], latter: Mapping[Series, Value], at: float, gauges: frozenset[str]) -> Minute:
    """What was counted between two looks.

    Args:
        former: what had been counted by then.
        latter: what has been counted now.
        at: the time of the latter.
        gauges: names of metrics whose value is kept as it is.
    """
    numbers: dict[str, dict[str, float]] = {}
    spreads: dict[str, dict[str, tuple[float, list[int]]]] = {}
    for series, value in latter.items():
        before, key = former.get(series), "\n".join(series.values)
        if isinstance(value, Spread):
            first = before if isinstance(before, Spread) else Spread(0, 0.0, (0,) * len(value.buckets))
            buckets = [max(0, b - a) for a, b in zip(first.buckets, value.buckets, strict=True)]
            if any(buckets):
                spreads.setdefault(series.name, {})[key] = max(0.0, value.total - first.total), buckets
            continue
        if series.name in gauges:
            numbers.setdefault(series.name, {})[key] = value
            continue
        growth = value - (before if isinstance(before, int | float) else 0)
        if growth > 0:
            numbers.setdefault(series.name, {})[key] = growth
    return Minute(at, numbers, spreads)


class Minutes:
    """The minutes of one host: a line for each, in a file for each hour.

    Args:
        folder: holds the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, minute: Minute) -> None:
        """Add a minute, and let go of those that are older than a day.

        Raises:
            OSError: the file can't be written.
        """
        hour = int(minute.at // HOUR)
        with (self._folder / f"{_PREFIX}{hour}{_SUFFIX}").open("ab") as file:
            file.write(_encoder.encode(minute) + b"\n")
        for other in self._hours():
            if other < hour - _HOURS:
                (self._folder / f"{_PREFIX}{other}{_SUFFIX}").unlink(missing_ok=True)

    def since(self, at: float) -> list[Minute]:
        """Those that have ended after a time, in seconds since the epoch, oldest first."""
        found: list[Minute] = []
        for hour in self._hours():
            if hour < int(at // HOUR):
                continue
            with contextlib.suppress(OSError):
                for line in (self._folder / f"{_PREFIX}{hour}{_SUFFIX}").read_bytes().splitlines():
                    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):  # a line that was cut off
                        found.append(_decoder.decode(line))
        return [minute for minute in found if minute.at > at]

    def _hours(self) -> list[int]:
        names = [path.name[len(_PREFIX) : -len(_SUFFIX)] for path in self._folder.glob(f"{_PREFIX}*{_SUFFIX}")]
        return sorted(int(name) for name in names if name.isdecimal())
