"""The geometry of charts, as attributes of SVG: in per cent, so that they have any width."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from millpond.dashboard.figures import formats
from millpond.dashboard.figures.window import STATES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millpond.dashboard.figures.window import Renders, States

_SPARK_WIDTH, _SPARK_HEIGHT = 100.0, 24.0
_FASTEST, _SLOWEST = 0.001, 10.0
"""Seconds: the ends of the logarithmic scale of durations."""


class Bar(NamedTuple):
    """A rectangle: its class or pattern, and where it is, in per cent."""

    kind: str
    x: float
    y: float
    width: float
    height: float


class Column(NamedTuple):
    """A minute of a chart."""

    x: float
    width: float
    title: str
    bars: list[Bar]


class Chart(NamedTuple):
    """Columns, and the labels of both axes."""

    columns: list[Column]
    y: list[str]
    """From above to below."""
    x: list[str]


def stacked(minutes: Sequence[States], times: Sequence[float]) -> Chart:
    """Requests by what they got, one column a minute."""
    top = nice_top(max((each.total for each in minutes), default=0))
    width = 100 / max(len(minutes), 1)
    columns: list[Column] = []
    for number, (states, at) in enumerate(zip(minutes, times, strict=True)):
        bars, below = list[Bar](), 0.0
        for state in STATES:
            value: float = getattr(states, state)
            if value:
                height = 100 * value / top
                bars.append(Bar(state, number * width + width * 0.07, 100 - below - height, width * 0.86, height))
                below += height
        got = {state: getattr(states, state) for state in STATES}
        said = ", ".join(f"{state} {formats.count(number)}" for state, number in got.items() if number)
        columns.append(Column(number * width, width, f"{formats.minute(at)}: {said or 'no requests'}", bars))
    steps = 3 if top % 3 == 0 else 4 if top % 4 == 0 else 2
    return Chart(columns, [formats.count(top * (steps - step) / steps) for step in range(steps + 1)], _hours(times))


def band(minutes: Sequence[Renders], times: Sequence[float]) -> Chart:
    """How long renders took, from p50 to p95, on a logarithmic scale."""
    width = 100 / max(len(minutes), 1)
    columns: list[Column] = []
    for number, (renders, at) in enumerate(zip(minutes, times, strict=True)):
        median, slow = renders.quantile(0.5), renders.quantile(0.95)
        if median is None or slow is None:
            columns.append(Column(number * width, width, f"{formats.minute(at)}: no renders", []))
            continue
        low, high = _logarithmic(median), _logarithmic(slow)
        kind = "error" if renders.failed else "band"
        bars = [
            Bar(kind, number * width + width * 0.07, 100 - high, width * 0.86, max(high - low, 0.8)),
            Bar("median", number * width + width * 0.07, 100 - low - 0.6, width * 0.86, 1.2),
        ]
        failed = f", {formats.count(renders.failed)} failed" if renders.failed else ""
        said = f"p50 {formats.duration(median)}, p95 {formats.duration(slow)}{failed}"
        columns.append(Column(number * width, width, f"{formats.minute(at)}: {said}", bars))
    return Chart(columns, ["10 s", "1 s", "0.1 s", "10 ms", "1 ms"], _hours(times))


def spark(values: Sequence[float], top: float = 0.0) -> tuple[str, str]:
    """The path of a spark line, and that of the area under it; `top`: what is highest, if it isn't one of them."""
    if not values:
        return "", ""
    top, step = top or max(values) or 1.0, _SPARK_WIDTH / max(len(values) - 1, 1)
    points = " ".join(
        f"{number * step:.1f} {_SPARK_HEIGHT - 2 - value / top * (_SPARK_HEIGHT - 4):.1f}"
        for number, value in enumerate(values)
    )
    return f"M{points}", f"M{points} {_SPARK_WIDTH:.0f} {_SPARK_HEIGHT:.0f} 0 {_SPARK_HEIGHT:.0f}Z"


def nice_top(largest: float) -> int:
    """A round number above the largest value: 1, 2, 3, 4, 5, 6 or 8 times a power of ten."""
    if largest <= 4:
        return max(1, math.ceil(largest))
    power: int = 10 ** math.floor(math.log10(largest))
    return next(step * power for step in (1, 2, 3, 4, 5, 6, 8, 10) if step * power >= largest)


def _logarithmic(seconds: float) -> float:
    """Per cent of the height."""
    within = min(max(seconds, _FASTEST), _SLOWEST)
    return 100 * math.log10(within / _FASTEST) / math.log10(_SLOWEST / _FASTEST)


def _hours(times: Sequence[float]) -> list[str]:
    if not times:
        return []
    step = max(len(times) // 4, 1)
    return [formats.minute(at) for at in [*times[::step][:4], times[-1] + 60]]
