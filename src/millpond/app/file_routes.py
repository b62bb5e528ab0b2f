"""The routes of an application's files: loaded at their first use, as they may import the module that makes it."""

from __future__ import annotations

import copy
import threading
from typing import TYPE_CHECKING

from millpond.app.deferral.unchanged_routes import Changed, UnchangedRoutes
from millpond.app.development import explain
from millpond.app.published import Published
from millpond.config import FILE_NAME
from millpond.errors import MillpondError, RouteModuleError
from millpond.policy.compat import Compat
from millpond.prerender.build_manifest import read_manifest
from millpond.prerender.plan import Plan, plan_table
from millpond.render.candidacy import ModeReason
from millpond.render.handler import wrap_handler
from millpond.routes.deferred.deferred_route import DeferredRoute
from millpond.routes.deferred.unloaded_routes import UnloadedRoutes, known_routes, refill
from millpond.routes.module import load, refuse_replaced_config
from millpond.routes.operation import Found, OperationRoute
from millpond.routes.options.folder_tree import FolderTree
from millpond.routes.options.folders import Folders
from millpond.routes.options.stray_options import refuse_in_code
from millpond.routes.route import broken_route, load_routes
from millpond.routes.scan import scan
from millpond.serve.layers.declared import Front
from millpond.serve.matching.base_path import OUTSIDE
from millpond.serve.matching.matcher import Matched, Matcher

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fastapi import APIRouter
    from starlette.types import Scope

    from millpond.cache.clean_context import CleanContext
    from millpond.config import Config
    from millpond.prerender.build_manifest import BuildManifest
    from millpond.routes.broken_route import Explain
    from millpond.routes.module import Load
    from millpond.routes.route import FileRoute
    from millpond.routes.scan import RouteFile

_UNKNOWN = ModeReason("not asked")
_FOUND = "millpond.found"
"""The key of an ASGI scope under which a match is kept: tools ask each route of a list about the same request."""


