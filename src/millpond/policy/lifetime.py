"""Lifetimes: when an answer goes stale, and when it may no longer be served."""

from __future__ import annotations

import math
from typing import NamedTuple

YEAR = 31_536_000
"""Seconds; the default of `expire_time` (R4.20)."""


class Lifetime(NamedTuple):
    """Two ages in seconds; `None`: never."""

    revalidate: float | None = None
    """Beyond this age the answer is stale: it is still served while it is rendered again in the background (R4.6)."""
    expire: float | None = None
    """Beyond this age the answer may not be served at all (R4.7)."""

    def lowered(self, other: Lifetime) -> Lifetime:
        """The lower of two lifetimes, field by field (R4.17)."""
        return Lifetime(lower(self.revalidate, other.revalidate), lower(self.expire, other.expire))

    def bounded(self, expire_time: float) -> Lifetime:
        """With a default `expire` of `expire_time` seconds, inf for never, if it is time-based and has none (R4.20)."""
        if self.expire is None and self.revalidate and expire_time != math.inf:
            return self._replace(expire=expire_time)
        return self


FOREVER = Lifetime()


def lower(a: float | None, b: float | None) -> float | None:
    """The smaller of two durations; None: unlimited."""
    if a is None or b is None:
        return b if a is None else a
    return min(a, b)
