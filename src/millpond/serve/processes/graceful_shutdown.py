"""Graceful shutdown: streams are closed early, other requests may finish, and those that take too long are cancelled.

A stream (such as server-sent events) may never end by itself. Its connection is closed, which is the only signal that
its client understands; the application sees a disconnect.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from typing import TYPE_CHECKING, Any

from millpond.messages import counted
from millpond.serve.answered import CUT_OFF, HAS_END
from millpond.serve.connection.tcp import UNKNOWN_LENGTH, reset
from millpond.serve.sending import send_plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Receive, Scope, Send

    from millpond.config import ServerConfig
    from millpond.internals.uvicorn_names import ServerState

log = logging.getLogger("millpond.serve")

_CHECK_INTERVAL = 0.1
"""Seconds between two checks for streams: a request may start to stream during the shutdown."""
_UNWIND = 1.0
"""Seconds for a stream to end by itself after its connection was closed."""
_MAX_NAMED = 5
"""The maximum number of requests that a log line names."""


class RunningRequests:
    """The application, with the task of each running request, so that the request can be cancelled."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._tasks: dict[int, tuple[asyncio.Task[Any] | None, Scope]] = {}
        self._cancelled: set[int] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = id(scope)
        self._tasks[key] = asyncio.current_task(), scope
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if key not in self._cancelled:
                raise
            if scope["type"] == "http":
                with contextlib.suppress(RuntimeError):  # the answer has started; its connection is closed
                    await send_plain(send, 503, [(b"connection", b"close")], b"the server is stopping")
        finally:
            del self._tasks[key]
            self._cancelled.discard(key)

    def cancel(self, scope: Scope) -> None:
        """Cancel the request of `scope` if it still runs; a client whose answer hasn't started gets 503."""
        task, _ = self._tasks.get(id(scope), (None, None))
        if task is not None and id(scope) not in self._cancelled:
            self._cancelled.add(id(scope))
            scope[CUT_OFF] = True
            task.cancel()

    def scopes(self) -> list[Scope]:
        """The scopes of the requests that are being answered, or whose background tasks are running."""
        return [scope for _, scope in self._tasks.values()]


class GracefulShutdown:
    """The shutdown of one server.

    Args:
        requests: the running requests.
        state: the server's connections.
        bounds: how long the shutdown may take.
    """

    def __init__(self, requests: RunningRequests, state: ServerState, bounds: ServerConfig) -> None:
        self._requests, self._state, self._bounds = requests, state, bounds
        self._closing: dict[Any, float] = {}
        """Connections of streams that were closed -> when, by the loop's clock."""
        self._timers: list[asyncio.TimerHandle] = []

    @contextlib.contextmanager
    def in_progress(self) -> Iterator[None]:
        """Within the block, close streams and cancel requests when their time is up."""
        streams = len(list(self._streams()))
        running = sum(scope["type"] == "http" for scope in self._requests.scopes())  # uvicorn closes WebSockets at once
        if running:
            log.info(
                "shutting down: %s within %g s (server.shutdown_timeout), %s within %g s (server.stream_timeout)",
                counted(running - streams, "request"),
                self._bounds.shutdown_timeout,
                counted(streams, "stream"),
                self._bounds.stream_timeout,
            )
        self._later(self._bounds.stream_timeout, self._close_streams)
        self._later(self._bounds.shutdown_timeout, self._cancel_late)
        try:
            yield
        finally:
            for timer in self._timers:
                timer.cancel()

    def _later(self, seconds: float, what: Any) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, what))

    def _streams(self) -> Iterator[Any]:
        """The connections with a started answer of unknown length.

        None with a uvicorn in which they can't be recognized: then streams are treated like other requests.
        """
        for connection in self._state.connections:
            cycle = getattr(connection, "cycle", None)
            endless = getattr(cycle, "chunked_encoding", False) or _ends_with_connection(cycle)
            has_end = HAS_END in getattr(cycle, "scope", ())
            if endless and not has_end and not getattr(cycle, "response_complete", True):
                yield connection

    def _close_streams(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in self._streams():
            if connection not in self._closing:
                self._closing[connection] = now
                if _ends_with_connection(connection.cycle):
                    reset(connection.transport)
                else:
                    connection.transport.close()
        for connection, since in self._closing.items():
            if now - since >= _UNWIND:
                self._closing[connection] = math.inf
                connection.transport.abort()  # the client may not read, so that close() would wait
                self._requests.cancel(connection.cycle.scope)
        self._later(_CHECK_INTERVAL, self._close_streams)

    def _cancel_late(self) -> None:
        late = self._requests.scopes()
        if late:
            names = [f"{scope.get('method', 'WebSocket')} {scope['path']}" for scope in late[:_MAX_NAMED]]
            log.warning(
                "%s didn't end within %g s and %s cut off: %s%s",
                counted(len(late), "request"),
                self._bounds.shutdown_timeout,
                "is" if len(late) == 1 else "are",
                ", ".join(names),
                " …" if len(late) > _MAX_NAMED else "",
            )
        for connection in list(self._state.connections):
            if getattr(getattr(connection, "cycle", None), "response_started", False):
                connection.transport.abort()
        for scope in late:
            self._requests.cancel(scope)


def _ends_with_connection(cycle: Any) -> bool:
    return bool(getattr(cycle, "expected_content_length", 0) == UNKNOWN_LENGTH)
