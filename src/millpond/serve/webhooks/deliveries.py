"""Which deliveries of webhooks were received, by any worker: a call that is sent again changes nothing."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from millpond.errors import StoreError

if TYPE_CHECKING:
    from millpond.stores.contract import Lease, Store

_PROBE_SECONDS = 0.1


class Deliveries:
    """Remembers deliveries in the store, as leases that nobody gives back: all its processes know them, and they end.

    Only verified calls get here, so their number is what the sender sends within the time.

    Args:
        store: the store.
        endpoint: the path of the endpoint; two may have one sender.
        seconds: how long a delivery is remembered.
    """

    def __init__(self, store: Store, endpoint: str, seconds: float) -> None:
        self._store, self._endpoint, self._seconds = store, endpoint, seconds

    async def begun(self, delivery: str) -> Lease | None:
        """What stands for a delivery that wasn't received before; None: it was.

        Raises:
            StoreError: the store can't remember it.
        """
        digest = hashlib.sha256(delivery.encode("latin-1", "replace")).hexdigest()
        key = f"webhook:{self._endpoint}:{digest}"
        lease = await self._store.acquire(key, self._seconds)
        if lease is None and not await self._is_writable():
            raise StoreError("the store can't be written, so it isn't known whether a webhook was received before.")
        return lease

    async def forget(self, lease: Lease) -> None:
        """Let a delivery be sent again: it had no effect."""
        await self._store.release(lease)

    async def _is_writable(self) -> bool:
        """Whether leases are given: a store that is away gives none, and that isn't told from one that is held."""
        return await self._store.acquire(f"webhook:probe:{secrets.token_hex(16)}", _PROBE_SECONDS) is not None
