"""The layer that answers the requests that `[[redirects]]` has a redirect for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.serve.sending import send_plain

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from millpond.serve.configured.redirects import Redirects
    from millpond.serve.fronted.telling_caches import TellingCaches


class RedirectingApp:
    """Answers the requests that have a redirect, and passes the others on."""

    def __init__(self, app: ASGIApp, redirects: Redirects, caches: TellingCaches | None = None) -> None:
        """`caches`: have redirects tell caches in front what they may do; None: there are none."""
        self._app, self._redirects, self._caches = app, redirects, caches

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        redirect = self._redirects.of(scope) if scope["type"] == "http" else None
        if redirect is None:
            await self._app(scope, receive, send)
            return
        if self._caches is not None:
            send = self._caches.of_configuration(scope, send)
        await send_plain(send, redirect.status, [(b"location", redirect.location.encode("ascii"))])
