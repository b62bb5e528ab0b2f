"""What else would answer `[server] ready_path`: one of both would never be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi.routing import iter_route_contexts
from starlette.routing import Mount

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


def refuse_taken(config: Config, claims: Iterable[Claim]) -> None:
    """Refuse a `ready_path` that something else has. A route with parameters may match it: it is one path less.

    Raises:
        ConfigError: it is taken.
    """
    wanted = config.server.ready_path
    if wanted is None:
        return
    own = ((endpoint.path, "[revalidate_endpoint]") for endpoint in config.revalidate_endpoint)
    for path, who in (*own, *claims):
        if (path.rstrip("/") or "/") == wanted:
            raise ConfigError(
                f'"server.ready_path" is "{wanted}", and {who} answers that path, too; choose another one, such as '
                f'"{wanted.rstrip("/")}/ready".'
            )


def _answering(route: BaseRoute, project: Path) -> str:
    if isinstance(route, OperationRoute):
        return str(route.place)
    if isinstance(route, Mount):
        return "a mounted application"
    code = code_of(getattr(route, "endpoint", None))
    file = None if code is None else in_project(code.co_filename, project)
    return "a route of FastAPI's" if code is None or file is None else str(Place(file, code.co_firstlineno))
