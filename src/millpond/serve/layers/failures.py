"""Errors of requests, in the log: once each, with the route that answered."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from millpond.cache.rendering.render_failure import FAILURE
from millpond.errors import OverdueError, UnsendableError
from millpond.messages import at
from millpond.routes.operation import OperationRoute
from millpond.serve.matching.base_path import sent_path

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from millpond.cache.rendering.render_failure import SharedFailure

log = logging.getLogger("millpond.serve")

_LONGEST_PATH = 200


def log_failure(scope: Scope, error: Exception) -> None:
    """Log what was raised while a request was answered."""
    path = sent_path(scope).decode("ascii", "replace")
    shown = path if len(path) <= _LONGEST_PATH else f"{path[:_LONGEST_PATH]}…"
    if isinstance(error, UnsendableError | OverdueError):  # a traceback would show nothing of the handler
        log.error("%s %s failed: %s", scope["method"], shown, error)
        return
    route: Any = scope.get("route")
    place = route.place if isinstance(route, OperationRoute) else None
    failure: SharedFailure | None = vars(error).get(FAILURE)
    if failure is not None:
        if failure.is_logged:  # several requests had waited for it
            log.error("%s%s %s raised %s, as logged before", at(place), scope["method"], shown, type(error).__name__)
            return
        failure.is_logged = True
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
