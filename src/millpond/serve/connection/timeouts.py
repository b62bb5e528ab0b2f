"""Timeouts of all connections of a server, checked once a second: no connection has a timer of its own.

A connection says what it waits for, with a mark that changes with each progress. One that waits for the same thing with
the same mark for as long as its limit gives up.
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

INTERVAL = 1.0
"""Seconds between two checks."""
_AT_ONCE = 500
"""Connections that are checked before the event loop may do something else."""


class ClientWait(IntEnum):
    """What a connection waits for."""

    ANSWER = 0
    """The application's answer, or a body that the application doesn't read yet: for as long as it takes."""
    HEAD = 1
    BODY = 2
    REQUEST = 3
    """The next request."""
    READER = 4
    """That the client reads what was written."""


class TimedConnection(Protocol):
    """A connection that is checked."""

    waits_since: float
    """By the loop's clock; Timeouts sets it, first when the connection is made."""
    waits_for: tuple[ClientWait, int]
    """What the last check found; Timeouts sets it. At first it is `(ClientWait.HEAD, 0)`."""

    def waiting(self) -> tuple[ClientWait, int]:
        """What the connection waits for, and the mark."""

    def give_up(self, wait: ClientWait) -> None:
        """The connection has waited for too long."""


class Timeouts:
    """The timeouts of one server."""

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
        """Check `connection` until `forget`."""
        connection.waits_since = loop.time()
        self._watched.add(connection)
        if self._timer is None:
            self._timer = loop.call_later(INTERVAL, self._check, loop)

    def forget(self, connection: TimedConnection) -> None:
        """The connection has gone, or another protocol has taken it."""
        self._watched.discard(connection)
        if not self._watched and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(INTERVAL, self._check, loop)
        self._check_some(iter(tuple(self._watched)), loop)

    def _check_some(self, connections: Iterator[TimedConnection], loop: asyncio.AbstractEventLoop) -> None:
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
            loop.call_soon(self._check_some, connections, loop)
