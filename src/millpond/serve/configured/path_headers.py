"""`[[headers]]`, and what CORS adds: what is done to the headers of the answers of a path."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from millpond.policy.http.fixed_headers import with_fixed
from millpond.policy.http.headers import VOLATILE
from millpond.routes.path import split_leniently
from millpond.serve.matching.request_path import below_application

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import Scope

    from millpond.config import HeaderConfig
    from millpond.policy.entry import Headers
    from millpond.serve.configured.cors import Cors


class PathHeaders(NamedTuple):
    """What is done to the headers of each answer of one path."""

    fixed: Headers
    """Of `[[headers]]`."""
    cors: tuple[Cors, ...]
    """The innermost first."""
    steady: bool
    """Whether none of the headers of a hit that change with time is replaced: then the others don't change."""

    @classmethod
    def of(cls, fixed: Headers, cors: tuple[Cors, ...]) -> PathHeaders | None:
        """None if nothing is done."""
        if not fixed and not cors:
            return None
        return cls(fixed, cors, VOLATILE.isdisjoint(name for name, _ in fixed))

    def apply(self, headers: list[tuple[bytes, bytes]], status: int, origin: bytes | None) -> list[tuple[bytes, bytes]]:
        """The headers that are sent; `origin`: the first Origin of the request."""
        for cors in self.cors:
            headers = cors.apply(headers, status, origin)
        return with_fixed(headers, status, self.fixed) if self.fixed else headers


class FixedHeaders:
    """The headers of all paths; of those with the same name the last one counts.

    Args:
        configured: `[[headers]]`, in the order of the file.
        base_path: of the application.
    """

    def __init__(self, configured: Sequence[HeaderConfig], base_path: str) -> None:
        self._patterns = [(each.pattern, (each.name.lower().encode(), each.value.encode())) for each in configured]
        self._everywhere: Headers | None = None
        """Where the path makes no difference, the headers; so most projects have them."""
        if not base_path and all(not each.fixed and each.rest and not each.rest.least for each, _ in self._patterns):
            self._everywhere = tuple(dict(pair for _, pair in self._patterns).items())

    def of(self, scope: Scope) -> Headers:
        """The headers of the answers to a request; none for a path that isn't below `base_path`."""
        if self._everywhere is not None:
            return self._everywhere
        raw = below_application(scope)
        if raw is None:
            return ()
        segments = split_leniently(raw)  # the answer to a path that can't be decoded has headers, too
        return tuple(dict(pair for pattern, pair in self._patterns if pattern.match(segments) is not None).items())
