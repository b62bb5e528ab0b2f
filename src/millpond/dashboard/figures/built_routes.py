"""What the served build has written down about its routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.errors import BuildError
from millpond.prerender.build_manifest import read_manifest

if TYPE_CHECKING:
    from millpond.dashboard.operated import Operated
    from millpond.prerender.build_manifest import BuildManifest, RouteRecord


class BuiltRoutes:
    """The manifest of the build that is served; it is read once."""

    def __init__(self) -> None:
        self._manifest: BuildManifest | None = None

    def manifest(self, operated: Operated) -> BuildManifest | None:
        """None: nothing was built, or another build has taken its place on disk."""
        if operated.development:
            return None
        if self._manifest is None or self._manifest.build != operated.build:
            try:
                found = read_manifest(operated.project)
            except BuildError:  # a start says so; what is served goes on
                found = None
            self._manifest = found if found is not None and found.build == operated.build else None
        return self._manifest

    def records(self, operated: Operated) -> dict[str, RouteRecord]:
        """By the origins of the routes."""
        manifest = self.manifest(operated)
        return {} if manifest is None else {record.origin: record for record in manifest.routes}
