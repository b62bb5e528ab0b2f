"""The Millponds in an application: itself, or what it wraps or mounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from starlette.routing import Match, Mount

from millpond.app import Millpond
from millpond.errors import UsageError
from millpond.serve.matching.base_path import enter_base_path

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Scope

_SAFE = "/%!$&'()*+,;=:@~"


def ponds_in(app: ASGIApp) -> list[Millpond]:
    """All of them, the outermost first."""
    if isinstance(app, Millpond):
        return [app]
    inner: list[Any] = [route.app for route in getattr(app, "routes", ()) if isinstance(route, Mount)]
    if not inner and hasattr(app, "app"):
        inner = [app.app]  # middleware that was put around it by hand
    return [pond for each in inner for pond in ponds_in(each)]


def pond_for(app: ASGIApp, url: str, root_path: str) -> tuple[Millpond, Scope]:
    """The one that answers a GET of a path with its query, and the scope of that request as it sees it.

    Raises:
        UsageError: none does.
    """
    path, _, query = url.partition("?")
    raw = quote(path, safe=_SAFE).encode("ascii")
    scope: Scope = {"type": "http", "method": "GET", "path": unquote(path), "raw_path": raw, "root_path": root_path}
    scope.update(query_string=query.encode("utf-8"), headers=[])
    inner: Any = app
    while not isinstance(inner, Millpond):
        inner = _next(inner, scope)
        if inner is None:
            raise UsageError(f"no Millpond application answers {path}.")
    base_path = inner.config.base_path
    if inner.root_path:  # FastAPI's option
        scope["root_path"] = inner.root_path.removesuffix(base_path)
    if base_path:
        enter_base_path(scope, scope["root_path"], base_path)
    return inner, scope


def _next(app: Any, scope: Scope) -> Any:
    """What an application hands the request to; None if nothing."""
    for route in getattr(app, "routes", ()):
        match, child = route.matches(scope)
        if match is Match.FULL and isinstance(route, Mount):
            scope.update(child)
            return route.app
    return getattr(app, "app", None)
