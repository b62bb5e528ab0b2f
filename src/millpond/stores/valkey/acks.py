"""Waiting until every mirror knows: what makes an invalidation hold on all hosts when it returns."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from millpond.stores.valkey.client import CommandRefused, Unreachable
from millpond.stores.valkey.scripts import PART

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from millpond.stores.valkey.session import Session

_FIRST_LOOK, _LONGEST_LOOK = 0.0005, 0.02
"""Seconds between two looks at what was acknowledged; the first comes soon, as most mirrors take a millisecond."""


class _Wait(NamedTuple):
    seq: int
    mirrors: set[bytes]
    done: asyncio.Future[None]


class Acks:
    """Which mirror has applied which record of the journal; one poll serves all waiters of this process."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._waits: list[_Wait] = []
        self._looking: asyncio.Task[None] | None = None
        self._look_again = asyncio.Event()

    async def reached(self, seq: int, registered: Mapping[bytes, bytes]) -> None:
        """Return when every mirror has applied the record, or has lost its term.

        Each has acknowledged it, or has left, or has had the time for its term to run out. The last also holds when
        the server can't be asked any more.

        Args:
            seq: the record.
            registered: the mirrors that the server knew when it appended the record, and what they said then.
        """
        session, loop = self._session, asyncio.get_running_loop()
        ends = loop.time() + session.term
        settled = loop.time() + session.settled_at - session.clock()
        behind = {name for name, says in registered.items() if _applied(says) < seq}
        if behind:
            wait = _Wait(seq, behind, loop.create_future())
            self._waits.append(wait)
            self._look()
            await asyncio.wait((wait.done,), timeout=ends - loop.time())
            self._waits.remove(wait)
            if behind:
                await self._strike_off((name, registered[name]) for name in behind)
        await asyncio.sleep(settled - loop.time())

    def _look(self) -> None:
        self._look_again.set()
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        pause = _FIRST_LOOK
        while self._waits:
            if self._look_again.is_set():
                self._look_again.clear()
                pause = _FIRST_LOOK
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_LOOK)
            said = await self._said()
            if said is not None:
                for wait in self._waits:
                    wait.mirrors.intersection_update(name for name, says in said.items() if _applied(says) < wait.seq)
                    if not wait.mirrors and not wait.done.done():
                        wait.done.set_result(None)

    async def _said(self) -> dict[bytes, bytes] | None:
        try:
            reply: dict[bytes, bytes] = await self._session.server.command("HGETALL", self._session.layout.mirrors)
        except (Unreachable, CommandRefused):
            return None  # who waits, waits for the terms to run out
        return reply

    async def _strike_off(self, mirrors: Iterable[tuple[bytes, bytes]]) -> None:
        """Remove the mirrors that have not renewed since: their terms have run out, so nobody need wait."""
        arguments: list[Any] = [part for pair in mirrors for part in pair]
        try:
            await self._session.ask(PART, *arguments)
        except (Unreachable, CommandRefused):
            return  # the others do it in time


def registered(mirrors: Sequence[bytes]) -> dict[bytes, bytes]:
    """The mirrors that the server knows, and what they said last, as a script returns them."""
    return dict(zip(mirrors[::2], mirrors[1::2], strict=True))


def _applied(says: bytes) -> int:
    return int(says.split(b" ")[1])
