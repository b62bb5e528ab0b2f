"""What a run answers: one concrete path of one route."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from millpond.policy.key import canonical_query, response_key, shared_key
from millpond.policy.tags import kept_tag, own_tags, path_tag, route_tag
from millpond.routes.path import canonical, readable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millpond.routes.route_contract import Params, Route


_LONGEST_LABEL = 200


@dataclass(frozen=True)
class Target:
    """A route, with the values of its parameters from a path."""

    route: Route
    segments: tuple[str, ...]
    """The decoded segments of the path."""
    params: Params
    query: str = ""
    """The part of the query that `cache_query` names, in canonical form."""
    fingerprint: str = ""
    """Of the route, where builds share its answers; see `shared_key`."""

    @classmethod
    def of(
        cls,
        route: Route,
        segments: Sequence[str],
        params: Params,
        query_string: bytes = b"",
        fingerprint: str = "",
    ) -> Target:
        query = canonical_query(route.cache_query, query_string)
        return cls(route, tuple(segments), params, query, fingerprint=fingerprint)

    @cached_property
    def path(self) -> str:
        """The canonical encoded path, without base path and trailing slash."""
        return canonical(self.segments)

    @property
    def readable(self) -> str:
        """The path for people to read."""
        return readable(self.segments)

    @property
    def shown_params(self) -> dict[str, str | int | float | list[str]]:
        """The parameters, for reports in JSON."""
        return {
            name: each if isinstance(each, str | int | float | list) else str(each)
            for name, each in self.params.items()
        }

    @property
    def label(self) -> str:
        """The path for logs, shortened: visitors choose how long it is."""
        return self.path if len(self.path) <= _LONGEST_LABEL else f"{self.path[:_LONGEST_LABEL]}…"

    @cached_property
    def own_tags(self) -> tuple[str, ...]:
        """The tags that the answer has by its path (R6.2)."""
        route = self.route
        path = canonical([segment for segment in self.segments if segment])
        tags = own_tags(route.pattern, route.folders, path)
        patterns, paths = route.own_patterns[1:], route.spellings(self.params)
        if not patterns and not paths:
            return tags
        return tuple(dict.fromkeys((*tags, *map(kept_tag, (*map(route_tag, patterns), *map(path_tag, paths))))))

    @cached_property
    def key(self) -> str:
        """The key of the route's answer for this path (R4.12)."""
        return shared_key(self.unshared_key, self.fingerprint)

    @property
    def unshared_key(self) -> str:
        """The same without the fingerprint: the answer's key in the output of a build."""
        return response_key(self.route.origin, self.path, self.query)
