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

_TRIES_AT_ONCE, _AT_ONCE_SECONDS = 3, 0.001
"""Another may take a lease between its end and a try, but then there is somebody to wait for."""


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
    loop = asyncio.get_running_loop()
    now = loop.time()
    ends, at_once = now + patience, 0
    # Again and again: when a holder fails or dies, one of those who wait takes its place, and not all of them at once.
    while (lease := await store.acquire(key, seconds)) is None:
        # Free, and not to be had, is what a store says that can't write: a full disk must not keep anybody waiting.
        if now >= ends or at_once == _TRIES_AT_ONCE:
            return await make(None)
        await store.wait(key, ends - now)
        began, now = now, loop.time()
        at_once = at_once + 1 if now - began < _AT_ONCE_SECONDS else 0
        made = await found()
        if made is not None:
            return made
    async with kept(store, lease, seconds):
        # Another holder may have come and gone since the caller looked: it is made once.
        made = await found()
        return await make(lease) if made is None else made


@contextlib.asynccontextmanager
async def kept(store: Store, lease: Lease, seconds: float) -> AsyncIterator[None]:
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
