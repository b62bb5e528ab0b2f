"""`register` runs once in each process, before the first request, and at build before the first render."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class NoSniff:
    """Tells browsers not to guess content types.

    As middleware of the inner app it runs for renders and for live routes, not for cache hits. What must see
    every request (authentication, CORS) goes into `Millpond.add_outer_middleware` instead.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-content-type-options"] = "nosniff"
            await send(message)

        await self.app(scope, receive, send_with_header)


def register(app: FastAPI) -> None:
    """`app` is the FastAPI app that runs the handlers: its title, middleware and exception handlers are yours."""
    app.title = "The Millpond shop"
    app.add_middleware(NoSniff)
