"""One route: its file, what it exports, and its operations."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from millpond.errors import RouteModuleError
from millpond.routes.broken_route import broken_module
from millpond.routes.module import load
from millpond.routes.operation import allow, make_operation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from fastapi import APIRouter

    from millpond.policy.segment import SegmentConfig
    from millpond.routes.broken_route import Explain, Explained
    from millpond.routes.folder import Segment
    from millpond.routes.module import Load, RouteModule
    from millpond.routes.operation import Handler, Operation
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
    def warnings(self) -> tuple[str, ...]:
        return self.module.warnings


def load_route(
    file: RouteFile,
    project: Path,
    app_dir: Path,
    around: Callable[[Handler], Handler],
    load_one: Load = load,
    router: APIRouter | None = None,
) -> Route:
    """Load `file` and make its operations; `around` wraps the handling of each request, `router` gets the operations.

    Raises:
        RouteModuleError: the file can't be imported, or exports something that can't work.
    """
    module = load_one(file, project, app_dir)
    return Route(file, module, {method: make_operation(module, method, around, router) for method in module.functions})


def load_routes(
    files: Iterable[RouteFile],
    project: Path,
    app_dir: Path,
    around: Callable[[Handler], Handler],
    load_one: Load = load,
    router: APIRouter | None = None,
    explain: Explain | None = None,
) -> list[Route]:
    """All routes, in the order of `files`, with operation ids that no two operations share.

    Args:
        files: the route files.
        project: the project's folder.
        app_dir: the folder of the routes.
        around: wraps the handling of each request.
        load_one: makes a module of each file: one that knows metadata files, too, in an application.
        router: gets the operations; see `make_operation`.
        explain: makes the answer of a route whose file can't work, so that the others can be served.

    Raises:
        RouteModuleError: as `load_route` does, for all files that can't work.
    """
    routes: list[Route] = []
    failures: list[RouteModuleError] = []
    for file in files:
        try:
            routes.append(load_route(file, project, app_dir, around, load_one, router))
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
    """Give operations of the same name ("/a.b" and "/a_b") ids of their own.

    The suffix comes from the pattern, so an id doesn't change when another route comes or goes.
    """
    routes = list(routes)
    uses = Counter(operation.api_route.operation_id for route in routes for operation in route.operations.values())
    uses[None] = 0  # the application names them
    for route in routes:
        for operation in route.operations.values():
            name = operation.api_route.operation_id
            if uses[name] > 1:
                suffix = hashlib.sha256(route.pattern.encode()).hexdigest()[:6]
                operation.api_route.operation_id = operation.api_route.unique_id = f"{name}_{suffix}"
