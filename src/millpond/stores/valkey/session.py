"""What one process and a shared server know of each other: whose state it is, and who has to be waited for."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

from millpond.stores.valkey.mirror import awake_and_asleep
from millpond.stores.valkey.scripts import ATTACH
from millpond.stores.valkey.server import Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from millpond.policy.freshness import Clock
    from millpond.stores.valkey.layout import Layout
    from millpond.stores.valkey.scripts import Script
    from millpond.stores.valkey.server import Server

TERM_SECONDS = 2.0
"""How long a mirror may answer after it last asked; who invalidates waits no longer for one that is gone."""
_YOUNG_TERMS = 10
"""For so many terms after the state began there may be mirrors that the server doesn't know of: of a former state."""


class ResumePoint(NamedTuple):
    """What a process knows of the state, when it comes back to the server."""

    generation: int = 0
    applied: int = 0
    """The last record of the journal that it has taken in."""
    nonce: bytes = b""
    """That record's."""


class Attached(NamedTuple):
    """What the server says to that."""

    continued: bool
    """The journal goes on where the process was; else what it knew is of no use."""
    seq: int
    nonce: bytes
    generation: int
    floor: int
    lost: bool
    created: int
    """When the state began, in microseconds since the epoch."""
    policy: str
    """What the server evicts when its memory is full; empty: it has no limit, or doesn't tell."""


class Session:
    """One process's dealings with the state of an application.

    Args:
        server, layout: where it is.
        wall_clock: seconds since the epoch.
        term: seconds for which a mirror may answer without having asked.
        clock: seconds, for terms.
    """

    def __init__(
        self,
        server: Server,
        layout: Layout,
        wall_clock: Clock,
        term: float = TERM_SECONDS,
        clock: Callable[[], float] = awake_and_asleep,
    ) -> None:
        self.server, self.layout, self.wall_clock, self.term, self.clock = server, layout, wall_clock, term, clock
        self.epoch = ""
        """Tells this state from one that was there before, or will be."""
        self.is_up = False
        """Whether the server answered when it was tried last."""
        self.run_id = ""
        """Which run of which server it is."""
        self.settled_at = 0.0
        """From then on, by `clock`, the server knows every mirror that has a term."""
        self.is_in_doubt = False
        """Whether a server answered that isn't the one known: the session is to be attached again."""

    async def attach(self, known: ResumePoint) -> Attached:
        """Find out whose state it is; begin one, where there is none.

        Raises:
            Unreachable, CommandRefused: as they say.
        """
        reply = await self.run(ATTACH, secrets.token_hex(8), *known, self.run_id, repr(self.wall_clock()))
        status, epoch, seq, nonce, generation, floor, lost, created, now, run_id, policy = reply
        has_moved = bool(self.run_id) and run_id.decode() != self.run_id
        self.epoch, self.run_id, self.is_in_doubt = epoch.decode(), run_id.decode(), False
        if has_moved or now - created < _YOUNG_TERMS * self.term * 1_000_000:
            self.settled_at = self.clock() + self.term
        return Attached(status == b"same", seq, nonce, generation, floor, bool(lost), created, policy.decode())

    async def ask(self, script: Script, *arguments: Any, keys: Iterable[str] = ()) -> Any:
        """Run a script on the state, and on `keys`.

        Raises:
            Unreachable, CommandRefused: as they say; the first at once, while the server is down.
        """
        self.refuse_when_down()
        return await self.run(script, *arguments, keys=keys, urgent=False)

    def refuse_when_down(self) -> None:
        """Raises Unreachable, where it would otherwise be found out again after the timeout."""
        if not self.is_up:
            raise Unreachable("it was not reached when it was tried last")

    async def run(self, script: Script, *arguments: Any, keys: Iterable[str] = (), urgent: bool = True) -> Any:
        """As `ask`, by who finds out whether the server is down."""
        nonce = secrets.token_bytes(8)
        named = (*self.layout.state, *keys)
        return await self.server.run(script, named, (self.epoch, nonce, *arguments), urgent=urgent)
