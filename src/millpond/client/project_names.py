"""The names of a project's routes, from its files and its build, without loading the application."""

from __future__ import annotations

import re
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

import msgspec

from millpond.config.project.build_output import MANIFEST, OUTPUT
from millpond.policy.key import folders_of
from millpond.routes.naming.route_names import NamedRoute, RouteNames
from millpond.routes.scan import scan

if TYPE_CHECKING:
    from pathlib import Path

    from millpond.config import Config


class _BuiltRoute(msgspec.Struct):
    """What tells a route of a file from an endpoint with `@static`."""

    pattern: str
    origin: str
    file: str


class _BuiltRoutes(msgspec.Struct):
    """A build's manifest, as far as it names routes."""

    millpond: str
    routes: list[_BuiltRoute]


def project_names(project: Path, app_dir: Path, config: Config) -> tuple[RouteNames | None, str]:
    """The names of the routes of the project's files, and of the endpoints in its build; and what a warning lacks.

    Args:
        project: its folder.
        app_dir: the folder of its route files. If it isn't there, no names are known.
        config: its configuration.

    Raises:
        RouteError: the files don't make a set of routes.
    """
    if not app_dir.is_dir():
        return None, ""
    files, declared = scan(app_dir, project), _declared(project)
    names = RouteNames(
        lambda: [
            *(NamedRoute((file.pattern,), folders_of(file.file), file.segments) for file in files),
            *(NamedRoute((pattern,), pattern, None, partial(_fits, pattern)) for pattern in declared or ()),
        ],
        config.base_path,
    )
    return names, "" if declared is not None else " (no build tells which endpoints have @static)"


def _declared(project: Path) -> list[str] | None:
    """The patterns of endpoints with `@static` in the project's build; None where no build tells."""
    try:
        built = msgspec.json.decode((project / OUTPUT / MANIFEST).read_bytes(), type=_BuiltRoutes)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    if built.millpond != version("millpond"):
        return None
    return [each.pattern for each in built.routes if each.origin != each.file]


def _fits(pattern: str, path: str) -> bool:
    """Whether a decoded path is one of a pattern's, as far as a pattern without convertors can tell."""
    parts = re.split(r"\[(?:\.\.\.)?\w+\]", pattern)
    named = re.findall(r"\[(\.\.\.)?\w+\]", pattern)
    text = "".join(
        re.escape(part) + ("" if index == len(named) else ".*" if named[index] else "[^/]+")
        for index, part in enumerate(parts)
    )
    return re.fullmatch(text, path, re.DOTALL) is not None
