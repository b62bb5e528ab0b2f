"""Following the journal of a shared store: what keeps a mirror true, and tells when it may not be."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from typing import TYPE_CHECKING, Any

from millpond.policy.retry import retry_pause
from millpond.stores.valkey.client import CommandRefused, Unreachable
from millpond.stores.valkey.layout import JournalRecord, as_text, unpack_row
from millpond.stores.valkey.mirror import MirroredTags
from millpond.stores.valkey.scripts import PART, TOUCH
from millpond.stores.valkey.session import ResumePoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from millpond.stores.valkey.mirror import Mirror
    from millpond.stores.valkey.session import Session

log = logging.getLogger("millpond.stores")

_SHARE = 0.9
"""What a mirror uses of its term: clocks of two machines may differ in speed by a tenth."""
_LONGEST_LISTEN = 0.25
_RECORDS_AT_ONCE = 1000
_ROWS_AT_ONCE = 1000
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0


class _Elsewhere(Exception):
    """The server's state isn't the one that was known, or a part of the journal is missing."""


class Follower:
    """Keeps one mirror registered and up to date.

    It reads the journal, acknowledges what it has applied, and so renews the mirror's term: in one exchange, which says
    how far the journal goes. The term counts from before that was asked, and only once all has been applied that was
    there when it was answered. Therefore whatever is appended later finds this mirror among those to wait for.

    Args:
        session: with the server.
        mirror: what is kept true.
        build: that this process serves.
        attached: called when the server has been reached, and after each time that it was lost.
        released: told the name of an entry whose lease was given back.
        serve_when_down: seconds, for what is logged.
    """

    def __init__(
        self,
        session: Session,
        mirror: Mirror,
        *,
        build: str,
        attached: Callable[[], None],
        released: Callable[[str], None],
        serve_when_down: float,
    ) -> None:
        self._session, self._server, self._layout, self._mirror = session, session.server, session.layout, mirror
        self._identity = secrets.token_hex(8)
        self.refusal: str | None = None
        """What the server says to whoever isn't let in; None: it isn't reached, or it lets in."""
        self._rest = (_RECORDS_AT_ONCE, build)
        self._attached, self._released = attached, released
        self._serve_when_down = serve_when_down
        self._tried = asyncio.Event()
        self._resync = True
        self._news = asyncio.Event()
        self._others: tuple[float, dict[bytes, bytes]] = (0.0, {})
        self._down_since: float | None = None
        self._warned_of_policy = False

    async def run(self) -> None:
        """Follow, until cancelled."""
        failures = 0
        while True:
            try:
                await self._attach()
                await self._touch()
                self._up()
                failures = 0
                while True:
                    await self._listen()
                    await self._touch()
                    await self._strike_off()
                    if self._session.is_in_doubt:
                        raise _Elsewhere
            except _Elsewhere:
                self._mirror.end_term()
                continue
            except (Unreachable, CommandRefused) as error:
                self._down(error)
            except Exception as error:  # of ours, or of the client's: without a term nothing wrong is served
                log.exception("following the store at %s failed", self._server.address)
                self._mirror.lose_place()
                self._resync = True
                self._down(error)
            failures += 1
            pause = retry_pause(failures, _FIRST_PAUSE, _LONGEST_PAUSE)
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - so that not all come back at once

    async def leave(self) -> None:
        """End the term at once, so that no other process waits for it to run out.

        Raises:
            Unreachable, CommandRefused: then it runs out.
        """
        self._mirror.end_term()
        await self._session.run(PART, self._identity, "")

    async def first_try(self) -> None:
        """Return after the first attempt to reach the server, whether it succeeded or not."""
        await self._tried.wait()

    async def touched(self, seconds: float) -> None:
        """Return when the mirror has a term, or after `seconds`."""
        ends = asyncio.get_running_loop().time() + seconds
        while not self._mirror.is_synced() and (left := ends - asyncio.get_running_loop().time()) > 0:
            self._news.clear()
            try:
                async with asyncio.timeout(left):
                    await self._news.wait()
            except TimeoutError:
                return

    async def _attach(self) -> None:
        mirror = self._mirror
        found = await self._session.attach(ResumePoint(mirror.view.generation, mirror.applied, mirror.nonce))
        if self._resync or not found.continued:
            self._resync = True
            mirror.lose_place()
            view = MirroredTags(found.generation, found.floor, found.created, lost=found.lost)
            await self._read_rows(view)
            mirror.replace(view, found.seq, found.nonce)
            self._resync = False
        self._check_policy(found.policy)
        self._session.is_up = True

    async def _read_rows(self, view: MirroredTags) -> None:
        """The rows as they are while they are read; what changes meanwhile is in the journal."""
        cursor = 0
        while True:
            cursor, found = await self._command("HSCAN", self._layout.rows, cursor, "COUNT", _ROWS_AT_ONCE)
            for tag, row in _pairs(found):
                view.rows[as_text(tag)] = unpack_row(row)
            if cursor == 0:
                break
        for name, row in _pairs(await self._command("HGETALL", self._layout.buckets)):
            view.buckets[name.decode()] = unpack_row(row)

    async def _touch(self) -> None:
        """Acknowledge and renew; again, when there is more to acknowledge."""
        mirror = self._mirror
        while True:
            sent = mirror.clock()
            reply = await self._session.run(TOUCH, self._identity, mirror.applied, mirror.nonce, *self._rest)
            if reply is None:
                raise _Elsewhere
            seq, records = reply
            self._apply(records)
            if mirror.applied >= seq:
                mirror.extend(sent + _SHARE * self._session.term)
                self._news.set()
            elif not records:
                self._resync = True  # the journal ends before it should: there is nothing to go on from
                raise _Elsewhere
            if not records:
                return

    def _apply(self, records: list[Any]) -> None:
        for record in map(JournalRecord.unpack, records):
            if record.seq != self._mirror.applied + 1:
                self._resync = True
                raise _Elsewhere
            self._mirror.apply(record)
            if record.kind == b"r":
                self._released(record.value(b"e").decode())

    async def _listen(self) -> None:
        """Wait for the journal to go on, no longer than the term allows, and apply what comes."""
        most = min(self._session.term / 4, self._server.timeout / 2, _LONGEST_LISTEN)
        block = ("COUNT", _RECORDS_AT_ONCE, "BLOCK", max(1, int(most * 1000)))
        after = f"{self._mirror.applied}-0"
        reply = await self._command("XREAD", *block, "STREAMS", self._layout.journal, after, waits=most)
        if reply:
            (records,) = reply.values()
            self._apply(records)

    async def _strike_off(self) -> None:
        """Once in a term, strike off those mirrors that have not renewed since the last time: they have no term."""
        looked, before = self._others
        now = self._mirror.clock()
        if now - looked < self._session.term:
            return
        others = dict(_pairs(await self._command("HGETALL", self._layout.mirrors)))
        gone = [(name, says) for name, says in others.items() if before.get(name) == says]
        if gone:
            await self._session.run(PART, *(part for pair in gone for part in pair))
        self._others = (now, others)

    def _up(self) -> None:
        since, self._down_since = self._down_since, None
        self.refusal = None
        self._tried.set()
        if since is not None:
            log.warning("the store at %s is back after %.1f s", self._server.address, self._mirror.clock() - since)
        self._attached()

    def _down(self, error: Exception) -> None:
        self._session.is_up = False
        self.refusal = str(error) if isinstance(error, CommandRefused) else None
        self._tried.set()
        if self._down_since is not None:
            return
        self._down_since = self._mirror.clock()
        log.warning(
            "the store at %s can't be used: %s. Answers that are at hand are served as stale for %g s, all others are "
            "rendered for whoever asks; nothing is stored, and invalidations fail, until it is back.",
            self._server.address,
            error,
            self._serve_when_down,
        )

    def _check_policy(self, policy: str) -> None:
        if policy.startswith("allkeys-") and not self._warned_of_policy:
            self._warned_of_policy = True
            log.warning(
                "the store at %s evicts by maxmemory-policy %s, which may take what says which tags were invalidated: "
                "everything that is stored is given up then. Use volatile-lru.",
                self._server.address,
                policy,
            )

    async def _command(self, *command: Any, waits: float = 0) -> Any:
        return await self._server.command(*command, waits=waits, urgent=True)


def _pairs(reply: Any) -> list[tuple[bytes, bytes]]:
    """A hash, as whichever protocol gives it."""
    if isinstance(reply, dict):
        return list(reply.items())
    return list(zip(reply[::2], reply[1::2], strict=True))
