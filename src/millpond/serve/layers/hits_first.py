"""The innermost of the user's middleware: hits need nothing that comes further in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from millpond.serve.dispatch import HitAnswer
    from millpond.serve.fronted.telling_caches import TellingCaches


class HitsFirst:
    """Answers hits, and passes everything else on.

    Args:
        app: what comes further in.
        hit: the answer to a request that is a hit; None for every other one.
        caches: have other answers tell caches in front what they may do; None: there are none.
    """

    def __init__(
        self, app: ASGIApp, hit: Callable[[Scope], HitAnswer | None], caches: TellingCaches | None = None
    ) -> None:
        self._app, self._hit, self._caches = app, hit, caches

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hit = self._hit(scope) if scope["type"] == "http" else None
        if hit is None:
            if self._caches is not None and scope["type"] == "http":
                send = self._caches.inside(scope, send)
            await self._app(scope, receive, send)
        else:
            _, start, body, _ = hit
            await send(start)
            await send(body)