class FileRoutes:
    """Loads the route files, and puts their operations in front of a router's other routes.

    Args:
        project: the project's folder.
        app_dir: the folder of the routes; there are none if it doesn't exist.
        config: the project's configuration.
        development: whether answers aren't cached.
        router: gets the operations, and gives them its options.
        clean: the context in which the files are imported.
    """

    def __init__(
        self,
        project: Path,
        app_dir: Path,
        config: Config,
        *,
        development: bool,
        router: APIRouter,
        clean: CleanContext,
    ) -> None:
        self._project, self._app_dir, self._config, self._development = project, app_dir, config, development
        self._router, self._clean = router, clean
        self.published = Published(project, config.public_dir, development=development)
        """The files of `public/`, which come before the routes; loaded with them."""
        self._lock = threading.RLock()
        self._is_loading = False
        self._routes: list[FileRoute] | None = None
        self._deferred: list[FileRoute] | None = None
        """The routes, while the router doesn't list their operations."""
        self._manifest: BuildManifest | None = None
        """That of the build, until it is served: whoever asks for it meanwhile gets the same."""
        self._failure: Exception | None = None
        self._matcher: Matcher | None = None

    def to_serve(self) -> Sequence[FileRoute]:
        """The routes, of which those that are as the project's build has found them are loaded when they are needed.

        Raises:
            MillpondError: as `load`.
        """
        with self._lock:
            if self._is_untouched and not self._is_loading and not self._development:
                self._is_loading = True
                try:
                    self._deferred = self._clean.prepare(self._defer)
                finally:
                    self._is_loading = False
        return self.known()

    @property
    def _is_untouched(self) -> bool:
        return self._routes is None and self._deferred is None and self._failure is None

    def known(self) -> Sequence[FileRoute]:
        """The routes, whether they have been loaded or wait; loaded if there are none yet.

        Raises:
            MillpondError: as `load`.
        """
        return self._deferred or self.load()

    def load(self) -> Sequence[FileRoute]:
        """The routes; loaded by the first call.

        Raises:
            MillpondError: a route file is wrong; the next calls say so, too.
        """
        if self._routes is not None:
            return self._routes
        if self._failure is not None:  # importing the files again would repeat what they do
            raise self._failure.with_traceback(None)
        with self._lock:  # another thread may have loaded them meanwhile
            if not self._is_loading:  # a route file may look at the application's routes
                self._is_loading = True
                try:
                    self._routes = self._routes_or_load()
                except Exception as error:
                    if self._deferred is None:  # those that wait try again
                        self._failure = error
                    raise
                finally:
                    self._is_loading = False
            return () if self._routes is None else self._routes

    def _routes_or_load(self) -> list[FileRoute]:
        if self._routes is not None:
            return self._routes
        return self._clean.prepare(self._load) if self._deferred is None else self._completed(self._deferred)

    def _completed(self, routes: list[FileRoute]) -> list[FileRoute]:
        """All routes, now that somebody looks at what a router lists."""
        self._put_in_front([operation.api_route for route in routes for operation in route.operations.values()])
        return routes

    def _defer(self) -> list[FileRoute] | None:
        """The routes without those modules that a build has seen; None where it doesn't know enough of the files."""
        try:
            manifest = read_manifest(self._project) if self._app_dir.is_dir() else None
            if manifest is None:
                return None
            files = scan(self._app_dir, self._project, placeholders=self._config.compat is Compat.V16)
            self.published.load(files)
            unchanged = UnchangedRoutes(
                self._project,
                self._app_dir,
                FolderTree(self._project, self._app_dir, _without_routes(self._router), _outermost(self._config)),
                self._loader(files),
                self._clean,
                self._lock,
                self._adopt,
            )
            routes = unchanged.of(files, manifest, self._config)
            self._refuse_strays(routes)
        except (Changed, MillpondError):  # what is wrong is told by loading the files, or by whoever serves the build
            return None
        self._manifest = manifest
        self._router.routes = UnloadedRoutes(self._router.routes, self.load)
        return routes

    def _loader(self, files: Sequence[RouteFile]) -> Load:
        if all(file.metadata is None for file in files):
            return load
        from millpond.metadata.route_modules import loader  # imported late: many applications have no metadata files

        return loader(self._config.compat, development=self._development)

    def _adopt(self, route: FileRoute) -> None:
        for operation in route.operations.values():
            operation.api_route.find = self.find

    def _load(self) -> list[FileRoute]:
        config = self._config
        if not self._app_dir.is_dir():
            self.published.load(())
            return []
        files = scan(self._app_dir, self._project, placeholders=config.compat is Compat.V16)
        self.published.load(files)
        load_one = self._loader(files)
        try:
            told = explain()
            folders = FolderTree(self._project, self._app_dir, self._router, _outermost(config))
            routes = load_routes(files, self._project, self._app_dir, wrap_handler, load_one, folders, told)
            if config.cache_components and told is None:
                refuse_replaced_config([*folders.loaded, *(route.module for route in routes)])
            elif config.cache_components and told is not None:
                refuse_replaced_config(folders.loaded)
                routes = [_if_not_replaced(route, told) for route in routes]
            self._refuse_strays(routes)
        except BaseException:
            self._put_in_front([])
            raise
        for route in routes:
            self._adopt(route)
        return self._completed(routes)

    def _refuse_strays(self, routes: list[FileRoute]) -> None:
        declared = [route for route in known_routes(self._router) if not isinstance(route, OperationRoute)]
        made = [route for route in routes if not isinstance(route, DeferredRoute)]  # code may declare one of the others
        handlers = [function for route in made for function in route.module.functions.values()]
        refuse_in_code(declared, handlers, [route.file.path for route in routes], self._project)

    def _put_in_front(self, operations: list[OperationRoute]) -> None:
        """Move the operations in front of all that is declared; those that aren't given are removed."""
        others = [route for route in known_routes(self._router) if not isinstance(route, OperationRoute)]
        first = [route for route in others if isinstance(route, Front)]
        refill(self._router, [*first, *operations, *(route for route in others if route not in first)])

    def serve(self, matcher: Matcher) -> None:
        """From now on tell what a running application answers: a build may have closed routes."""
        self._matcher, self._manifest = matcher, None

    def find(self, scope: Scope) -> Found | None:
        """The operation that answers a request; None where no file route does."""
        asked = (scope["path"], scope.get("raw_path"), scope.get("root_path"), scope["method"])
        known = scope.get(_FOUND)
        if known is None or known[0] != asked:
            known = scope[_FOUND] = (asked, self._find(scope))
        found: Found | None = known[1]
        return found

    def file_answering(self, scope: Scope) -> str | None:
        """The file of the route that answers a request; None where no file route does."""
        self.known()
        matched = self._known_matcher().match({**scope, OUTSIDE: False})
        return matched.plan.route.source if isinstance(matched, Matched) else None

    def _find(self, scope: Scope) -> Found | None:
        matched = self._known_matcher().match({"headers": (), **scope})
        if not isinstance(matched, Matched):
            return None
        route, target = matched.plan.route, matched.target
        operation = route.operations.get(route.method_for(scope["method"]))
        siblings = [each.told.route for each in route.operations.values()]
        return Found(None if operation is None else operation.told.route, siblings, target.params)

    def _known_matcher(self) -> Matcher:
        if self._matcher is None:
            self._matcher = Matcher(plan_table(self._plans()), self._config, public=self.published.files)
        return self._matcher

    def _plans(self) -> list[Plan]:
        """Plans that nothing is known of but the paths of the files."""
        return [Plan(route, _UNKNOWN) for route in self._routes or self._deferred or ()]


def _if_not_replaced(route: FileRoute, told: Explain) -> FileRoute:
    try:
        refuse_replaced_config([route.module])
    except RouteModuleError as error:
        return broken_route(route.file, told(error), wrap_handler)
    return route


def _outermost(config: Config) -> Folders:
    """What the configuration says for all routes, further out than every folder."""
    return Folders(given=config.cache.route_defaults(), given_by=FILE_NAME)


def _without_routes(router: APIRouter) -> APIRouter:
    """A router with the options that this one has now: those that change later are no file's, whenever it is loaded."""
    apart = copy.copy(router)
    for name, value in vars(router).items():
        if isinstance(value, list | dict):
            setattr(apart, name, value.copy())
    apart.routes = []
    return apart
