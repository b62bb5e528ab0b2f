"""The routes that the project's code declares on its application, beside those of the files."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from fastapi.routing import iter_route_contexts
from starlette.routing import Mount

from millpond.errors import Place
from millpond.render.user_code import in_project
from millpond.routes.operation import OperationRoute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from millpond.app import Millpond


def declared_routes(app: Millpond) -> Iterator[dict[str, Any]]:
    """The facts about each, as `millpond routes` has them about a route file; but for FastAPI's own, such as /docs.

    Included routers are told by their routes, mounted applications by the path that they are mounted at.
    """
    for route in iter_route_contexts([route for route in app.routes if not isinstance(route, OperationRoute)]):
        mounted = getattr(route.original_route, "app", None) if isinstance(route.original_route, Mount) else None
        function = inspect.unwrap(route.endpoint) if inspect.isfunction(route.endpoint) else None
        if route.path is None or (function is not None and function.__module__.startswith("fastapi.")):
            continue
        file = None if function is None else in_project(function.__code__.co_filename, app.project)
        place = None if function is None or file is None else Place(file, function.__code__.co_firstlineno)
        yield {
            "pattern": route.path or "/",
            "methods": sorted(route.methods or ()),
            "file": file or getattr(function or type(mounted or route.endpoint), "__module__", ""),
            "mode": "live",
            "glyph": "λ",
            "why": "declared in code" if mounted is None else f"mounted: {type(mounted).__name__}",
            "place": None if place is None else str(place),
            "by": "code",
        }
