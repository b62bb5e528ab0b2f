"""The routes that the project's code declares on its application, beside those of the files."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass, replace
from types import FunctionType
from typing import TYPE_CHECKING, Any

from fastapi.routing import RouteContext, iter_route_contexts
from starlette.routing import Host, Match, Mount, WebSocketRoute, compile_path

from millpond.errors import Place
from millpond.render.user_code import in_project
from millpond.routes.endpoints.static import is_static
from millpond.routes.operation import OperationRoute

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from starlette.routing import BaseRoute

    from millpond.app import Millpond

WEBSOCKET = "WebSocket"
"""What stands in place of methods."""
IN_CODE, OF_FASTAPI = "declared in code", "FastAPI's own"
"""Why they are live."""
MOUNTED = "mounted: "


@dataclass(frozen=True, slots=True)
class DeclaredRoute:
    """What is known of one. An included router is told by its routes, a mounted application by its path, too."""

    path: str
    """With the host in front, where the route is for one only."""
    methods: list[str]
    file: str | None
    """The file of its function, else the module of its class; None for FastAPI's own, such as /docs."""
    place: Place | None
    why: str

    @property
    def is_fastapis(self) -> bool:
        """Whether FastAPI adds it by itself."""
        return self.why is OF_FASTAPI

    @property
    def is_mounted(self) -> bool:
        """Whether it is an application, none of whose routes is known to have the path."""
        return self.why.startswith(MOUNTED)

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
    return _below("", _declared(app), app.project, without_static=True)


def declared_route(app: Millpond, asgi: Mapping[str, Any]) -> tuple[DeclaredRoute | None, Match]:
    """The route that FastAPI would choose, if it can be told; and whether it has the path and the method of a request.

    Args:
        app: the application.
        asgi: the scope of the request. Its path is below its `root_path`.
    """
    return _chosen("", _declared(app), {"root_path": "", **asgi}, app.project)


def redirected_path(app: Millpond, asgi: Mapping[str, Any]) -> str | None:
    """The path with or without a slash at its end, where only that is declared and FastAPI redirects to it."""
    path = str(asgi["path"])
    if not app.router.redirect_slashes or path == str(asgi.get("root_path", "")) or path == "/":
        return None
    other = path.rstrip("/") if path.endswith("/") else f"{path}/"
    scope = {"root_path": "", **asgi, "path": other, "raw_path": other.encode()}
    return other if any(route.matches(scope)[0] is not Match.NONE for route in _declared(app)) else None


def _declared(app: Millpond) -> list[BaseRoute]:
    return [route for route in app.routes if not isinstance(route, OperationRoute)]


def _below(
    prefix: str, routes: Sequence[BaseRoute], project: Path, *, without_static: bool = False
) -> Iterator[DeclaredRoute]:
    for each in iter_route_contexts(routes):
        route = each.original_route
        if without_static and is_static(route):
            continue
        if each.path is not None or isinstance(route, Host):
            yield _route(prefix, each, project)
        inside = _below(f"{prefix}{_prefix(each)}", _inner(route), project)
        yield from (each for each in inside if not each.is_fastapis)


def _inner(route: BaseRoute) -> list[BaseRoute]:
    """The routes of a mounted application, or of one for a host."""
    return list(route.routes or ()) if isinstance(route, Mount | Host) else []


def _prefix(route: RouteContext) -> str:
    """The part of the path that a mount takes, or the host in place of one."""
    original = route.original_route
    return original.host if isinstance(original, Host) else route.path or ""


def _chosen(
    prefix: str, routes: Sequence[BaseRoute], scope: dict[str, Any], project: Path
) -> tuple[DeclaredRoute | None, Match]:
    found = [(each, *each.matches(scope)) for each in routes]
    for wanted in (Match.FULL, Match.PARTIAL):
        chosen = next(((each, child) for each, match, child in found if match is wanted), None)
        if chosen is None:
            continue
        route, child = chosen
        contexts = [each for each in iter_route_contexts([route]) if _fits(each, scope)]
        if not contexts:
            return None, wanted
        context = next((each for each in contexts if scope.get("method") in (each.methods or ())), contexts[0])
        inner = _inner(context.original_route)
        if inner:
            inside = _chosen(f"{prefix}{_prefix(context)}", inner, {**scope, **child}, project)
            if inside[1] is not Match.NONE:
                return inside
        described = _route(prefix, context, project)
        others = {method for each in iter_route_contexts(routes) if _fits(each, scope) for method in each.methods or ()}
        return replace(described, methods=sorted({*described.methods, *others})), wanted
    return None, Match.NONE


def _fits(route: RouteContext, scope: Mapping[str, Any]) -> bool:
    """Whether a route, perhaps of an included router, has the path that the router has matched."""
    if isinstance(route.original_route, Host):
        return route.original_route.matches(dict(scope))[0] is Match.FULL
    if route.path is None or isinstance(route.original_route, WebSocketRoute) is not (scope["type"] == "websocket"):
        return isinstance(route.original_route, Mount)
    path = str(scope["path"]).removeprefix(str(scope["root_path"])) or "/"
    whole = f"{route.path}/{{path:path}}" if isinstance(route.original_route, Mount) else route.path
    return compile_path(whole)[0].match(path) is not None


def _route(prefix: str, route: RouteContext, project: Path) -> DeclaredRoute:
    path, methods = prefix + (route.path or "/"), sorted(route.methods or ())
    original = route.original_route
    if isinstance(original, Mount | Host):
        mounted = type(original.app)
        path = prefix + (_prefix(route) or "/")
        return DeclaredRoute(path, methods, mounted.__module__, None, f"{MOUNTED}{mounted.__name__}")
    if isinstance(original, WebSocketRoute):
        methods = [WEBSOCKET]
    code = _code_of(route.endpoint)
    if code is None:
        return DeclaredRoute(path, methods, type(route.endpoint).__module__, None, IN_CODE)
    if code.__module__.startswith("fastapi."):
        return DeclaredRoute(path, methods, None, None, OF_FASTAPI)
    place = _place(code, project)
    return DeclaredRoute(path, methods, place.file if place else code.__module__, place, IN_CODE)


def _code_of(endpoint: object) -> FunctionType | type | None:
    """The function or the class of an endpoint, without what wraps it."""
    while isinstance(endpoint, functools.partial):
        endpoint = endpoint.func
    function = inspect.unwrap(endpoint) if callable(endpoint) else endpoint
    function = getattr(function, "__func__", function)  # of a method
    return function if isinstance(function, FunctionType | type) else None


def _place(code: FunctionType | type, project: Path) -> Place | None:
    if isinstance(code, FunctionType):
        name, line = code.__code__.co_filename, code.__code__.co_firstlineno
    else:
        try:
            name, line = inspect.getfile(code), inspect.getsourcelines(code)[1]
        except (OSError, TypeError):  # it has no source
            return None
    file = in_project(name, project)
    return None if file is None else Place(file, line)
