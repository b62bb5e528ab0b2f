"""The metadata files of an application, and which of them concern a path."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from millpond.routes.folder import SegmentKind, parse_folder
from millpond.routes.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from millpond.config import Config
    from millpond.routes.folder import Segment
    from millpond.routes.metadata_file import MetadataKind
    from millpond.routes.route import FileRoute
    from millpond.routes.scan import RouteFile
    from millpond.routes.static_params import Params


@dataclass(frozen=True, slots=True)
class FileForPath:
    """A metadata file that concerns a path, with the parameters that the path gives its folders."""

    kind: MetadataKind
    route: FileRoute
    params: Params


class MetadataInventory:
    """The metadata files of one application."""

    def __init__(self, routes: Sequence[FileRoute], project: Path, config: Config) -> None:
        self.project, self.config, self._routes = project, config, routes

    @cached_property
    def _pages(self) -> Table[FileRoute]:
        """Made for the first question: few applications ask, and a start shouldn't wait for it."""
        return Table((route.file.segments, route) for route in self._routes if route.file.metadata is None)

    @cached_property
    def _files(self) -> Mapping[MetadataKind, list[FileRoute]]:
        found: dict[MetadataKind, list[FileRoute]] = {}
        for route in sorted(self._routes, key=lambda route: route.file.file):
            if route.file.metadata is not None:
                found.setdefault(route.file.metadata.kind, []).append(route)
        return found

    def of(self, kind: MetadataKind, path: Sequence[str]) -> list[FileForPath]:
        """The files of a kind for a path: those of the nearest folder above it, in the order of their names (R7.1).

        Where a route answers the path its folders count, groups and slots included; other paths belong to a group's
        folder as if the group weren't there.
        """
        page = next(iter(self._pages.match(path)), None)
        home = None if page is None else _folders(page.route.file)
        nearest: list[FileForPath] = []
        depth = -1
        for route in self._files.get(kind, ()):
            folders = _folders(route.file)
            params = _params(folders, path)
            if params is None or (home is not None and home[: len(folders)] != folders) or len(folders) < depth:
                continue
            if len(folders) > depth:
                nearest, depth = [], len(folders)
            nearest.append(FileForPath(kind, route, params))
        return nearest


def _folders(file: RouteFile) -> tuple[str, ...]:
    """The folders below app/, as they are written."""
    return tuple(file.file.split("/")[1:-1])


def _params(folders: Sequence[str], path: Sequence[str]) -> Params | None:
    """What `path` gives the parameters of `folders`; None when it isn't below them."""
    params: Params = {}
    left = list(path)
    for segment in _visible(folders):
        if not left and segment.kind is not SegmentKind.OPTIONAL_CATCH_ALL:
            return None
        if segment.kind in (SegmentKind.CATCH_ALL, SegmentKind.OPTIONAL_CATCH_ALL):
            params[segment.parameter], left = left, []
        elif segment.kind is SegmentKind.PARAM:
            params[segment.parameter] = left.pop(0)
        elif left.pop(0) != segment.name:
            return None
    return params


def _visible(folders: Sequence[str]) -> Iterator[Segment]:
    for name in folders:
        segment = parse_folder(name, name)
        if segment.visible:
            yield segment
