"""Work under a key's lease: one process at a time makes the entry, and the others wait for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from millpond.stores.contract import Lease, Store

T = TypeVar("T")

LEASE_SECONDS = 10.0
"""How long a crashed holder can delay others; a live holder renews its lease."""

_MAX_SHORT_WAITS, _SHORT_WAIT_SECONDS = 3, 0.001
"""After this many waits in a row that end within this many seconds, stop waiting. Another process may take the lease
just before an attempt, but then the wait for that process takes longer."""


async def under_lease(
    store: Store,
    key: str,
    patience: float,
    make: Callable[[Lease | None], Awaitable[T]],
    found: Callable[[], Awaitable[T | None]],
    seconds: float = LEASE_SECONDS,
    waited: Callable[[float], None] = lambda seconds: None,
) -> T:
    """The result of `make`, or the result of another holder that finished meanwhile.

    Args:
        store: the store with the lease.
        key: the key to lease.
        patience: seconds to wait for another holder; after that, `make` runs without a lease.
        make: makes the result, and commits it under the lease that it gets.
        found: looks for a result of another holder; None if there is none that can be used.
        seconds: how long the lease lasts if its holder crashes.
        waited: is told of each wait for another holder, in seconds.
    """
    loop = asyncio.get_running_loop()
    now = loop.time()
    ends, short_waits = now + patience, 0
    # A loop: if a holder fails or crashes, one of the waiting processes takes the lease, and the others keep waiting.
    while (lease := await store.acquire(key, seconds)) is None:
        # If the lease is free but can't be acquired, the store can't write: don't wait for a full disk.
        if now >= ends or short_waits == _MAX_SHORT_WAITS:
            return await make(None)
        await store.wait(key, ends - now)
        began, now = now, loop.time()
        waited(now - began)
        short_waits = short_waits + 1 if now - began < _SHORT_WAIT_SECONDS else 0
        made = await found()
        if made is not None:
            return made
    async with kept(store, lease, seconds):
        # Another holder may have finished since the caller looked: don't make it twice.
        made = await found()
        return await make(lease) if made is None else made


class kept:  # noqa: N801 - a context manager, called like a function
    """Within the block the lease is renewed; at its end it is released.

    Args:
        store: the store with the lease.
        lease: held.
        seconds: how long it lasts if this process crashes.
    """

    __slots__ = ("_keeper", "_lease", "_seconds", "_store", "_timer")

    def __init__(self, store: Store, lease: Lease, seconds: float) -> None:
        self._store, self._lease, self._seconds = store, lease, seconds
        self._timer: asyncio.TimerHandle | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        # No task until there is something to renew: most work ends long before.
        self._timer = asyncio.get_running_loop().call_later(self._seconds / 3, self._begin)

    async def __aexit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._keeper is not None:
            self._keeper.cancel()
        await self._store.release(self._lease)

    def _begin(self) -> None:
        self._keeper = asyncio.get_running_loop().create_task(self._renew())

    async def _renew(self) -> None:
        held = True
        while held:
            held = await self._store.renew(self._lease, self._seconds)
            await asyncio.sleep(self._seconds / 3)
