"""Work under a key's lease: one process at a time makes what the others wait for."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from millpond.stores.contract import Lease, Store

T = TypeVar("T")

LEASE_SECONDS = 10.0
"""How long a dead holder can delay others; a living one renews."""


async def under_lease(
    store: Store,
    key: str,
    patience: float,
    make: Callable[[Lease | None], Awaitable[T]],
    found: Callable[[], Awaitable[T | None]],
    seconds: float = LEASE_SECONDS,
) -> T:
    """What `make` returns, or what another holder has made meanwhile.

    Args:
        store: where the lease is.
        key: what is made.
        patience: seconds to wait for another holder; then it is made without a lease, rather than not at all.
        make: makes it, and commits under the lease that it gets.
        found: looks for what another holder may have made; None when it is of no use.
        seconds: how long the lease lasts when its holder dies.
    """
    lease = await store.acquire(key, seconds)
    if lease is None:
        await store.wait(key, patience)
        made = await found()
        if made is not None:
            return made
        lease = await store.acquire(key, seconds)
    if lease is None:
        return await make(None)
    async with _kept(store, lease, seconds):
        # Another holder may have come and gone since the caller looked: it is made once.
        made = await found()
        return await make(lease) if made is None else made


@contextlib.asynccontextmanager
async def _kept(store: Store, lease: Lease, seconds: float) -> AsyncIterator[None]:
    """Renew the lease until the work is done, and give it back."""
    keeper = asyncio.create_task(_renew(store, lease, seconds))
    try:
        yield
    finally:
        keeper.cancel()
        await store.release(lease)


async def _renew(store: Store, lease: Lease, seconds: float) -> None:
    held = True
    while held:
        await asyncio.sleep(seconds / 3)
        held = await store.renew(lease, seconds)
