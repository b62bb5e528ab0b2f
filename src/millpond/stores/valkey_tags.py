"""Invalidations in a shared server."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from millpond.stores.valkey_layout import as_bytes
from millpond.stores.valkey_scripts import INVALIDATE, PRUNE
from millpond.stores.valkey_server import Refused, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from millpond.policy.freshness import Clock
    from millpond.stores.valkey_acks import Acks
    from millpond.stores.valkey_follower import Follower

log = logging.getLogger("millpond.stores")

_PRUNED_AT_ONCE = 500
_LOOK_AGAIN_SECONDS = 0.01


class Tags:
    """One process's way to invalidate.

    Args:
        follower, acks: the membership that this is part of.
        clock: seconds since the epoch.
        max_tags: rows kept.
    """

    def __init__(self, follower: Follower, acks: Acks, clock: Clock, max_tags: int) -> None:
        self._follower, self._acks, self._clock, self._max_tags = follower, acks, clock, max_tags
        self._pruning: asyncio.Task[None] | None = None

    async def invalidate(self, tags: Iterable[str], expire_after: float | None) -> int:
        """Count one invalidation, and return once it holds everywhere; see `Store.invalidate`.

        Raises:
            Unreachable, Refused: it may have taken place, and isn't known to.
        """
        after = "" if expire_after is None else repr(float(expire_after))
        arguments = (repr(self._clock()), after, *map(as_bytes, tags))
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._follower.server.timeout
        while (reply := await self._follower.ask(INVALIDATE, *arguments)) is None:
            if loop.time() >= ends:
                raise Unreachable("its state is being set up")
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        generation, seq, rows, mirrors = reply
        await self._acks.reached(seq, dict(zip(mirrors[::2], mirrors[1::2], strict=True)))
        if rows > self._max_tags and (self._pruning is None or self._pruning.done()):
            self._pruning = asyncio.create_task(self._prune(rows))
        return int(generation)

    async def _prune(self, rows: int) -> None:
        """Give up the oldest eighth of the rows."""
        oldest = self._follower.mirror.oldest_tags(rows - self._max_tags + self._max_tags // 8)
        try:
            for start in range(0, len(oldest), _PRUNED_AT_ONCE):
                part = oldest[start : start + _PRUNED_AT_ONCE]
                latest = max(row.generation for _, row in part)
                await self._follower.ask(PRUNE, latest, *(as_bytes(tag) for tag, _ in part))
        except (Unreachable, Refused) as error:
            log.debug("giving up rows failed, and is tried again: %s", error)
