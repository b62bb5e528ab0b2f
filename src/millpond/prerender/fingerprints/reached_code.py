"""The code that a route is made of: its modules, and all of the project's that they import, however far away."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from millpond.cache.functions.code.module_sources import code_of, project_source
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


class ProjectCode:
    """The modules of a project that are loaded, after all routes were.

    Args:
        project: its folder.
        routes: all of the application's.
    """

    def __init__(self, project: Path, routes: Sequence[Route]) -> None:
        self._project, self._routes = project, routes
        self._sources: dict[str, list[ModuleSource | None]] = {}
        self._written: dict[str, WrittenNames] = {}
        self._loaded = {name: file for name, module in list(sys.modules.items()) if (file := _file(module)) is not None}
        self._by_file = {file: name for name, file in self._loaded.items()}

    def of_route(self, route: Route) -> ReachedCode:
        """What one route is made of, besides what stands before all routes."""
        return self._reached(self._named(route))

    def before_all(self) -> ReachedCode:
        """What may shape every answer: modules that no route file has imported, and those that make the application."""
        of_routes = {name for route in self._routes if isinstance(route, FileRoute) for name in self._named(route)}
        reached, instrumentation = self._reached(of_routes).sources, str(self._project / _INSTRUMENTATION)
        return self._reached(
            name
            for name, file in self._of_project()
            if name not in of_routes
            and (name not in reached or file == instrumentation or self._makes_application(name))
        )

    def written(self, name: str) -> WrittenNames:
        """What is written in a module."""
        known = self._written.get(name)
        if known is None:
            known = self._written[name] = WrittenNames.of(code_of(name))
        return known

    def _of_project(self) -> Iterator[tuple[str, str]]:
        relative_path = below(self._project)
        for name, file in self._loaded.items():
            relative = relative_path(file)
            if relative and is_source(relative):
                yield name, file

    def _makes_application(self, name: str) -> bool:
        return not _APPLICATIONS.isdisjoint(self.written(name).names)

    def _named(self, route: Route) -> Iterator[str]:
        """The modules that say what a route does, and the packages that these are in."""
        names: list[str | None] = []
        if isinstance(route, FileRoute):
            names += [self._by_file.get(str(router.path)) for router in route.file.routers]
            names += [] if route.file.is_answer else [route.module.module.__name__]
        else:
            names += [operation.told.endpoint.__module__ for operation in route.operations.values()]
        for name in names:
            yield from () if name is None else _with_packages(name)

    def _reached(self, names: Iterable[str]) -> ReachedCode:
        found: dict[str, ModuleSource | None] = {}
        waiting, looked_at = list(names), set[str]()
        while waiting:
            name = waiting.pop()
            if name in looked_at:
                continue
            looked_at.add(name)
            for source in self._source_of(name):
                found[name] = source
                waiting.extend(source.imports if source is not None else ())
        return ReachedCode(found)

    def _source_of(self, name: str) -> list[ModuleSource | None]:
        known = self._sources.get(name)
        if known is None:
            known = self._sources[name] = project_source(name)
        return known


def _with_packages(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def _file(module: ModuleType) -> str | None:
    file = getattr(module, "__dict__", {}).get("__file__")  # a lazy module must not be woken
    return file if isinstance(file, str) else None
