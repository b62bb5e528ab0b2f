"""app/ -> route files, in the order in which they match; folders that can't be told apart are errors."""

from __future__ import annotations

import ast
import os
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from millpond.errors import RouteError
from millpond.routes.exports import lines_of
from millpond.routes.folder import ROUTER_NAME, RouterPath, Segment, SegmentKind, parse_folder
from millpond.routes.metadata_file import PLACEHOLDER, is_metadata_path, metadata_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from millpond.routes.metadata_file import MetadataFile

FILE_NAME = "route.py"
_PACKAGE = "__init__.py"

Shape = tuple[tuple[int, str], ...]
"""A pattern with the names of its parameters left out: what the paths that it matches look like."""

_REST = (SegmentKind.CATCH_ALL, SegmentKind.OPTIONAL_CATCH_ALL)
_RANKS = {SegmentKind.LITERAL: 0, SegmentKind.PARAM: 1, SegmentKind.CATCH_ALL: 2, SegmentKind.OPTIONAL_CATCH_ALL: 3}


@dataclass(frozen=True, slots=True)
class RouteFile:
    """A route file, or a metadata file, and the URLs that it answers."""

    path: Path
    """Absolute."""
    file: str
    """Relative to the project, with slashes: "app/products/[slug]/route.py"."""
    pattern: str
    """Such as "/products/[slug]"; "/" for the root. Groups and slots are not part of it (R1.4)."""
    segments: tuple[Segment, ...]
    """Those of the URL only."""
    metadata: MetadataFile | None = None
    """What it is by its name, if it isn't a route file."""
    lists_ids: bool = False
    """Whether the last segment is an id out of `generate_sitemaps` or `generate_image_metadata` (R7.5)."""
    routers: tuple[RouterPath, ...] = ()
    """The `router.py` of each folder above it that has one, outermost first; groups and slots may have one, too."""
    everywhere: tuple[Segment, ...] | None = None
    """Where `segments` have placeholders: the same with the parameters, at each value of which it answers, too."""
    packages: bool = False
    """Whether a folder above it, other than that of all routes, has an `__init__.py`."""

    @property
    def is_answer(self) -> bool:
        """Whether the file itself is what is sent: an image, robots.txt."""
        return self.metadata is not None and not self.metadata.generated

    @property
    def static_by_default(self) -> bool:
        """Metadata files are, in every version, and so are route files at their URLs (R7.11, R7.13)."""
        return self.metadata is not None or is_metadata_path(self.pattern)

    @property
    def params(self) -> tuple[Segment, ...]:
        return tuple(segment for segment in self.segments if segment.dynamic)


def scan(app_dir: Path, project: Path, *, placeholders: bool = True) -> list[RouteFile]:
    """The route files and metadata files below `app_dir`, strongest first (R1.8, K.1).

    With `placeholders`, as 16 has it, an image file below parameters has one URL, in which a "-" stands for each
    parameter (R7.4). It answers at every value in any case.

    Left out are private folders (R1.4), `__pycache__` and hidden folders, `.well-known` excepted (RFC 8615).

    Raises:
        RouteError: there is no such folder, a folder's name means nothing, or two files can't be told apart.
    """
    app_dir = app_dir.absolute()
    if not app_dir.is_dir():
        raise RouteError(f"there is no folder {app_dir}; run `millpond new NAME`, or give the folder with the routes.")
    files = [
        _route_file(found, placeholders) for found in _walk(str(app_dir), _shown(app_dir, project)) if not found.alone
    ]
    files.sort(key=lambda file: _shape(file.segments))
    _refuse_twins(files)
    _refuse_names(files)
    _refuse_overlaps(files)
    return files


def lonely_routers(app_dir: Path, project: Path) -> list[RouterPath]:
    """Each `router.py` below `app_dir` in whose folder, and below, there is no route: it says nothing to anybody."""
    app_dir = app_dir.absolute()
    found = list(_walk(str(app_dir), _shown(app_dir, project))) if app_dir.is_dir() else []
    heard = {router for each in found if not each.alone for router in each.routers}
    return [each.routers[-1] for each in found if each.alone and each.routers[-1] not in heard]


def _shown(app_dir: Path, project: Path) -> str:
    """What messages call the folder of the routes."""
    project = project.absolute()
    return app_dir.relative_to(project if app_dir.is_relative_to(project) else app_dir.parent).as_posix()


class _FoundFile(NamedTuple):
    path: str
    """Absolute."""
    folders: tuple[str, ...]
    """Those that lead to it."""
    file: str
    """Relative to the project."""
    routers: tuple[RouterPath, ...]
    """Of the folders above, and its own."""
    alone: bool
    """Whether it is a `router.py` itself."""
    packages: bool
    """As `RouteFile.packages`."""


