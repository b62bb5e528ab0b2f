"""The innermost of the user's middleware: hits need nothing that comes further in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from millpond.serve.dispatch import HitAnswer


class HitsFirst:
    """Answers hits, and passes everything else on.

    Args:
        app: what comes further in.
        hit: the answer to a request that is a hit; None for every other one.
    """

    def __init__(self, app: ASGIApp, hit: Callable[[Scope], HitAnswer | None]) -> None:
        self._app, self._hit = app, hit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hit = self._hit(scope) if scope["type"] == "http" else None
        if hit is None:
            await self._app(scope, receive, send)
        else:
            _, start, body, _ = hit
            await send(start)
            await send(body)
