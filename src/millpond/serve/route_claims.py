"""What a route says to caches of all answers of its that are kept, by its key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.policy.http.caching.no_vary_search import no_vary_search

if TYPE_CHECKING:
    from collections.abc import Callable

    from millpond.policy.entry import Headers
    from millpond.routes.route_contract import Route


class RouteClaims:
    """The claims of one application's routes.

    Args:
        says_query: whether answers say which parameters of a query they don't depend on.
        reads_query: whether anything in front of the routes may look at the query, so that nobody can say that.
    """

    def __init__(self, *, says_query: bool, reads_query: Callable[[], bool] = lambda: False) -> None:
        self._says_query, self._reads_query = says_query, reads_query

    def of(self, route: Route) -> Headers:
        """The headers of a route's stored answers."""
        if not self._says_query or not route.is_told_by_path or self._reads_query():
            return ()
        return no_vary_search(tuple(route.cache_query))
