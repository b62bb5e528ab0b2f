"""When invalidations happened: what the counter was when something was rendered elsewhere."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def generation_at(moment: float, generation: int, times: Sequence[float]) -> int:
    """The counter at a moment; of what is no longer known, or happened in that very moment, the lower one.

    Args:
        moment: seconds since the epoch.
        generation: the counter now.
        times: when the latest invalidations happened, oldest first.
    """
    earlier = bisect_left(times, moment)
    forgotten = generation - len(times)
    return forgotten + earlier if earlier or not forgotten else 0
