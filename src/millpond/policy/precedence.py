"""Which of two results of one key stays in a store: the one that is there, or the one that is offered."""

from __future__ import annotations

from typing import Protocol

from millpond.policy.freshness import CLOCK_TOLERANCE


class Result(Protocol):
    """What is known of either: an entry, or what a store has written down of one."""

    @property
    def generation(self) -> int:
        """The store's counter when its render began."""
        ...

    @property
    def rendered_at(self) -> float:
        """Seconds since the epoch."""
        ...


def is_superseded(held: Result | None, offered: Result, now: float) -> bool:
    """Whether what is there is later: of a later generation, or of a later render in the same one."""
    if held is None or held.generation < offered.generation:
        return False
    if held.generation > offered.generation:
        return True
    # A clock that was set back must not keep a result "from the future" in place for ever.
    return offered.rendered_at < held.rendered_at <= now + CLOCK_TOLERANCE


def outlives_seed(held: Result | None, seed: Result) -> bool:
    """Whether what is there is later than what a build offers, and stays."""
    return held is not None and (held.rendered_at >= seed.rendered_at or held.generation > seed.generation)
