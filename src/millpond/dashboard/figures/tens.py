"""The numbers behind a chart of requests."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from millpond.dashboard.figures.window import States
from millpond.telemetry.minutes import MINUTE

if TYPE_CHECKING:
    from collections.abc import Sequence


def tens(minutes: Sequence[States], times: Sequence[float]) -> list[tuple[float, float, States]]:
    """Ten minutes at a time: when they begin and end, and what requests got."""
    return [
        (times[start], times[start] + 10 * MINUTE, reduce(States.plus, minutes[start : start + 10], States()))
        for start in range(0, len(minutes), 10)
    ]
