"""Routes that ask for stored answers to QUERY, and can't have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.render.candidacy import query_candidacy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from millpond.routes.route_contract import Route


def unstored_queries(routes: Iterable[Route]) -> Iterator[str]:
    """A warning for each route with `cache_query_body` of its own whose QUERY is live by what it declares."""
    for route in routes:
        if (
            not route.config.cache_query_body
            or "cache_query_body" in route.inherited
            or "QUERY" not in route.operations
        ):
            continue
        chosen = query_candidacy(route)
        if not chosen.static:
            place, why = route.place("cache_query_body"), _said(chosen.why.text)
            yield f"{place}: cache_query_body does nothing, as QUERY {why}."


def _said(why: str) -> str:
    return why if why.startswith("declares ") else f"is live: {why}"
