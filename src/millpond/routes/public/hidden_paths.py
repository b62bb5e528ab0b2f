"""What a file of `public/` and a route file would both answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.errors import RouteError
from millpond.routes.path import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from millpond.routes.public.public_file import PublicFile
    from millpond.routes.public.public_folder import PublicFiles
    from millpond.routes.scan import RouteFile


def fixed_paths(files: Iterable[RouteFile]) -> dict[str, RouteFile]:
    """The route files without parameters, by their canonical paths.

    Patterns with parameters may fit the path of a public file: that is how one path is taken out of them.
    """
    return {canonical([each.name for each in file.segments]): file for file in files if not file.params}


def conflict(found: PublicFile, file: RouteFile) -> RouteError:
    """The error about a public file that has the path of a route file, which would never be asked."""
    return RouteError(f"{found.file} and {file.file} both answer {file.pattern}; remove or rename one of them.")


class CheckedFiles:
    """Public files that are looked up each time, as in development: so a conflict is told when it is met.

    Args:
        files: where they are looked up.
        fixed: the paths of route files.
    """

    def __init__(self, files: PublicFiles, fixed: Mapping[str, RouteFile]) -> None:
        self._files, self._fixed = files, fixed

    def get(self, path: str, /) -> PublicFile | None:
        """The file of a canonical path.

        Raises:
            RouteError: a route file has the path, too.
        """
        found = self._files.get(path)
        if found is not None and path in self._fixed:
            raise conflict(found, self._fixed[path])
        return found
