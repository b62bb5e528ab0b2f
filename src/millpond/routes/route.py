"""One route: its file, what it exports, and its operations."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from millpond.routes.module import load
from millpond.routes.operation import allow, make_operation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from fastapi import APIRouter

    from millpond.policy.segment import SegmentConfig
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
) -> list[Route]:
    """All routes, in the order of `files`, with operation ids that no two operations share.

    Args:
        files: the route files.
        project: the project's folder.
        app_dir: the folder of the routes.
        around: wraps the handling of each request.
        load_one: makes a module of each file: one that knows metadata files, too, in an application.
        router: gets the operations; see `make_operation`.

    Raises:
        RouteModuleError: as `load_route` does, for the first file that can't work.
    """
    routes = [load_route(file, project, app_dir, around, load_one, router) for file in files]
    tell_apart(routes)
    return routes


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
