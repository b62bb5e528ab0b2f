"""Whether an application may be sent requests, and what is missing if not."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from millpond.stores.contract import Store

Missing = Literal["started", "store", "warm", "draining"]
"""What keeps an application from being ready: it hasn't started, its store can't be written to, `millpond start --warm`
hasn't asked for all paths, or it is about to stop accepting connections."""

CHECK_INTERVAL = 1.0
"""Seconds for which one look at the store counts: anybody may ask, as often as they like."""
CHECK_TIMEOUT = 2.0
"""Seconds that one look at the store may take: orchestrators wait little longer."""


class StoreCheck:
    """Whether a store can be reached, looked at once a second at most.

    Args:
        clock: seconds, monotonic.
        timeout: seconds that one look may take.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, timeout: float = CHECK_TIMEOUT) -> None:
        self._clock, self._timeout = clock, timeout
        self._looking: asyncio.Task[bool] | None = None
        self._looked_at: float | None = None
        self._was_reached = False

    async def reaches(self, store: Store) -> bool:
        """Whether entries and invalidations could be stored a moment ago. All who ask at once share one look."""
        if self._looked_at is not None and self._clock() - self._looked_at < CHECK_INTERVAL:
            return self._was_reached
        looking = self._looking
        if looking is None or looking.done() or looking.get_loop() is not asyncio.get_running_loop():
            looking = self._looking = asyncio.create_task(self._look(store))
        return await asyncio.shield(looking)

    async def _look(self, store: Store) -> bool:
        try:
            async with asyncio.timeout(self._timeout):
                self._was_reached = await store.is_reachable()
        except TimeoutError:
            self._was_reached = False
        self._looked_at = self._clock()
        return self._was_reached
