"""What an application's files suggest that its author meant."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from millpond.app.hints.misnamed import elsewhere, misnamed
from millpond.routes.deferred.unloaded_routes import known_routes
from millpond.routes.operation import OperationRoute
from millpond.serve.layers.declared import Front

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from millpond.app.application import Millpond


def hints(app: Millpond) -> list[str]:
    """Sentences for the author of a project, each with what to write; its route files are loaded.

    They are about files that look like routes and are none, and about an application that answers nothing.
    """
    found = misnamed(app.app_dir, app.project) if app.app_dir.is_dir() else []
    return found or nothing_to_serve(app)


def nothing_to_serve(app: Millpond) -> list[str]:
    """A sentence about an application that has no routes, neither in files nor in code; else none."""
    if app.served_routes or any(not _is_given(route) for route in known_routes(app.router)):
        return []
    shown = app.app_dir.relative_to(app.project).as_posix()
    other = elsewhere(app.project)
    if other is not None:
        return [f"there are no routes in {shown}/. {other}"]
    return [f'there are no routes: write {shown}/route.py with `def GET(): return {{"hello": "world"}}`; it answers /.']


def _is_given(route: BaseRoute) -> bool:
    """Whether it is Millpond's or FastAPI's own, such as that of /docs."""
    if isinstance(route, OperationRoute | Front):
        return True
    endpoint = inspect.unwrap(endpoint) if callable(endpoint := getattr(route, "endpoint", None)) else None
    return getattr(endpoint, "__module__", "").startswith("fastapi.")