def _walk(
    folder: str,
    shown: str,
    folders: tuple[str, ...] = (),
    real: str = "",
    above: frozenset[str] = frozenset(),
    routers: tuple[RouterPath, ...] = (),
    packages: bool = False,
) -> Iterator[_FoundFile]:
    """The files below `folder`, which messages call `shown`; it really lies at `real`, in those `above`."""
    real = real or os.path.realpath(folder)
    if real in above:  # a symbolic link to a folder that it lies in
        return
    try:
        with os.scandir(folder) as listing:
            children = sorted(listing, key=attrgetter("name"))
    except OSError as error:
        raise RouteError(f"{folder} can't be read: {error.strerror}; mend its permissions or move it.") from None
    names = {child.name: child for child in children}
    if ROUTER_NAME in names and names[ROUTER_NAME].is_file():
        path = f"{folder}/{ROUTER_NAME}"
        routers = (*routers, RouterPath(Path(path), f"{shown}/{ROUTER_NAME}"))
        yield _FoundFile(path, folders, routers[-1].file, routers, True, packages)
    packages = packages or (bool(above) and _PACKAGE in names)
    above_them = above | {real}
    for name, child in names.items():
        file = f"{shown}/{name}"
        wanted = name == FILE_NAME or metadata_file(name, at_root=not above) is not None
        if wanted and child.is_file():
            yield _FoundFile(f"{folder}/{name}", folders, file, routers, False, packages)
        elif child.is_dir() and not is_hidden(name):
            child_real = "" if child.is_symlink() else f"{real}/{name}"
            yield from _walk(f"{folder}/{name}", file, (*folders, name), child_real, above_them, routers, packages)


def is_hidden(folder: str) -> bool:
    """Whether routes in a folder of this name are left out."""
    return folder.startswith("_") or (folder.startswith(".") and folder != ".well-known")


def _route_file(found: _FoundFile, placeholders: bool) -> RouteFile:
    path, folders, file, routers, _, packages = found
    segments = tuple(segment for segment in (parse_folder(name, file) for name in folders) if segment.visible)
    metadata = metadata_file(path.rpartition("/")[2], at_root=not folders)
    lists_ids = metadata is not None and _lists_ids(path, metadata)
    everywhere: tuple[Segment, ...] | None = None
    if metadata is not None:
        last = metadata.segments(folders, lists_ids=lists_ids)
        if placeholders and metadata.image and not metadata.generated and any(each.dynamic for each in segments):
            if not any(each.kind in _REST for each in segments):  # what follows these has no path of its own
                everywhere = (*segments, *last)
            segments = tuple(_placeholder(segment) if segment.dynamic else segment for segment in segments)
        segments = (*segments, *last)
    _check_path(everywhere or segments, file)
    pattern = "/" + "/".join(segment.pattern for segment in segments)
    return RouteFile(Path(path), file, pattern, segments, metadata, lists_ids, routers, everywhere, packages)


def _placeholder(segment: Segment) -> Segment:
    return Segment(SegmentKind.LITERAL, PLACEHOLDER, segment.folder)


def _lists_ids(path: str, metadata: MetadataFile) -> bool:
    """Whether the file defines the function that lists ids: its URL depends on it, before anything is imported."""
    if not metadata.generated or metadata.kind.listing is None:
        return False
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError):  # whoever loads the file says what is wrong with it
        return False
    return metadata.kind.listing in lines_of(tree, {metadata.kind.listing})


def _check_path(segments: Sequence[Segment], file: str) -> None:
    """What can be wrong with one path by itself (R1.13, R1.14)."""
    seen: dict[str, Segment] = {}
    for segment in segments:
        if not segment.dynamic:
            continue
        other = seen.setdefault(segment.parameter, segment)
        if other is not segment:
            both = f"{other.folder} and {segment.folder}"
            raise RouteError(
                f'{file}: {both} would both fill the parameter "{segment.parameter}"; rename one of the folders.'
            )
    for segment in segments[:-1]:
        if segment.kind in _REST:
            raise RouteError(
                f"{file}: {segment.folder} takes the rest of the path, so nothing can follow it; "
                "make it the last folder, or write [name] for one segment."
            )


def _shape(segments: Sequence[Segment]) -> Shape:
    return tuple((_RANKS[segment.kind], "" if segment.dynamic else segment.name) for segment in segments)


def _refuse_twins(files: Sequence[RouteFile]) -> None:
    """Two files for one URL (R1.18)."""
    seen: dict[tuple[Segment, ...], RouteFile] = {}
    for file in files:
        key = tuple(Segment(segment.kind, segment.name, "") for segment in file.segments)
        other = seen.setdefault(key, file)
        if other is not file:
            raise RouteError(f"{other.file} and {file.file} both answer {file.pattern}; remove or rename one of them.")


def _refuse_names(files: Sequence[RouteFile]) -> None:
    """Two names, or two kinds of catch-all, at one position (R1.12, R1.15)."""
    seen: dict[tuple[Shape, bool], tuple[Segment, RouteFile]] = {}
    for file in files:
        for depth, segment in enumerate(file.segments):
            if not segment.dynamic:
                continue
            key = (_shape(file.segments[:depth]), segment.kind is SegmentKind.PARAM)
            other, other_file = seen.setdefault(key, (segment, file))
            if (other.kind, other.name) != (segment.kind, segment.name):
                raise RouteError(
                    f"{other_file.file} and {file.file}: {other.folder} and {segment.folder} stand at the same "
                    "position of the URL; give both folders the same name."
                )


def _refuse_overlaps(files: Sequence[RouteFile]) -> None:
    """An optional catch-all beside the route that its empty form is (R1.16)."""
    by_shape = {_shape(file.segments): file for file in files}
    for file in files:
        if file.segments and file.segments[-1].kind is SegmentKind.OPTIONAL_CATCH_ALL:
            other = by_shape.get(_shape(file.segments[:-1]))
            if other is not None:
                raise RouteError(
                    f"{other.file} and {file.file} both answer {other.pattern}; remove the first, or write "
                    f"[...{file.segments[-1].name}], which needs at least one segment."
                )
