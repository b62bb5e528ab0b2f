"""What else would answer the paths of operators, such as `[server] ready_path`: one of both would never be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fastapi.routing import iter_route_contexts
from starlette.routing import Mount

from millpond.config.telemetry.dashboard_config import DASHBOARD_PATH
from millpond.errors import ConfigError, Place
from millpond.render.user_code import in_project
from millpond.routes.endpoints.static import code_of
from millpond.routes.operation import OperationRoute

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from starlette.routing import BaseRoute

    from millpond.config import Config
    from millpond.routes.public.public_file import PublicFile

Claim = tuple[str, str]
"""A path without parameters, and who answers it."""


def claims_of(routes: Iterable[BaseRoute], files: Mapping[str, PublicFile], project: Path) -> Iterator[Claim]:
    """The paths of an application.

    Args:
        routes: all of its routes.
        files: those of `public/`, by their paths.
        project: its folder, for the names of files.
    """
    for path, file in files.items():
        yield path, file.file
    for each in iter_route_contexts(list(routes)):
        if each.path:
            yield each.path, _answering(each.original_route, project)


class ReservedPath(NamedTuple):
    """A path that an operator asks for, in front of the application."""

    path: str
    what: str
    """As messages call it."""
    remedy: str
    below: bool = False
    """Whether all paths below are meant, too."""

    def takes(self, path: str) -> bool:
        """Whether a path without parameters is meant."""
        path = path.rstrip("/") or "/"
        return path == self.path or (self.below and path.startswith(f"{self.path}/"))


def reserved_paths(config: Config, *, development: bool = False) -> Iterator[ReservedPath]:
    """Those that a configuration reserves."""
    for name, path in (("server.ready_path", config.server.ready_path), ("metrics.path", config.metrics.path)):
        if path is not None:
            example = f"{path.rstrip('/')}/{'ready' if name.startswith('server') else 'prometheus'}"
            yield ReservedPath(path, f'"{name}" is "{path}"', f'choose another one, such as "{example}"')
    if development or config.dashboard.secret_env is not None:
        yield ReservedPath(
            DASHBOARD_PATH, f"the dashboard is at {DASHBOARD_PATH}", "give the route another path", below=True
        )


def refuse_taken(config: Config, claims: Iterable[Claim]) -> None:
    """Refuse a reserved path that something else has. A route with parameters may match it: it is one path less.

    Raises:
        ConfigError: it is taken.
    """
    problem = next(taken(config, claims, reserved_paths(config)), None)
    if problem is not None:
        raise ConfigError(problem)


def taken(config: Config, claims: Iterable[Claim], reserved: Iterable[ReservedPath]) -> Iterator[str]:
    """What else would answer reserved paths; a sentence for each."""
    others = [*((endpoint.path, "[revalidate_endpoint]") for endpoint in config.revalidate_endpoint), *claims]
    for each in reserved:
        for path, who in others:
            if each.takes(path):
                yield f"{each.what}, and {who} answers that path, too; {each.remedy}."
        others.append((each.path, each.what))


def _answering(route: BaseRoute, project: Path) -> str:
    if isinstance(route, OperationRoute):
        return str(route.place)
    if isinstance(route, Mount):
        return "a mounted application"
    code = code_of(getattr(route, "endpoint", None))
    file = None if code is None else in_project(code.co_filename, project)
    return "a route of FastAPI's" if code is None or file is None else str(Place(file, code.co_firstlineno))
