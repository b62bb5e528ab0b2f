"""How long to wait before something that failed is tried again."""

from __future__ import annotations

_MAX_DOUBLINGS = 16
"""Caps the exponent, however often it failed."""


def retry_pause(failures: int, first: float, longest: float) -> float:
    """Exponential back-off: `first` seconds after the first failure, twice as long after each further one.

    Args:
        failures: the number of consecutive failures, at least 1.
        first: the first pause in seconds.
        longest: the maximum pause in seconds.
    """
    return min(first * 2.0 ** min(failures - 1, _MAX_DOUBLINGS), longest)
