"""Lifetimes: when an answer goes stale, and when it may no longer be served."""

from __future__ import annotations

import math
from hashlib import blake2b
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


class InvalidJitter(ValueError):
    """Not a share of a lifetime."""


def checked_jitter(share: object) -> float:
    """A share of lifetimes by which entries may go stale earlier, validated.

    Raises:
        InvalidJitter: it isn't a number from 0 to less than 1.
    """
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:
        raise InvalidJitter(f"jitter = {share!r} is not a share of the lifetime: give 0 to less than 1, such as 0.1.")
    return float(share)


def drawn_jitter(share: float, key: str, rendered_at: float) -> float:
    """The share of its lifetime by which one entry goes stale earlier: from 0 to `share`, evenly spread over keys.

    It follows from key and time alone, so each process that computes it has the same, and an entry that is made again
    gets another one.

    Args:
        share: the largest, from 0 to less than 1.
        key: the entry's.
        rendered_at: the start of the render, in seconds since the epoch.
    """
    if not share:
        return 0.0
    digest = blake2b(f"{key}\0{rendered_at!r}".encode("utf-8", "surrogatepass"), digest_size=6).digest()
    return share * (int.from_bytes(digest, "big") / 2**48)


def lower(a: float | None, b: float | None) -> float | None:
    """The smaller of two durations; None: unlimited."""
    if a is None or b is None:
        return b if a is None else a
    return min(a, b)
