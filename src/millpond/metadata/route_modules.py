"""Loads any file below app/ as a route module: handlers, generated metadata, or a static metadata file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.routes.module import load

if TYPE_CHECKING:
    from pathlib import Path

    from millpond.policy.compat import Compat
    from millpond.routes.module import Load, RouteModule
    from millpond.routes.scan import RouteFile


def loader(compat: Compat, *, development: bool) -> Load:
    """The function that loads one file.

    Args:
        compat: the version whose defaults hold.
        development: browsers keep no images (R13.25).
    """

    def load_any(file: RouteFile, project: Path, app_dir: Path) -> RouteModule:
        if file.metadata is None:
            return load(file, project, app_dir)
        # Imported late: most projects have few such files, or none.
        from millpond.metadata.generated import load_generated
        from millpond.metadata.static_files import load_file

        if file.is_answer:
            return load_file(file, development=development)
        return load_generated(file, file.metadata, project, app_dir, compat)

    return load_any
