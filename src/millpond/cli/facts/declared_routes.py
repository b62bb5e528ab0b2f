"""The routes that the project's code declares on its application, beside those of the files."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any

from fastapi.routing import RouteContext, iter_route_contexts
from starlette.routing import Match, Mount, compile_path

from millpond.errors import Place
from millpond.render.user_code import in_project
from millpond.routes.endpoints.static import is_static
from millpond.routes.operation import OperationRoute

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from starlette.routing import BaseRoute

    from millpond.app import Millpond


@dataclass(frozen=True, slots=True)
class DeclaredRoute:
    """What is known of one. An included router is told by its routes, a mounted application by its path."""

    path: str
    methods: list[str]
    file: str | None
    """The file of its function, else the module of its class; None for FastAPI's own, such as /docs."""
    place: Place | None
    why: str | None

    @property
    def is_own(self) -> bool:
        """Whether the project declares it."""
        return self.why is not None

    def facts(self) -> dict[str, Any]:
        """As `millpond routes` has them about a route file."""
        return {
            "pattern": self.path,
            "methods": self.methods,
            "file": self.file,
            "mode": "live",
            "glyph": "λ",
            "why": self.why,
            "place": None if self.place is None else str(self.place),
            "by": "code",
        }


def declared_routes(app: Millpond) -> Iterator[DeclaredRoute]:
    """All of an application's that have no `@static`, in FastAPI's order."""
    return (_route(each, app.project) for each in iter_route_contexts(_declared(app)) if _is_plain(each))


def declared_route(app: Millpond, asgi: Mapping[str, Any]) -> tuple[DeclaredRoute | None, Match]:
    """The route that FastAPI would choose, if it can be told; and whether it has the path and the method of a request.

    Args:
        app: the application.
        asgi: the scope of the request. Its path is below its `root_path`.
    """
    scope = {"root_path": "", **asgi}
    path = str(scope["path"]).removeprefix(str(scope["root_path"])) or "/"
    found = [(each.matches(scope)[0], each) for each in _declared(app)]
    for wanted in (Match.FULL, Match.PARTIAL):
        chosen = next((each for match, each in found if match is wanted), None)
        if chosen is not None:
            fitting = (_route(each, app.project) for each in iter_route_contexts([chosen]) if _fits(each, path))
            return next(fitting, None), wanted
    return None, Match.NONE


def _is_plain(route: RouteContext) -> bool:
    return route.path is not None and not is_static(route.original_route)


def _declared(app: Millpond) -> list[BaseRoute]:
    return [route for route in app.routes if not isinstance(route, OperationRoute)]


def _fits(route: RouteContext, path: str) -> bool:
    """Whether a route, perhaps of an included router, has the path that the router has matched."""
    if route.path is None:
        return False
    whole = f"{route.path}/{{path:path}}" if isinstance(route.original_route, Mount) else route.path
    return compile_path(whole)[0].match(path) is not None


def _route(route: RouteContext, project: Path) -> DeclaredRoute:
    path, methods = route.path or "/", sorted(route.methods or ())
    if isinstance(route.original_route, Mount):
        mounted = type(route.original_route.app)
        return DeclaredRoute(path, methods, mounted.__module__, None, f"mounted: {mounted.__name__}")
    function = inspect.unwrap(route.endpoint) if callable(route.endpoint) else None
    if not isinstance(function, FunctionType):
        return DeclaredRoute(path, methods, type(route.endpoint).__module__, None, "declared in code")
    if function.__module__.startswith("fastapi."):
        return DeclaredRoute(path, methods, None, None, None)
    file = in_project(function.__code__.co_filename, project)
    place = None if file is None else Place(file, function.__code__.co_firstlineno)
    return DeclaredRoute(path, methods, file or function.__module__, place, "declared in code")
