"""Tasks that wait in this process until a lease is given back, and the way to wake them from any thread."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Waiters:
    """Futures of any number of event loops, by key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    async def until_free(
        self,
        key: str,
        seconds: float,
        is_free: Callable[[], bool],
        *,
        look_again: float,
        monotonic: Callable[[], float],
    ) -> None:
        """Wait until the lease of `key` is free, or for `seconds`.

        Args:
            key: whose lease.
            seconds: at most so long.
            is_free: whether nobody holds it now.
            look_again: seconds after which a lease that ran out, or was given back in another process, is noticed.
            monotonic: the clock of the leases' deadlines.
        """
        loop = asyncio.get_running_loop()
        # Two clocks: the caller's patience ends by real time even where a test holds the store's clock still.
        ends, ends_really = monotonic() + seconds, loop.time() + seconds
        while (left := min(ends - monotonic(), ends_really - loop.time())) > 0:
            if await self.pause(key, min(left, look_again), is_free):
                return

    async def pause(self, key: str, seconds: float, unless: Callable[[], bool]) -> bool:
        """Wait until `wake(key)`, and say whether that came within `seconds`.

        Args:
            key: what is waited for.
            seconds: at most so long.
            unless: called once the caller is registered, so that no wake-up between the check and the wait is lost.
        """
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            self._waiting.setdefault(key, set()).add(waiter)
        try:
            if unless():
                return True
            await asyncio.wait((waiter,), timeout=seconds)
        finally:
            self._forget(key, waiter)
        return waiter.done()

    def wake(self, key: str) -> None:
        """Wake everything that waits for `key`."""
        with self._lock:
            woken = self._waiting.pop(key, set())
        for waiter in woken:
            _resolve(waiter)

    def _forget(self, key: str, waiter: asyncio.Future[None]) -> None:
        with self._lock:
            waiting = self._waiting.get(key)
            if waiting is not None:
                waiting.discard(waiter)
                if not waiting:
                    del self._waiting[key]


def _resolve(waiter: asyncio.Future[None]) -> None:
    def resolve() -> None:
        if not waiter.done():
            waiter.set_result(None)

    loop = waiter.get_loop()
    if loop.is_closed():
        return
    try:
        loop.call_soon_threadsafe(resolve)
    except RuntimeError:
        if not loop.is_closed():  # it may close between the question and the call: then nobody waits any more
            raise
