"""`public/` of one application: its files, and what they hide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi.routing import iter_route_contexts
from starlette.routing import Mount

from millpond.routes.operation import OperationRoute
from millpond.routes.path import canonical
from millpond.routes.public.hidden_paths import CheckedFiles, conflict, fixed_paths
from millpond.routes.public.public_folder import PublicFolder, PublicListing
from millpond.serve.public.public_answers import PublicAnswers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from starlette.routing import BaseRoute

    from millpond.routes.public.public_folder import PublicFiles
    from millpond.routes.scan import RouteFile

_NONE = PublicListing("", {}, [])


class Published:
    """The files that an application serves as they are.

    They are listed when the routes are loaded, so that finding one is a look into a dict. In development they are
    looked up at each request.

    Args:
        project: the project's folder.
        public_dir: of the configuration.
        development: whether files may come and go.
    """

    def __init__(self, project: Path, public_dir: str, *, development: bool) -> None:
        self._folder = PublicFolder(project / public_dir, project) if public_dir else None
        self._development = development
        self.answers = None if self._folder is None else PublicAnswers(self._folder)
        """Answers requests for them; None if no folder is configured."""
        self.listing = _NONE
        """What was there when the routes were loaded."""
        self.files: PublicFiles | None = None
        """Finds one for a request; None if there are none."""

    def load(self, routes: Sequence[RouteFile]) -> None:
        """List the files.

        Raises:
            RouteError: one has the path of a route file.
        """
        if self._folder is None:
            return
        self.listing = self._folder.listed()
        if not self.listing.files and not self._development:
            return
        fixed = fixed_paths(routes)
        for path in self.listing.files.keys() & fixed.keys():
            raise conflict(self.listing.files[path], fixed[path])
        self.files = CheckedFiles(self._folder, fixed) if self._development else self.listing.files or None

    def warnings(self, routes: Iterable[BaseRoute]) -> list[str]:
        """What isn't served, and what is hidden.

        Args:
            routes: all of the application's.
        """
        return [*self.listing.notes, *self._hidden(routes)]

    def _hidden(self, routes: Iterable[BaseRoute]) -> Iterator[str]:
        """Declared routes that are never asked. File routes with such a path are refused."""
        files = self.listing.files
        declared = [route for route in routes if not isinstance(route, OperationRoute)] if files else []
        for each in iter_route_contexts(declared):
            if each.path is None or isinstance(each.original_route, Mount):
                continue
            found = files.get(canonical([part for part in each.path.split("/") if part]))
            if found is not None:
                yield f"{found.file} hides the route that code declares for {each.path}; remove or rename one of them."
