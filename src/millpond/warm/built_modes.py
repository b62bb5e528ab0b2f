"""Which paths have an answer for everybody, by a build that is here: so that a server isn't asked for others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.routes.folder import parse_folder
from millpond.routes.path import MalformedPath, canonical, split
from millpond.routes.table import Table

if TYPE_CHECKING:
    from millpond.prerender.build_manifest import BuildManifest, RouteRecord
    from millpond.routes.folder import Segment


class BuiltModes:
    """The modes of a build's routes.

    Args:
        manifest: of the build.
        base_path: of the configuration.
    """

    def __init__(self, manifest: BuildManifest, base_path: str) -> None:
        self._base_path = base_path
        files = [record for record in manifest.routes if record.origin == record.file]
        self._table: Table[RouteRecord] = Table((_segments(record), record) for record in files)
        self._listed = {record.origin: {path.path for path in record.paths} for record in files}

    def why_live(self, path: str) -> str | None:
        """Why the build says that a path has no answer for everybody; None: it has, or the build doesn't know.

        Args:
            path: encoded, with its query.
        """
        encoded = path.partition("?")[0]
        if not encoded.startswith(f"{self._base_path}/") and encoded != self._base_path:
            return None
        try:
            segments = split(encoded.removeprefix(self._base_path).encode("ascii"))
        except MalformedPath:
            return None
        match = next(self._table.match(segments), None)
        if match is None:
            return None
        record = match.route
        caches = record.static and (record.on_demand or canonical(segments) in self._listed[record.origin])
        return None if caches or record.closed else f"live: {record.why}"


def _segments(record: RouteRecord) -> list[Segment]:
    return [parse_folder(part, record.file) for part in record.pattern.split("/") if part]
