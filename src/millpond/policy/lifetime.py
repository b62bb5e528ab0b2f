"""How long an answer is good: when it goes stale, and when it may no longer be served."""

from __future__ import annotations

from typing import NamedTuple

YEAR = 31_536_000
"""Seconds; the default of `expire_time` (R4.20)."""


class Lifetime(NamedTuple):
    """Two ages, in seconds. `None` is never."""

    revalidate: float | None = None
    """Older than this, the answer is stale: it is served once more while it is rendered again (R4.6)."""
    expire: float | None = None
    """Older than this, it may not be served at all (R4.7)."""

    def lowered(self, other: Lifetime) -> Lifetime:
        """The lowest wins, field by field (R4.17)."""
        return Lifetime(lower(self.revalidate, other.revalidate), lower(self.expire, other.expire))

    def bounded(self, expire_time: float) -> Lifetime:
        """A time-based answer without an end of its own ends at `expire_time` seconds (R4.20; D21)."""
        if self.expire is None and self.revalidate:
            return self._replace(expire=expire_time)
        return self


FOREVER = Lifetime()


def lower(a: float | None, b: float | None) -> float | None:
    """The smaller of two durations, where None is endless."""
    if a is None or b is None:
        return b if a is None else a
    return min(a, b)
