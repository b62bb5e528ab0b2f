"""What was decided for each route: which paths are answered from the cache, which run live, which don't exist."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from millpond.render.candidacy import ModeReason
    from millpond.routes.route import Route


@dataclass(frozen=True, slots=True)
class Plan:
    """The decision for one route."""

    route: Route
    why: ModeReason
    static: bool = False
    """GET is answered from the cache, at least for the listed paths."""
    on_demand: bool = False
    """So are other paths: rendered at their first request, and stored (R3.5)."""
    closed: bool = False
    """Other paths don't exist (R2.19)."""
    listed: frozenset[str] = frozenset()
    """Canonical paths that the build rendered."""

    def caches(self, path: str) -> bool:
        """Whether GET of a canonical path is answered from the cache."""
        return self.static and (self.on_demand or path in self.listed)

    def declines(self, path: str) -> bool:
        """Whether the route doesn't want the path, whatever the method (R1.10; D2)."""
        return self.closed and path not in self.listed
