"""The endpoints of an application that have `@static`: found among the routes of its router, and of included ones."""

from __future__ import annotations

import hashlib
import inspect
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi.routing import APIRoute
from starlette.routing import Mount

from millpond.errors import Place, RouteError
from millpond.internals.fastapi_inclusion import EffectiveRoute, any_route, effective_routes, is_possible
from millpond.policy.segment import FORBIDDEN_WITH_CACHE_COMPONENTS
from millpond.render.handler import wrap_handler
from millpond.render.user_code import in_project
from millpond.routes.deferred.unloaded_routes import known_routes
from millpond.routes.endpoints.endpoint_operation import EndpointOperation
from millpond.routes.endpoints.endpoint_route import EndpointRoute
from millpond.routes.endpoints.reach import Reach, sample_of
from millpond.routes.endpoints.static import code_of, is_marked, is_static, is_used, mark_of
from millpond.serve.layers.declared import is_of_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import APIRouter
    from starlette.routing import BaseRoute

    from millpond.app.file_routes import FileRoutes
    from millpond.config import Config
    from millpond.routes.endpoints.static import StaticMark
    from millpond.routes.route import FileRoute
    from millpond.routes.route_contract import Route


class Endpoints:
    """Finds them, and makes a route of each: the same one for the same inclusion, however often it is asked.

    Args:
        project: the project's folder.
        router: the application's.
        files: its file routes, which come first.
        config: its configuration.
    """

    def __init__(self, project: Path, router: APIRouter, files: FileRoutes, config: Config) -> None:
        self._project, self._router, self._config = project, router, config
        self._made: dict[int, list[EndpointRoute]] = {}
        """By the identity of FastAPI's route, which each of them keeps: one for each inclusion of it."""
        self._origins: set[str] = set()
        self._digests: dict[str, str] = {}
        self._reach = Reach(self._declared, files.file_answering, lambda route: str(self._place_of(_defined(route))))

    def load(self) -> Sequence[EndpointRoute]:
        """All that there are now, in FastAPI's order.

        Raises:
            RouteError: `@static` is on an endpoint that has no GET.
        """
        if not is_used() or not is_possible() or not any_route(self._declared(), is_marked):
            return ()
        found = list(effective_routes(self._declared()))
        self._refuse_without_get(found)
        made = [self.of(route) for route in found]
        return [route for route in made if route is not None]

    def behind(self, files: Sequence[FileRoute]) -> Sequence[Route]:
        """The routes of files, and behind them those of endpoints. Raises RouteError: as `load`."""
        return [*files, *self.load()]

    def of(self, route: EffectiveRoute) -> EndpointRoute | None:
        """The route of an endpoint; None: it has no `@static`."""
        if not is_static(route.original):
            return None
        made = self._made.setdefault(id(route.original), [])
        known = next((each for each in made if each.route.answers_like(route)), None)
        if known is None:
            mark = mark_of(route.endpoint)
            if mark is None:
                return None
            known = self._make(route, mark)
            made.append(known)
        return known

    def shadowed(self) -> list[str]:
        """A sentence for each route that is declared in code, and whose paths a route file answers."""
        sentences = []
        for route in effective_routes(self._declared()):
            if isinstance(route.original, APIRoute) and not is_static(route.original):
                sample = sample_of(route)
                answering = None if sample is None else self._reach.file_instead(sample)
                if answering is not None:
                    place, methods = self._place_of(route.endpoint), ", ".join(sorted(route.methods))
                    sentences.append(
                        f"{place}: {methods} {route.path} is never reached: {answering} answers its paths, whatever "
                        "the method; remove one of them."
                    )
        return sentences

    def _declared(self) -> list[BaseRoute]:
        return [route for route in known_routes(self._router) if not is_of_file(route)]

    def _make(self, route: EffectiveRoute, mark: StaticMark) -> EndpointRoute:
        said, given = mark.config, self._config.cache.route_defaults()
        config = replace(said, **{name: value for name, value in given.items() if not mark.says(name)})
        operation = EndpointOperation(route, wrap_handler, self._place_of, needs_guards=config.needs_guards)
        source = operation.place.file
        name = getattr(inspect.unwrap(route.endpoint), "__qualname__", None) or type(route.endpoint).__qualname__
        made = EndpointRoute(
            route,
            mark,
            operation,
            origin=self._new_origin(f"{source}:{name} {route.path}"),
            source=source,
            mark_place=Place(self._shown(mark.file), mark.line),
            digest=self._digest(route.endpoint),
            reach=self._reach,
            config=config,
        )
        if self._config.cache_components:
            self._refuse_replaced(made)
        return made

    def _new_origin(self, origin: str) -> str:
        """An origin that no other endpoint has: two closures may have one name and one path, on different hosts."""
        number, unique = 1, origin
        while unique in self._origins:
            number += 1
            unique = f"{origin} #{number}"
        self._origins.add(unique)
        return unique

    def _refuse_without_get(self, found: Sequence[EffectiveRoute]) -> None:
        """Raises RouteError: an endpoint has `@static`, and none of its routes has GET."""
        cached = {id(mark_of(route.endpoint)) for route in found if is_static(route.original)}
        for route in found:
            mark = mark_of(route.endpoint)
            if mark is not None and id(mark) not in cached:
                methods = ", ".join(sorted(route.methods))
                what = f"{methods} {route.path}" if methods else route.path
                raise RouteError(
                    f"{Place(self._shown(mark.file), mark.line)}: {mark.written} is for a GET that FastAPI's "
                    f"decorators declare, and {what} is none; leave @static out, or use @app.get(...)."
                )

    def _refuse_replaced(self, route: EndpointRoute) -> None:
        """Raises RouteError: an option has no place with Cache Components (R2.5)."""
        for name, remedy in FORBIDDEN_WITH_CACHE_COMPONENTS.items():
            if getattr(route.config, name) is not None:
                raise RouteError(
                    f"{route.place('dynamic')}: @static: {name} can't be used with cache_components = true; {remedy}."
                )

    def _digest(self, endpoint: object) -> str:
        """SHA-256 of its file, in hex; empty where there is none, as in a notebook."""
        code = code_of(endpoint)
        file = "" if code is None else code.co_filename
        if file not in self._digests:
            try:
                self._digests[file] = hashlib.sha256(Path(file).read_bytes()).hexdigest()
            except OSError:
                self._digests[file] = ""
        return self._digests[file]

    def _place_of(self, function: object) -> Place:
        code = code_of(function)
        if code is None:
            return Place(getattr(function, "__module__", None) or type(function).__module__)
        return Place(self._shown(code.co_filename), code.co_firstlineno)

    def _shown(self, file: str) -> str:
        """A file for messages and keys: within the project; elsewhere its package and name, as on every machine."""
        return in_project(file, self._project) or "/".join(Path(file).parts[-2:])


def _defined(route: EffectiveRoute) -> Any:
    return type(route.original.app) if isinstance(route.original, Mount) else route.endpoint
