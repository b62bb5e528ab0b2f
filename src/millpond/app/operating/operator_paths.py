"""The paths of operators: in front of the application, so that what is wrong with it doesn't hide them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from millpond.config.ranges import too_short
from millpond.errors import ConfigError
from millpond.serve.matching.base_path import OUTSIDE
from millpond.serve.matching.request_path import below_root

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    Make = Callable[[Scope], Awaitable[ASGIApp]]


class OperatorPaths:
    """Answers some paths, and passes everything else on. No middleware, log or counter sees these requests.

    Args:
        app: what answers everything else.
        metrics: their path; None: they aren't served.
        dashboard: its path, and all below; None: there is none.
        make_metrics: gives what answers, for a request.
        make_dashboard: likewise.
    """

    def __init__(
        self, app: ASGIApp, metrics: str | None, dashboard: str | None, make_metrics: Make, make_dashboard: Make
    ) -> None:
        self._app = app
        self._metrics = None if metrics is None else metrics.encode("utf-8")
        self._dashboard = None if dashboard is None else dashboard.encode("utf-8")
        self._makes = make_metrics, make_dashboard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        make = None if scope.get(OUTSIDE) else self._asked(below_root(scope))
        if make is None:
            await self._app(scope, receive, send)
            return
        await (await make(scope))(scope, receive, send)

    def _asked(self, path: bytes | None) -> Make | None:
        make_metrics, make_dashboard = self._makes
        if path is None:
            return None
        if path == self._metrics:
            return make_metrics
        prefix = self._dashboard
        if prefix is not None and path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in (b"", b"/"):
            return make_dashboard
        return None


def secret_of(table: str, variable: str) -> bytes:
    """The secret in an environment variable.

    Raises:
        ConfigError: it isn't set, or can be guessed.
    """
    secret = os.environ.get(variable, "").strip()
    if not secret:
        raise ConfigError(
            f"[{table}] takes its secret from the environment variable {variable}, which is not set; "
            "set it for the server."
        )
    problem = next(too_short(variable, secret), None)
    if problem is not None:
        raise ConfigError(f"[{table}] takes its secret from the environment, where {problem}")
    return secret.encode("utf-8")
