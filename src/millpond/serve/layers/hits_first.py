"""The innermost of the user's middleware: hits need nothing that comes further in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Receive, Scope, Send


class HitsFirst:
    """Answers hits, and passes everything else on.

    Args:
        app: what comes further in.
        hit: answers a request that is a hit; returns None if it isn't.
    """

    def __init__(self, app: ASGIApp, hit: Callable[[Scope, Send], Awaitable[int | None]]) -> None:
        self._app, self._hit = app, hit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or await self._hit(scope, send) is None:
            await self._app(scope, receive, send)
