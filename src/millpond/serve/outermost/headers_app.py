"""The layer that adds `[[headers]]` to every answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.policy.http.fixed_headers import with_fixed

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from millpond.policy.entry import Headers
    from millpond.serve.configured.path_headers import FixedHeaders


class HeadersApp:
    """Adds `[[headers]]` to every answer of an application."""

    def __init__(self, app: ASGIApp, fixed: FixedHeaders) -> None:
        self._app, self._fixed = app, fixed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fixed = self._fixed.of(scope) if scope["type"] == "http" else ()
        await self._app(scope, receive, _adding(fixed, send) if fixed else send)


def _adding(fixed: Headers, send: Send) -> Send:
    def adding(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            headers = with_fixed(message.get("headers", ()), message["status"], fixed)
            message = {**message, "headers": headers}
        return send(message)

    return adding
