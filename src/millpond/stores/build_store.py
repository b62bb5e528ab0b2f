"""The store that the processes of one build have in common, for as long as it runs."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from millpond.stores.lmdb.store import LmdbStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from millpond.policy.entry import Entry
    from millpond.stores.contract import Lease

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
        lease = self._acquired(key)
        try:
            yield
        finally:
            if lease is not None:
                self.release_at_once(lease)

    def keep(self, entry: Entry) -> None:
        """Store an entry, for all processes to find before the block of `held` is left."""
        self.commit_at_once(entry)

    def _acquired(self, key: str) -> Lease | None:
        ends = time.monotonic() + _PATIENCE
        while (lease := self.acquire_at_once(key, self.lease_seconds)) is None and time.monotonic() < ends:
            time.sleep(_LOOK_SECONDS)
        return lease
