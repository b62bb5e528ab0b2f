"""How long to wait before something that failed is tried again."""

from __future__ import annotations

_MOST_DOUBLINGS = 16
"""However often it failed, the power stays a small number."""


def retry_pause(failures: int, first: float, longest: float) -> float:
    """Exponential back-off: `first` seconds after the first failure, twice as long after each further one.

    Args:
        failures: how often it failed in succession, at least 1.
        first: seconds.
        longest: seconds that no pause exceeds.
    """
    return min(first * 2.0 ** min(failures - 1, _MOST_DOUBLINGS), longest)
