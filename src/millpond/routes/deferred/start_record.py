"""What a start has to know of a route file, so that it needn't execute it: found out by the build."""

from __future__ import annotations

import ast
import sys
from typing import TYPE_CHECKING

import fastapi
import msgspec
import pydantic
import starlette

from millpond.routes.deferred.inert_source import inert_imports
from millpond.routes.imports import source_of
from millpond.routes.options.operation_options import marked_of
from millpond.routes.route import FileRoute

if TYPE_CHECKING:
    from millpond.routes.route_contract import Route


class StartRecord(msgspec.Struct, frozen=True):
    """What is the same for the same source."""

    source: str
    """SHA-256 of the file, and of each `router.py` above it."""
    operations: dict[str, str | None]
    """By method: the ids of the operations."""
    cache_query: list[str] = []
    inherited_guards: list[str] = []
    """The functions of the dependencies that the application and the folders list, in front of the file's own."""
    imports: list[tuple[str, int, list[str]]] | None = None
    """What it imports: modules, the dots in front of each, and names; None: it has to be executed at the start."""


def start_record(route: Route) -> StartRecord | None:
    """What a start has to know of a route; None of one that isn't of a file."""
    if not isinstance(route, FileRoute):
        return None
    source = source_of(route.module.module) if route.file.metadata is None else None
    imports = None if source is None else inert_imports(ast.parse(source))
    return StartRecord(
        source=route.module.digest,
        operations={method: each.api_route.operation_id for method, each in route.operations.items()},
        cache_query=list(route.cache_query),
        inherited_guards=_inherited(route),
        imports=None if imports is None else [(each.module, each.level, list(each.names)) for each in imports],
    )


def _inherited(route: FileRoute) -> list[str]:
    method, operation = next(iter(route.operations.items()), ("", None))
    if operation is None:
        return []
    marked = marked_of(route.module.functions[method])
    own = len((marked.options.get("dependencies") if marked is not None else None) or ())
    return [guard.function for guard in operation.guards[: len(operation.guards) - own]]


def made_with() -> str:
    """What else decides what becomes of a file: Python, and the packages that make operations of functions."""
    packages = f"fastapi {fastapi.__version__}, starlette {starlette.__version__}, pydantic {pydantic.VERSION}"
    return f"{sys.implementation.cache_tag}, {packages}"
