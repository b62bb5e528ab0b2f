"""Leases in a shared server, by its clock, and who waits for them in this process."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any

from millpond.stores.contract import Lease
from millpond.stores.valkey.client import CommandRefused, Unreachable
from millpond.stores.valkey.scripts import LEASE
from millpond.stores.waiters import Waiters

if TYPE_CHECKING:
    from millpond.stores.valkey.session import Session

_LOOK_AGAIN_SECONDS = 0.05
_TRY_AGAIN_SECONDS = 0.1


class Leases:
    """Acquires, renews and releases leases; while the server can't be reached nobody gets, or waits for, one."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._waiters = Waiters()

    def released(self, name: str) -> None:
        """Wake the waiters of a lease that the journal reports as released."""
        self._waiters.wake(name)

    async def acquire(self, key: str, seconds: float) -> Lease | None:
        lease = Lease(key, secrets.token_hex(8))
        try:
            return lease if await self._ask("acquire", key, lease.token, _milliseconds(seconds)) else None
        except (Unreachable, CommandRefused):
            return None

    async def renew(self, lease: Lease, seconds: float) -> bool:
        """Extend a lease; retries while the server can't be reached and the lease may still be held."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        while True:
            try:
                return bool(await self._ask("renew", lease.key, lease.token, _milliseconds(seconds)))
            except (Unreachable, CommandRefused):
                if loop.time() >= ends:
                    return False
                await asyncio.sleep(_TRY_AGAIN_SECONDS)

    async def release(self, lease: Lease) -> None:
        try:
            await self._ask("release", lease.key, lease.token, 0)
        except (Unreachable, CommandRefused):
            return  # then it runs out
        self._waiters.wake(self._session.layout.name(lease.key))

    async def wait(self, key: str, seconds: float) -> None:
        loop, name = asyncio.get_running_loop(), self._session.layout.name(key)
        ends = loop.time() + seconds
        while not await self._is_free(key) and (left := ends - loop.time()) > 0:
            await self._waiters.pause(name, min(left, _LOOK_AGAIN_SECONDS), lambda: False)

    async def _is_free(self, key: str) -> bool:
        """Whether nobody holds it; if somebody does, that one's release is told to all."""
        try:
            return not await self._ask("wait", key, "", 0)
        except (Unreachable, CommandRefused):
            return True

    async def _ask(self, verb: str, key: str, token: str, milliseconds: int) -> Any:
        layout = self._session.layout
        name = layout.name(key)
        return await self._session.ask(LEASE, verb, token, milliseconds, name, keys=(layout.lease(name),))


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))
