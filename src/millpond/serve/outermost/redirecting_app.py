"""The layer that answers the requests that `[[redirects]]` has a redirect for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.serve.sending import send_plain

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from millpond.serve.configured.redirects import Redirects


class RedirectingApp:
    """Answers the requests that have a redirect, and passes the others on."""

    def __init__(self, app: ASGIApp, redirects: Redirects) -> None:
        self._app, self._redirects = app, redirects

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        redirect = self._redirects.of(scope) if scope["type"] == "http" else None
        if redirect is None:
            await self._app(scope, receive, send)
            return
        await send_plain(send, redirect.status, [(b"location", redirect.location.encode("ascii"))])
