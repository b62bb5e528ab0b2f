"""Middleware that rewrites paths, in the forms in which people write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.middleware.base import BaseHTTPMiddleware

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from millpond import Millpond

Rewrite = Callable[[str, str], str]
"""From the first label of the host, and a path, to another path."""
Wrap = Callable[["Millpond", Rewrite], "ASGIApp"]


def label_of(scope: Scope) -> str:
    host: bytes = dict(scope["headers"]).get(b"host", b"")
    return host.decode("latin-1").split(".")[0]


def by_prefix(label: str, path: str) -> str:
    """Tenants by sub-domain; "www" is none."""
    return path if label == "www" else f"/{label}{path}"


class InPlace:
    """Raw ASGI middleware that changes the scope."""

    def __init__(self, app: ASGIApp, rewrite: Rewrite = by_prefix, *, raw_too: bool = False) -> None:
        self.app, self.rewrite, self.raw_too = app, rewrite, raw_too

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["path"] = self.rewrite(label_of(scope), scope["path"])
            if self.raw_too:
                scope["raw_path"] = self.rewrite(label_of(scope), scope["raw_path"].decode()).encode()
        await self.app(scope, receive, send)


class Copying(InPlace):
    """Raw ASGI middleware that passes a copy on."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().__call__(dict(scope), receive, send)


class Based(BaseHTTPMiddleware):
    def __init__(self, app: ASGIApp, rewrite: Rewrite = by_prefix) -> None:
        super().__init__(app)
        self.rewrite = rewrite

    async def dispatch(self, request: Request, call_next: Any) -> Response:
        request.scope["path"] = self.rewrite(label_of(request.scope), request.scope["path"])
        answer: Response = await call_next(request)
        return answer


def added(kind: Any, **options: Any) -> Wrap:
    def wrap(app: Millpond, rewrite: Rewrite) -> ASGIApp:
        app.add_middleware(kind, rewrite=rewrite, **options)
        return app

    return wrap


def function(app: Millpond, rewrite: Rewrite) -> ASGIApp:
    @app.middleware("http")
    async def rewriting(request: Request, call_next: Any) -> Response:
        request.scope["path"] = rewrite(label_of(request.scope), request.scope["path"])
        answer: Response = await call_next(request)
        return answer

    return app


def parent(app: Millpond, rewrite: Rewrite) -> ASGIApp:
    """A FastAPI that mounts the application, with the middleware."""
    outer = FastAPI()
    outer.add_middleware(InPlace, rewrite=rewrite)
    outer.mount("/", app)
    return outer


WAYS: dict[str, Wrap] = {
    "in place": added(InPlace),
    "both spellings": added(InPlace, raw_too=True),
    "a copy": added(Copying),
    "BaseHTTPMiddleware": added(Based),
    "@app.middleware": function,
    "around the application": InPlace,
    "a parent": parent,
}
