"""What a run answers: one concrete path of one route."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from millpond.policy.key import canonical_query, response_key, shared_key
from millpond.policy.tags import host_tag, kept_tag, own_tags, path_tag, route_tag
from millpond.routes.path import canonical, readable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from millpond.policy.request.query_content import QueryContent
    from millpond.policy.variants.variant import Variant
    from millpond.routes.route_contract import Operation, Params, Route


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
    content: QueryContent | None = None
    """What a QUERY asks for; None: GET is meant."""
    variant: Variant | None = None
    """The host and the values that `cache_host` and `cache_vary` put into the key; None: nothing."""

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

    @property
    def method(self) -> str:
        """The method whose answer is meant."""
        return "GET" if self.content is None else "QUERY"

    @property
    def operation(self) -> Operation:
        """The operation that makes the answer."""
        return self.route.operations[self.method]

    def with_variant(self, variant: Variant) -> Target:
        """The same path for another variant."""
        return replace(self, variant=variant)

    @property
    def host(self) -> str | None:
        """The host in the key; None: the answer is the same for all."""
        return None if self.variant is None else self.variant.host

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

    @property
    def variant_label(self) -> str:
        """The label, with the variant."""
        return self.label if self.variant is None else f"{self.label} [{self.variant.text}]"

    @property
    def readable_variant(self) -> str:
        """The path for people to read, with the variant."""
        return self.readable if self.variant is None else f"{self.readable} [{self.variant.text}]"

    @cached_property
    def own_tags(self) -> tuple[str, ...]:
        """The tags that the answer has by its path (R6.2), and those of them that are its host's alone."""
        tags = self._tags_of_path()
        return (*tags, *self.tags_of_host(tags))

    def tags_of_host(self, tags: Iterable[str]) -> tuple[str, ...]:
        """The tags, in their stored form, as those of this host's answers alone; none where all hosts share them."""
        host = self.host
        return () if host is None else tuple(kept_tag(host_tag(host, tag)) for tag in tags)

    def _tags_of_path(self) -> tuple[str, ...]:
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
        content = "" if self.content is None else self.content.digest
        variant = "" if self.variant is None else self.variant.text
        return response_key(self.route.origin, self.path, self.query, content, variant)
