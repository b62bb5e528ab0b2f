"""A store in memory that can be out of reach."""

from __future__ import annotations

import asyncio
import time

from millpond.errors import StoreError
from millpond.stores.memory import MemoryStore


class TroubledStore(MemoryStore):
    """Opens, or not; is reachable, or not, or hangs when it is asked."""

    def __init__(self, *, opens: bool = True, hangs: bool = False) -> None:
        super().__init__(max_bytes=2**20, clock=time.time)
        self._opens, self._hangs = opens, hangs
        self.is_there, self.looks = True, 0

    async def open(self) -> None:
        if not self._opens:
            raise StoreError("the disk is gone.")

    async def is_reachable(self) -> bool:
        self.looks += 1
        await (asyncio.Event().wait() if self._hangs else asyncio.sleep(0))
        return self.is_there
