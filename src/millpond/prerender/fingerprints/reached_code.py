"""The code that a route is made of: its modules, and all of the project's that they import, however far away."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from millpond.cache.functions.code.module_sources import code_of, reached_sources
from millpond.config.project.project_folders import below
from millpond.prerender.fingerprints.written_names import WrittenNames
from millpond.prerender.sources.built_sources import is_source
from millpond.routes.route import FileRoute

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import ModuleType

    from millpond.cache.functions.code.module_sources import ModuleSource
    from millpond.routes.route_contract import Route

_APPLICATIONS = {"FastAPI", "Millpond"}
_INSTRUMENTATION = "instrumentation.py"


@dataclass(frozen=True, slots=True)
class ReachedCode:
    """Some modules of the project."""

    sources: Mapping[str, ModuleSource | None]
    """By their names; None: what it says isn't known."""

    @property
    def is_known(self) -> bool:
        return None not in self.sources.values()

    @property
    def contents(self) -> list[tuple[str, bytes]]:
        """What they do, sorted by their names."""
        return [(name, source.content) for name, source in sorted(self.sources.items()) if source is not None]

    @property
    def packages(self) -> set[str]:
        """The outermost packages that they import, but for the project's own."""
        sources = (source for source in self.sources.values() if source is not None)
        imported = {name.partition(".")[0] for source in sources for name in source.imports}
        return imported - {name.partition(".")[0] for name in self.sources}


@dataclass(slots=True)
class ProjectCode:
    """The modules of a project that are loaded, after all routes were.

    Args:
        project: its folder.
        routes: all of the application's.
    """

    project: Path
    routes: Sequence[Route]
    _written: dict[str, WrittenNames] = field(default_factory=dict)

    def of_route(self, route: Route) -> ReachedCode:
        """What one route is made of, besides what stands before all routes."""
        return _reached(self._modules_of(route))

    def before_all(self) -> ReachedCode:
        """What may shape every answer: modules that no route file has imported, and those that make the application."""
        of_routes = [module for route in self.routes if isinstance(route, FileRoute) for module in _of_file(route)]
        reached = _reached(of_routes).sources
        chosen = [
            module
            for name, module in self._loaded()
            if name not in reached or self._makes_application(name) or _is_instrumentation(module, self.project)
        ]
        return _reached(module for module in chosen if module not in of_routes)

    def written(self, code: ReachedCode) -> Iterator[WrittenNames]:
        """What is written in modules."""
        for name in code.sources:
            if name not in self._written:
                self._written[name] = WrittenNames.of(code_of(name))
            yield self._written[name]

    def _loaded(self) -> Iterator[tuple[str, ModuleType]]:
        relative_path = below(self.project)
        for name, module in list(sys.modules.items()):
            file = _file(module)
            relative = None if file is None else relative_path(file)
            if relative and is_source(relative):
                yield name, module

    def _makes_application(self, name: str) -> bool:
        return any(not _APPLICATIONS.isdisjoint(each.names) for each in self.written(ReachedCode({name: None})))

    def _modules_of(self, route: Route) -> Iterator[ModuleType]:
        if isinstance(route, FileRoute):
            yield from _of_file(route)
            return
        for operation in route.operations.values():
            module = sys.modules.get(operation.told.endpoint.__module__)
            if module is not None:
                yield from _with_packages(module)


def _of_file(route: FileRoute) -> Iterator[ModuleType]:
    """The modules of a route file, of the router files above it, and of the packages that these are in."""
    if not route.file.is_answer:
        yield from _with_packages(route.module.module)
    above = {str(router.path) for router in route.file.routers}
    if above:
        for module in list(sys.modules.values()):
            if _file(module) in above:
                yield from _with_packages(module)


def _with_packages(module: ModuleType) -> Iterator[ModuleType]:
    names = module.__name__.split(".")
    for length in range(1, len(names) + 1):
        found = sys.modules.get(".".join(names[:length]))
        if found is not None:
            yield found


def _reached(modules: Iterable[ModuleType]) -> ReachedCode:
    sources: dict[str, ModuleSource | None] = {}
    for module in modules:
        if module.__name__ not in sources and _file(module) is not None:
            sources |= reached_sources(module)
    return ReachedCode(sources)


def _file(module: ModuleType) -> str | None:
    file = getattr(module, "__dict__", {}).get("__file__")  # a lazy module must not be woken
    return file if isinstance(file, str) else None


def _is_instrumentation(module: ModuleType, project: Path) -> bool:
    return _file(module) == str(project / _INSTRUMENTATION)
