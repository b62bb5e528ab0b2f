"""The clock of a test client."""

from __future__ import annotations

import time


class Clock:
    """Seconds since the epoch; it stands still until a test moves it.

    By it, answers and data go stale, expire and are tried again after a failure. `time.time()` in handlers stays as it
    is.

    Args:
        now: where it begins; the present when not given.
    """

    def __init__(self, now: float | None = None) -> None:
        self.now = time.time() if now is None else now
        """Seconds since the epoch; you may set it."""

    def __call__(self) -> float:
        """The time by this clock."""
        return self.now

    def move(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self.now += seconds
