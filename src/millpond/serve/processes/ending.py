"""How a server ends: streams are told soon, requests may end in peace, and what takes too long is cut off.

A stream (server-sent events, say) may never end, and its client can't be told in any other way than that the connection
is closed: then the application sees what it sees when a client goes away.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from typing import TYPE_CHECKING, Any

from millpond.serve.connection.unread import UNKNOWN, reset
from millpond.serve.sending import send_plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Receive, Scope, Send

    from millpond.config import ServerConfig
    from millpond.internals.uvicorn_names import ServerState

log = logging.getLogger("millpond.serve")

_LOOK_AGAIN = 0.1
"""Seconds. A request may begin to stream while the server ends."""
_UNWIND = 1.0
"""Seconds in which a stream that was told may end by itself."""
_NAMED = 5
"""Requests that are named in a line, at most."""


class Runs:
    """The application, and which task runs it for which request: so that one can be cut off."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._tasks: dict[int, tuple[asyncio.Task[Any] | None, Scope]] = {}
        self._cut: set[int] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = id(scope)
        self._tasks[key] = asyncio.current_task(), scope
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if key not in self._cut:
                raise
            if scope["type"] == "http":
                with contextlib.suppress(RuntimeError):  # the answer has begun, and its connection is closed
                    await send_plain(send, 503, [(b"connection", b"close")], b"the server is stopping")
        finally:
            del self._tasks[key]
            self._cut.discard(key)

    def cut(self, scope: Scope) -> None:
        """Cancel the run for `scope`, if it still runs; a client that has no answer yet gets 503."""
        task, _ = self._tasks.get(id(scope), (None, None))
        if task is not None and id(scope) not in self._cut:
            self._cut.add(id(scope))
            task.cancel()

    def running(self) -> list[Scope]:
        """The requests that are being answered, and those whose background tasks run."""
        return [scope for _, scope in self._tasks.values()]


class Ending:
    """The end of one server.

    Args:
        runs: its application.
        state: its connections.
        bounds: how long it takes.
    """

    def __init__(self, runs: Runs, state: ServerState, bounds: ServerConfig) -> None:
        self._runs, self._state, self._bounds = runs, state, bounds
        self._told: dict[Any, float] = {}
        """Connections of streams that were told, and when, by the loop's clock."""
        self._timers: list[asyncio.TimerHandle] = []

    @contextlib.contextmanager
    def going(self) -> Iterator[None]:
        """Within the block the time runs."""
        streams = len(list(self._streams()))
        running = sum(scope["type"] == "http" for scope in self._runs.running())  # uvicorn tells WebSockets at once
        if running:
            log.info(
                "to end: %s within %g s (server.shutdown_timeout), %s within %g s (server.stream_timeout)",
                _counted(running - streams, "request"),
                self._bounds.shutdown_timeout,
                _counted(streams, "stream"),
                self._bounds.stream_timeout,
            )
        self._later(self._bounds.stream_timeout, self._tell)
        self._later(self._bounds.shutdown_timeout, self._cut)
        try:
            yield
        finally:
            for timer in self._timers:
                timer.cancel()

    def _later(self, seconds: float, what: Any) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, what))

    def _streams(self) -> Iterator[Any]:
        """The connections on which an answer has begun whose length isn't known.

        With a uvicorn that doesn't tell them apart there are none: then streams end like requests.
        """
        for connection in self._state.connections:
            cycle = getattr(connection, "cycle", None)
            endless = getattr(cycle, "chunked_encoding", False) or _ends_with_connection(cycle)
            if endless and not getattr(cycle, "response_complete", True):
                yield connection

    def _tell(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in self._streams():
            if connection not in self._told:
                self._told[connection] = now
                if _ends_with_connection(connection.cycle):
                    reset(connection.transport)
                else:
                    connection.transport.close()
        for connection, since in self._told.items():
            if now - since >= _UNWIND:
                self._told[connection] = math.inf
                connection.transport.abort()  # of a client that doesn't read
                self._runs.cut(connection.cycle.scope)
        self._later(_LOOK_AGAIN, self._tell)

    def _cut(self) -> None:
        late = self._runs.running()
        if late:
            names = [f"{scope.get('method', 'WebSocket')} {scope['path']}" for scope in late[:_NAMED]]
            log.warning(
                "%s didn't end within %g s and %s cut off: %s%s",
                _counted(len(late), "request"),
                self._bounds.shutdown_timeout,
                "is" if len(late) == 1 else "are",
                ", ".join(names),
                " …" if len(late) > _NAMED else "",
            )
        for connection in list(self._state.connections):
            if getattr(getattr(connection, "cycle", None), "response_started", False):
                connection.transport.abort()
        for scope in late:
            self._runs.cut(scope)


def _ends_with_connection(cycle: Any) -> bool:
    return bool(getattr(cycle, "expected_content_length", 0) == UNKNOWN)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
