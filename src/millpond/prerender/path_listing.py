"""The paths that a route lists, with the data of the application at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from millpond.render.base_exceptions import contained
from millpond.render.scopes.current_scope import enter, leave
from millpond.render.scopes.listing_scope import ListingScope
from millpond.routes.exports import STATIC_PARAMS

if TYPE_CHECKING:
    from pathlib import Path

    from millpond.policy.compat import Compat
    from millpond.render.scopes.attachments import Attachments
    from millpond.routes.route_contract import ListedPath, Route


class PathListing(NamedTuple):
    """What the functions that list paths have in common."""

    project: Path
    compat: Compat
    attachments: Attachments
    """Where `fetch` and cached functions find the application's cache."""
    for_build: bool

    async def of(self, route: Route) -> list[ListedPath]:
        """The paths of one route, in a context of its own.

        Raises:
            RouteModuleError: the list doesn't fit the path.
            Exception: what the user's function raised.
        """
        lister = route.lister or STATIC_PARAMS
        scope = ListingScope(
            project=self.project,
            compat=self.compat,
            segment=route.config,
            attachments=self.attachments,
            lister=lister,
            for_build=self.for_build,
        )
        token = enter(scope)
        try:
            return await contained(route.listed, lister)
        finally:
            leave(token)
