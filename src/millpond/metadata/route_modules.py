"""Which way a file below app/ becomes a route module: handlers, metadata made by a function, or metadata as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.metadata.generated import load_generated
from millpond.metadata.static_files import load_file
from millpond.routes.module import load

if TYPE_CHECKING:
    from pathlib import Path

    from millpond.policy.compat import Compat
    from millpond.routes.module import Load, RouteModule
    from millpond.routes.scan import RouteFile


def loader(compat: Compat, *, development: bool) -> Load:
    """What loads one file.

    Args:
        compat: the version whose defaults hold.
        development: browsers keep no images (R13.25).
    """

    def load_any(file: RouteFile, project: Path, app_dir: Path) -> RouteModule:
        if file.metadata is None:
            return load(file, project, app_dir)
        if file.is_answer:
            return load_file(file, development=development)
        return load_generated(file, file.metadata, project, app_dir, compat)

    return load_any
