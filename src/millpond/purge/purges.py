"""All caches in front: each invalidation is announced to each of them."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from millpond.errors import PurgeError
from millpond.purge.purge_client import new_client

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import httpx2

    from millpond.purge.delivery import Delivery


class Purges:
    """The caches of `[[cdn.purge]]`, while an application runs. In memory: unsent purges end with the process."""

    def __init__(self, deliveries: Sequence[Delivery], expire_time: float) -> None:
        """Sends nothing before `begin`.

        Args:
            deliveries: one for each cache.
            expire_time: seconds after which no answer may be served, stale or not.
        """
        self._deliveries, self._expire_time = deliveries, expire_time
        self._client: httpx2.AsyncClient | None = None
        self._lock = threading.Lock()
        self._number = 0

    def begin(self) -> None:
        """Begin to send; called in the event loop that sends."""
        self._client = new_client()
        for delivery in self._deliveries:
            delivery.begin(self._client)

    @property
    def latest(self) -> int:
        """The number of the latest announcement."""
        return self._number

    def announce(self, tags: Iterable[str], *, expire_after: float | None) -> int:
        """Announce an invalidation that has taken effect to all caches; returns its number.

        It may be called from any thread, and neither waits nor raises.

        Args:
            tags: what was invalidated.
            expire_after: seconds for which older answers may still be served as stale; 0: not at all; None: without
                limit. A cache in front may serve stale for as long as the answer itself said, so an end that is
                earlier makes the purge a hard one.
        """
        hard = expire_after is not None and expire_after < self._expire_time
        tags = list(tags)
        with self._lock:
            self._number += 1
            number = self._number
            for delivery in self._deliveries:
                delivery.add(tags, hard=hard, number=number)
        return number

    async def acknowledged(self, number: int, seconds: float | None) -> None:
        """Wait until every cache has acknowledged all up to announcement `number`.

        Raises:
            PurgeError: a purge was lost, or isn't acknowledged within `seconds`.
        """
        waits = {asyncio.wrap_future(each.acknowledged(number)): each for each in self._deliveries}
        try:
            done, late = await asyncio.wait(waits, timeout=seconds)
            errors = [error for wait in done if (error := wait.exception()) is not None]
            if errors:
                raise errors[0]
            if late:
                raise PurgeError(_not_in_time([waits[wait] for wait in late], seconds))
        finally:
            for wait in waits:
                wait.cancel()

    async def drain(self, seconds: float) -> None:
        """Send what waits, for at most `seconds`, and stop; what remains is logged as lost."""
        try:
            await self.acknowledged(self.latest, seconds)
        except PurgeError:
            pass  # `end` logs the tags
        finally:
            for delivery in self._deliveries:
                await delivery.end()
            if self._client is not None:
                await self._client.aclose()


def _not_in_time(late: Sequence[Delivery], seconds: float | None) -> str:
    troubles = [f"{each.purger.name} ({each.trouble})" if each.trouble else each.purger.name for each in late]
    return f"not acknowledged within {seconds:g} s by {', '.join(sorted(troubles))}."
