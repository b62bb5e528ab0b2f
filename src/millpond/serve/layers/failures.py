"""Errors of requests, in the log: once each, with the route that answered."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from millpond.errors import OverdueError, UnsendableError
from millpond.messages import at
from millpond.routes.operation import OperationRoute

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

log = logging.getLogger("millpond.serve")

_LONGEST_PATH = 200


def log_failure(scope: Scope, error: Exception) -> None:
    """Log what was raised while a request was answered."""
    path: str = scope["path"]
    shown = path if len(path) <= _LONGEST_PATH else f"{path[:_LONGEST_PATH]}…"
    if isinstance(error, UnsendableError | OverdueError):  # a traceback would show nothing of the handler
        log.error("%s %s failed: %s", scope["method"], shown, error)
        return
    route: Any = scope.get("route")
    place = route.place if isinstance(route, OperationRoute) else None
    log.error("%s%s %s raised", at(place), scope["method"], shown, exc_info=error)


class LoggedFailures:
    """In front of an application: logs what it raises, which the application has answered with 500 before.

    A server logs it as well, but without the route, and in its own format.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            if scope["type"] != "http":
                raise
            log_failure(scope, error)
