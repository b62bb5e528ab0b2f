"""One route: its file, what it exports, and its operations."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from millpond.errors import RouteModuleError
from millpond.policy.segment import SegmentConfig
from millpond.routes.broken_route import broken_module
from millpond.routes.module import below, load
from millpond.routes.operation import allow, make_operation
from millpond.routes.options.folder_tree import FolderTree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from millpond.routes.broken_route import Explain, Explained
    from millpond.routes.folder import Segment
    from millpond.routes.module import Load, RouteModule
    from millpond.routes.operation import Handler, Operation
    from millpond.routes.options.guards import Guard
    from millpond.routes.scan import RouteFile


@dataclass(frozen=True, slots=True)
class Route:
    """One URL pattern and the methods that answer it."""

    file: RouteFile
    module: RouteModule
    operations: Mapping[str, Operation]
    """By method; only those that the file defines (HEAD and OPTIONS may be answered without)."""

    @property
    def pattern(self) -> str:
        return self.file.pattern

    @property
    def config(self) -> SegmentConfig:
        return self.module.config

    @property
    def params(self) -> tuple[Segment, ...]:
        return self.file.params

    @property
    def allow(self) -> str:
        """The value of `Allow`, for the automatic OPTIONS and for 405 (R1.23, D2)."""
        return allow(self.operations)

    def method_for(self, method: str) -> str:
        """The method whose operation answers: HEAD falls to GET where the file has no HEAD of its own (R1.22)."""
        return "GET" if method == "HEAD" and "HEAD" not in self.operations else method

    @property
    def guard(self) -> Guard | None:
        """The first dependency before GET that a folder or its `@operation` lists."""
        get = self.operations.get("GET")
        return get.guards[0] if get is not None and get.guards else None

    @property
    def warnings(self) -> tuple[str, ...]:
        return self.module.warnings


def load_route(
    file: RouteFile,
    project: Path,
    app_dir: Path,
    around: Callable[[Handler], Handler],
    load_one: Load = load,
    folders: FolderTree | None = None,
) -> Route:
    """Load `file` and make its operations; `around` wraps the handling of each request, `folders` are those above.

    Raises:
        RouteModuleError: the file, or a `router.py` above it, can't be imported, or says something that can't work.
    """
    above, router = (folders or FolderTree(project, app_dir)).above(file)
    module = below(load_one(file, project, app_dir), above)
    if file.is_answer and router.dependencies:  # they are to see the visitor's request, or end the render
        module = dataclasses.replace(module, config=SegmentConfig())
    return Route(file, module, {method: make_operation(module, method, around, router) for method in module.functions})


def load_routes(
    files: Iterable[RouteFile],
    project: Path,
    app_dir: Path,
    around: Callable[[Handler], Handler],
    load_one: Load = load,
    folders: FolderTree | None = None,
    explain: Explain | None = None,
) -> list[Route]:
    """All routes, in the order of `files`, with operation ids that no two operations share.

    Args:
        files: the route files.
        project: the project's folder.
        app_dir: the folder of the routes.
        around: wraps the handling of each request.
        load_one: makes a module of each file: one that knows metadata files, too, in an application.
        folders: the folders above, with the router of the application, whose options the operations get.
        explain: makes the answer of a route whose file can't work, so that the others can be served.

    Raises:
        RouteModuleError: as `load_route` does, for all files that can't work; or two operations say that they have one
            id.
    """
    folders = folders or FolderTree(project, app_dir)
    routes: list[Route] = []
    failures: list[RouteModuleError] = []
    for file in files:
        try:
            routes.append(load_route(file, project, app_dir, around, load_one, folders))
        except RouteModuleError as error:
            failures.append(error)
            if explain is not None:
                routes.append(broken_route(file, explain(error), around))
    if failures and explain is None:
        _refuse(failures)
    tell_apart(routes)
    return routes


def broken_route(file: RouteFile, explained: Explained, around: Callable[[Handler], Handler]) -> Route:
    """The route of a file that can't work, answered by `explained`."""
    module = broken_module(file, explained)
    return Route(file, module, {method: make_operation(module, method, around) for method in module.functions})


def _refuse(failures: Sequence[RouteModuleError]) -> NoReturn:
    """Raise all at once; what several files import and is wrong is told once."""
    if len(failures) == 1:
        raise failures[0]
    raise RouteModuleError("\n".join(dict.fromkeys(map(str, failures)))) from failures[0].__cause__


def tell_apart(routes: Iterable[Route]) -> None:
    """Give operations of the same name ("/a.b" and "/a_b") ids of their own; those of @operation stay as they are.

    The suffix comes from the pattern, so an id doesn't change when another route comes or goes.

    Raises:
        RouteModuleError: two operations say that they have one id.
    """
    operations = [(route, operation) for route in routes for operation in route.operations.values()]
    said: dict[str, Operation] = {}
    for _, operation in operations:
        own = operation.own_id
        if own is not None and said.setdefault(own, operation) is not operation:
            raise RouteModuleError(
                f'{operation.place}: the operation_id "{own}" is that of {said[own].place}, too; '
                "API clients need one for each operation: change one of them."
            )
    uses = Counter(operation.api_route.operation_id for _, operation in operations)
    uses[None] = 0  # the application names them
    for route, operation in operations:
        name = operation.api_route.operation_id
        if uses[name] > 1 and operation.own_id is None:
            suffix = hashlib.sha256(route.pattern.encode()).hexdigest()[:6]
            operation.api_route.operation_id = operation.api_route.unique_id = f"{name}_{suffix}"
