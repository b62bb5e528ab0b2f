"""Invalidations in a shared server."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, NamedTuple

from millpond.stores.valkey.acks import registered
from millpond.stores.valkey.client import CommandRefused, Unreachable
from millpond.stores.valkey.layout import as_bytes
from millpond.stores.valkey.scripts import INVALIDATE, PRUNE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from millpond.stores.valkey.acks import Acks
    from millpond.stores.valkey.mirror import Mirror
    from millpond.stores.valkey.session import Session

log = logging.getLogger("millpond.stores")

_PRUNED_AT_ONCE = 500
_LOOK_AGAIN_SECONDS = 0.01


class Invalidated(NamedTuple):
    generation: int
    rows: int
    """How many the server keeps by now."""


async def invalidate(session: Session, acks: Acks, tags: Iterable[str], expire_after: float | None) -> Invalidated:
    """Count one invalidation, and return once it holds everywhere; see `Store.invalidate`.

    A server that isn't the one known puts the session in doubt: whoever attaches it again is waited for.

    Raises:
        Unreachable, CommandRefused: it may have taken place, and isn't known to.
    """
    after = "" if expire_after is None else repr(float(expire_after))
    arguments = (repr(session.wall_clock()), after, *map(as_bytes, tags))
    loop = asyncio.get_running_loop()
    ends = loop.time() + session.server.timeout
    while (reply := await session.ask(INVALIDATE, session.run_id, *arguments)) is None:
        session.is_in_doubt = True
        if loop.time() >= ends:
            raise Unreachable("it has begun anew, or another has taken over, and isn't known yet")
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    generation, seq, rows, mirrors = reply
    await acks.reached(seq, registered(mirrors))
    return Invalidated(generation, rows)


class TagInvalidations:
    """Invalidations by a process with a mirror, which knows the oldest rows and prunes them.

    Args:
        session, mirror, acks: what this is part of.
        max_tags: rows kept.
    """

    def __init__(self, session: Session, mirror: Mirror, acks: Acks, max_tags: int) -> None:
        self._session, self._mirror, self._acks, self._max_tags = session, mirror, acks, max_tags
        self._pruning: asyncio.Task[None] | None = None

    async def invalidate(self, tags: Iterable[str], expire_after: float | None) -> int:
        """As the function `invalidate`; returns the generation."""
        done = await invalidate(self._session, self._acks, tags, expire_after)
        if done.rows > self._max_tags and (self._pruning is None or self._pruning.done()):
            self._pruning = asyncio.create_task(self._prune(done.rows))
        return done.generation

    async def _prune(self, rows: int) -> None:
        """Prune the oldest eighth of the rows."""
        oldest = self._mirror.oldest_tags(rows - self._max_tags + self._max_tags // 8)
        try:
            for start in range(0, len(oldest), _PRUNED_AT_ONCE):
                part = oldest[start : start + _PRUNED_AT_ONCE]
                latest = max(row.generation for _, row in part)
                now = repr(self._session.wall_clock())
                await self._session.ask(PRUNE, now, latest, *(as_bytes(tag) for tag, _ in part))
        except (Unreachable, CommandRefused) as error:
            log.debug("giving up rows failed, and is tried again: %s", error)
