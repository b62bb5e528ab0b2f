"""A run of a cached function, as it counts: how long it took, and what came of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from millpond.render.base_exceptions import is_cancellation
from millpond.telemetry.instruments import FUNCTION_FILLS

if TYPE_CHECKING:
    from types import TracebackType

    from millpond.cache.data import Filled
    from millpond.telemetry.counters import Counters


class CountedFill:
    """Around one run, which it counts when it ends.

    Args:
        counters: of the application.
        function: its name, with that of its module.
    """

    __slots__ = ("_counters", "_function", "_outcome", "_started")

    def __init__(self, counters: Counters, function: str) -> None:
        self._counters, self._function = counters, function
        self._outcome = "failed"

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        return self

    def ended(self, filled: Filled) -> Filled:
        """It has returned something."""
        self._outcome = "ok" if filled.storable else "not-storable"
        return filled

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._outcome = "cancelled" if is_cancellation(error) else "failed"
        seconds = time.perf_counter() - self._started
        self._counters.observe(FUNCTION_FILLS, seconds, self._function, self._outcome)
