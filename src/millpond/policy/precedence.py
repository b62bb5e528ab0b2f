"""Which of two results for one key a store keeps: the one it holds, or the one it is offered."""

from __future__ import annotations

from typing import Protocol

from millpond.policy.freshness import CLOCK_TOLERANCE


class Result(Protocol):
    """What both have in common: an entry, or the metadata that a store keeps for one."""

    @property
    def generation(self) -> int:
        """The store's generation counter at the start of the render."""
        ...

    @property
    def rendered_at(self) -> float:
        """The start of the render, in seconds since the epoch."""
        ...


def is_superseded(held: Result | None, offered: Result, now: float) -> bool:
    """Whether the held result is newer: from a later generation, or from a later render in the same generation."""
    if held is None or held.generation < offered.generation:
        return False
    if held.generation > offered.generation:
        return True
    # If the clock was set back, a result "from the future" must not block newer ones forever.
    return offered.rendered_at < held.rendered_at <= now + CLOCK_TOLERANCE


def outlives_seed(held: Result | None, seed: Result) -> bool:
    """Whether the held result is newer than the one that a build offers, and so stays."""
    return held is not None and (held.rendered_at >= seed.rendered_at or held.generation > seed.generation)
