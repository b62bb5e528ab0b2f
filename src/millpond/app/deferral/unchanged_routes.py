"""The routes of files that are still what a build was made of: what was built tells what a start has to know."""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING

from millpond.prerender.sources.built_sources import config_digest, edited_sources
from millpond.render.handler import wrap_handler
from millpond.routes.deferred.deferred_route import DeferredRoute, KnownRoute
from millpond.routes.deferred.start_record import made_with
from millpond.routes.imports import package_of
from millpond.routes.module import load, read
from millpond.routes.options.guards import identity_of
from millpond.routes.route import load_route

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from millpond.cache.clean_context import CleanContext
    from millpond.config import Config
    from millpond.prerender.build_manifest import BuildManifest, RouteRecord
    from millpond.routes.deferred.start_record import StartRecord
    from millpond.routes.known_imports import ImportedNames, KnownImports
    from millpond.routes.module import Load
    from millpond.routes.options.folder_tree import FolderTree
    from millpond.routes.route import FileRoute
    from millpond.routes.scan import RouteFile


class Changed(Exception):
    """Something isn't as it was built, or that isn't certain: all route files are to be loaded."""


class UnchangedRoutes:
    """Makes routes of files, without executing those that do nothing by that.

    Args:
        project: the project's folder.
        app_dir: the folder of the routes.
        folders: the folders above the files, with a router that has the options of the application's.
        load_one: makes a module of a file.
        clean: the context in which files are executed.
        lock: held while one is.
        adopt: called with a route whose operations exist from now on.
    """

    def __init__(
        self,
        project: Path,
        app_dir: Path,
        folders: FolderTree,
        load_one: Load,
        clean: CleanContext,
        lock: AbstractContextManager[object],
        adopt: Callable[[FileRoute], None],
    ) -> None:
        self._project, self._app_dir, self._folders = project, app_dir, folders
        self._load_one, self._clean, self._lock, self._adopt = load_one, clean, lock, adopt
        self._imported: dict[tuple[str, ImportedNames], tuple[object, ...]] = {}
        """The values of names, by the package of the file, where that matters, and its statement."""
        self._inherited: dict[int, list[str]] = {}
        """By the identity of a router: the functions of its dependencies."""

    def of(self, files: Sequence[RouteFile], manifest: BuildManifest, config: Config) -> list[FileRoute]:
        """The routes of `files`, in their order.

        Raises:
            Changed: a file, something that it uses, the configuration or a package was changed after the build.
            MillpondError: a file can't be loaded.
        """
        if manifest.made_with != made_with() or manifest.compat != config.compat:
            raise Changed
        if manifest.config != config_digest(config) or edited_sources(self._project, manifest, config):
            raise Changed
        records = {record.origin: record for record in manifest.routes if record.origin == record.file}
        if files:
            package_of(self._app_dir, self._app_dir, self._project)
        return [self._route(file, records.get(file.file)) for file in files]

    def _route(self, file: RouteFile, record: RouteRecord | None) -> FileRoute:
        if record is None or record.start is None:
            raise Changed
        if record.start.imports is None or file.metadata is not None:
            return self._executed(file, record, record.start)
        return self._deferred(file, record, record.start)

    def _executed(self, file: RouteFile, record: RouteRecord, start: StartRecord) -> FileRoute:
        route = load_route(file, self._project, self._app_dir, wrap_handler, self._load_one, self._folders)
        if route.digest != record.digest:
            raise Changed
        return self._named(route, start)

    def _deferred(self, file: RouteFile, record: RouteRecord, start: StartRecord) -> FileRoute:
        above, router = self._folders.above(file)
        source = read(file)
        if above.digest(hashlib.sha256(source).hexdigest()) != start.source:
            raise Changed
        inherited = self._inherited.get(id(router))
        if inherited is None:
            inherited = [identity_of(each.dependency) for each in router.dependencies]
            self._inherited[id(router)] = inherited
        if inherited != start.inherited_guards:
            raise Changed
        imported = self._import_for(file, start)
        known = KnownRoute(tuple(start.operations), start.cache_query, record.digest, record.variation)
        return DeferredRoute(file, known, functools.partial(self._load, file, start, source, imported), self._lock)

    def _import_for(self, file: RouteFile, start: StartRecord) -> KnownImports:
        """Import what a file imports, as that may do more than to define names; the values of the names, as of now."""
        package = ""
        if file.packages or any(level for _, level, _ in start.imports or ()):
            package = package_of(file.path.parent, self._app_dir, self._project)
        found: dict[ImportedNames, tuple[object, ...]] = {}
        for module, level, names in start.imports or ():
            statement = module, level, tuple(names)
            values = self._imported_by(package if level else "", statement)
            if names:
                found[statement] = values
        return found

    def _imported_by(self, package: str, statement: ImportedNames) -> tuple[object, ...]:
        values = self._imported.get((package, statement))
        if values is None:
            module, level, names = statement
            try:
                found = __import__(module, {"__package__": package, "__name__": package}, None, names, level)
                values = tuple(getattr(found, name) for name in names)
            except (Exception, SystemExit) as error:  # who loads the file says what is wrong
                raise Changed from error
            self._imported[package, statement] = values
        return values

    def _load(self, file: RouteFile, start: StartRecord, source: bytes, imported: KnownImports) -> FileRoute:
        # An edit since the start counts after the next one; and so does what has changed in other modules.
        load_it = functools.partial(load, source=source, known_imports=imported)

        def made() -> FileRoute:
            return load_route(file, self._project, self._app_dir, wrap_handler, load_it, self._folders)

        return self._named(self._clean.prepare(made), start)

    def _named(self, route: FileRoute, start: StartRecord) -> FileRoute:
        """The route, with the operation ids that tell its operations from those of all others."""
        for method, operation in route.operations.items():
            api_route, known = operation.api_route, start.operations.get(method)
            if known is not None and known != api_route.operation_id:
                api_route.operation_id = api_route.unique_id = known
        self._adopt(route)
        return route
