"""The time between SIGTERM and the end of accepting connections: load balancers learn that the server is about to go.

For `drain_delay` seconds everything is answered as ever, and `ready_path` says 503. In the second half each answer ends
its connection: a load balancer that keeps connections open sends its next request elsewhere, and not into one that is
about to be closed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from millpond.serve.answered import DRAINING, WARMING

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CLOSE = (b"connection", b"close")


class Drain:
    """The drain of one server.

    Args:
        seconds: how long it lasts; 0: there is none.
        clock: seconds, monotonic.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds, self._clock = seconds, clock
        self._began: float | None = None

    def begin(self) -> None:
        """Begin, unless it has begun; also for a signal handler."""
        if self._began is None:
            self._began = self._clock()

    @property
    def has_begun(self) -> bool:
        return self._began is not None

    @property
    def closes(self) -> bool:
        """Whether answers end their connections."""
        return self._began is not None and self._clock() - self._began >= self.seconds / 2

    @property
    def is_over(self) -> bool:
        """Whether the server is to stop accepting connections."""
        return self._began is not None and self._clock() - self._began >= self.seconds


class SignedApp:
    """An application that is told what its server is about, for probes; at the end of a drain connections are ended.

    Args:
        app: the application.
        drain: of the server.
        is_warming: whether the server accepts connections before it is ready for visitors.
    """

    def __init__(self, app: ASGIApp, drain: Drain, *, is_warming: bool = False) -> None:
        self._app, self._drain, self.is_warming = app, drain, is_warming

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if self.is_warming:
                scope[WARMING] = True
            if self._drain.has_begun:
                scope[DRAINING] = True
                if self._drain.closes:
                    send = _ending(send)
        await self._app(scope, receive, send)


def _ending(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [header for header in message.get("headers", ()) if header[0].lower() != _CLOSE[0]]
            message = {**message, "headers": [*headers, _CLOSE]}
        await send(message)

    return sent
