"""Whether further processes are worth their start."""

from __future__ import annotations

from typing import NamedTuple

_SECONDS_BEFORE = 1.0
"""Seconds of rendering before anything is started: by then it is known how long a page takes."""
_BUSY = 0.5
"""The share of a core that rendering uses from which on the processor is what it waits for."""
_STARTS_WORTH = 3
"""How many times longer than a start the remaining work of a process must take."""


class Pace(NamedTuple):
    """How the rendering goes."""

    seconds: float
    """Since it began."""
    cpu_seconds: float
    """The processor's time that this process has used since."""
    done: int
    """Pages that are rendered."""
    left: int
    """Pages that nobody has begun."""


def worthwhile(pace: Pace, start_seconds: float, most: int) -> int:
    """How many processes should render, this one included.

    Pages that wait for upstreams or a disk aren't rendered sooner by further processes. And where others use the cores,
    this process gets less of its own, and there is none to spare.

    Args:
        pace: how it goes so far.
        start_seconds: what the start of a process costs.
        most: the most processes that there may be.
    """
    if pace.seconds < _SECONDS_BEFORE or not pace.done or pace.cpu_seconds < _BUSY * pace.seconds:
        return 1
    left = pace.seconds / pace.done * pace.left
    return max(1, min(most, 1 + int(left / (_STARTS_WORTH * start_seconds))))
