"""How long a client may take: one look per second at all connections of a server, and no timer for any of them.

A connection says what it waits for, with a mark that changes with each progress. Whoever is found waiting for the same,
with the same mark, for as long as that may take, is told so.
"""

from __future__ import annotations

import math
from enum import IntEnum
from itertools import islice
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from millpond.config import ServerConfig

EACH = 1.0
"""Seconds between two looks."""
_AT_ONCE = 500
"""Connections that are looked at before the event loop may do something else."""


class ClientWait(IntEnum):
    """What a connection waits for."""

    ANSWER = 0
    """The application's, or a body that the application doesn't want yet: as long as it takes."""
    HEAD = 1
    BODY = 2
    REQUEST = 3
    """The next one."""
    READER = 4
    """Somebody who reads what was written."""


class TimedConnection(Protocol):
    """What is looked at."""

    waits_since: float
    """By the loop's clock; kept here, and set when the connection is made."""
    waits_for: tuple[ClientWait, int]
    """What was found last; kept here. At first it is `(ClientWait.HEAD, 0)`."""

    def waiting(self) -> tuple[ClientWait, int]:
        """What the connection waits for, and the mark."""

    def give_up(self, wait: ClientWait) -> None:
        """It has waited for too long."""


class Timeouts:
    """Those of one server."""

    def __init__(self, bounds: ServerConfig) -> None:
        self._limits = {
            ClientWait.ANSWER: math.inf,
            ClientWait.HEAD: bounds.header_timeout,
            ClientWait.BODY: bounds.body_timeout,
            ClientWait.REQUEST: bounds.keep_alive_timeout,
            ClientWait.READER: bounds.write_timeout,
        }
        self._watched: set[TimedConnection] = set()
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, connection: TimedConnection, loop: asyncio.AbstractEventLoop) -> None:
        """Look at `connection` until `forget`."""
        connection.waits_since = loop.time()
        self._watched.add(connection)
        if self._timer is None:
            self._timer = loop.call_later(EACH, self._look, loop)

    def forget(self, connection: TimedConnection) -> None:
        """The connection has gone, or is somebody else's."""
        self._watched.discard(connection)
        if not self._watched and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(EACH, self._look, loop)
        self._look_at(iter(tuple(self._watched)), loop)

    def _look_at(self, connections: Iterator[TimedConnection], loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        some = tuple(islice(connections, _AT_ONCE))
        for connection in some:
            if connection not in self._watched:
                continue
            found = connection.waiting()
            if found != connection.waits_for:
                connection.waits_for, connection.waits_since = found, now
            elif now - connection.waits_since >= self._limits[found[0]]:
                connection.give_up(found[0])
        if len(some) == _AT_ONCE:
            loop.call_soon(self._look_at, connections, loop)
