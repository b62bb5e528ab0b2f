"""The store that the processes of one build have in common, for as long as it runs."""

from __future__ import annotations

import asyncio
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from millpond.stores.lmdb.store import LmdbStore

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from millpond.policy.entry import Entry
    from millpond.stores.contract import Lease

T = TypeVar("T")

_PATIENCE = 10.0
_LOOK_SECONDS = 0.002


class BuildStore(LmdbStore):
    """An embedded store that code can use, too, which blocks its event loop."""

    lease_seconds = 7 * 24 * 3600.0
    """More than a build takes: who holds a lease may block its event loop, and then can't renew it."""

    @contextlib.contextmanager
    def held(self, key: str) -> Iterator[None]:
        """Within the block no other process makes the entry of `key`; it may have made one before.

        After ten seconds the block is entered all the same: what the other process makes may wait for this one.
        """
        lease = _elsewhere(self._lease_of(key))
        try:
            yield
        finally:
            if lease is not None:
                _elsewhere(self.release(lease))

    def keep(self, entry: Entry) -> None:
        """Store an entry, for all processes to find before the block of `held` is left."""
        _elsewhere(self.commit(entry))

    async def _lease_of(self, key: str) -> Lease | None:
        ends = time.monotonic() + _PATIENCE
        while (lease := await self.acquire(key, self.lease_seconds)) is None and (left := ends - time.monotonic()) > 0:
            await self.wait(key, left)
            await asyncio.sleep(_LOOK_SECONDS)  # on a full disk it is free, and can't be acquired
        return lease


def _elsewhere(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, from an event loop of its own: that of this thread stands still until it is there."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
