"""`[[redirects]]`: where a request is sent to."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from millpond.policy.http.moved_paths import MovedPaths
from millpond.policy.request.path_spelling import encoded
from millpond.routes.path import MalformedPath, dot_redirect, is_deeper, split
from millpond.serve.matching.request_path import below_application

if TYPE_CHECKING:
    from starlette.types import Scope

    from millpond.config import Config


class Redirect(NamedTuple):
    """An answer that leads elsewhere."""

    status: int
    location: str
    source: str
    """The pattern that the path fits."""


class Redirects:
    """The redirects of an application."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._targets = [each.target for each in config.redirects]
        patterns = (each.pattern for each in config.redirects)
        self._moved = MovedPaths(zip(patterns, self._targets, strict=True))

    def of(self, scope: Scope) -> Redirect | None:
        """The redirect of a request; None where the application answers it.

        That is also so for a path that is too long or too deep (414), has a bad escape (400), or dot segments: those
        are taken away first, by a redirect of their own.
        """
        raw = below_application(scope)
        if raw is None or not self._moved.may_have(raw):
            return None
        query: bytes = scope.get("query_string", b"")
        bounds = self._config.server
        if len(raw) + len(query) > bounds.max_path_bytes or is_deeper(raw, bounds.max_path_segments):
            return None
        try:
            found = None if dot_redirect(raw) is not None else self._moved.find(split(raw))
        except MalformedPath:
            return None
        if found is None:
            return None
        redirect = self._config.redirects[found[0]]
        target = self._targets[found[0]]
        location = target.fill(found[1], query if redirect.keep_query else b"")
        if not target.origin:
            prefix = encoded(scope.get("root_path", "")).decode("ascii")
            location = f"/{f'{prefix}{location}'.lstrip('/')}"  # two slashes would begin a host
        return Redirect(redirect.status, location, redirect.source)
