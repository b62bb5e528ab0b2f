"""A cache of matches, from paths to routes: to match a path costs more than most live handlers take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from millpond.policy.http.header_size import header_size
from millpond.serve.matching.base_path import sent_path
from millpond.stores.bounded_dict import BoundedDict

if TYPE_CHECKING:
    from starlette.types import Scope

    from millpond.config import ServerConfig
    from millpond.serve.matching.matcher import Matched

_MAX_MATCHES, _MAX_BYTES = 4096, 8 * 1024 * 1024
_MAX_PATH_BYTES = 256
"""A longer path isn't remembered; clients choose it."""
_BYTES_PER_SEGMENT, _BYTES_PER_MATCH = 60, 800
"""What a segment and a match take in memory, besides the path's own bytes."""


@dataclass(frozen=True, slots=True)
class MatchCache:
    """The matches of one table of routes, by paths as they were sent and as middleware has rewritten them."""

    bounds: ServerConfig
    root_path: str = ""
    """The prefix that every path of the application has; with another one, a path isn't remembered."""
    is_on: bool = True
    """Whether anything is remembered. Not in development: a file of `public/` may come and take a path."""
    _matches: BoundedDict[bytes, tuple[str, Matched]] = field(
        default_factory=lambda: BoundedDict(_MAX_MATCHES, _MAX_BYTES)
    )
    """By the path as it was sent: its decoded form, and the match."""
    _rewritten: BoundedDict[tuple[bytes, str], Matched] = field(
        default_factory=lambda: BoundedDict(_MAX_MATCHES, _MAX_BYTES)
    )
    """Of paths that middleware has rewritten, by `raw_path` and `path`: both together tell the path."""

    def get(self, asgi: Scope) -> Matched | None:
        """The match of a request; None where the request must be parsed and matched."""
        path: bytes = asgi.get("raw_path") or b""
        found = self._matches.get(path)
        length = len(path)
        if found is not None and found[0] == asgi["path"]:
            matched = found[1]
        elif self._rewritten and (path, asgi["path"]) in self._rewritten:
            matched, length = self._rewritten[path, asgi["path"]], max(length, len(asgi["path"]))
        else:
            return None
        bounds = self.bounds
        if asgi.get("root_path", "") != self.root_path or length + len(asgi.get("query_string", b"")) > (
            bounds.max_path_bytes
        ):
            return None
        return None if header_size(asgi["headers"]) > bounds.max_header_bytes else matched

    def remember(self, asgi: Scope, matched: Matched) -> None:
        """Remember a match that depends on the path alone, and whose parameters no handler can change.

        A path that is answered from the cache isn't remembered here: `Hits` does that.
        """
        path: bytes = asgi.get("raw_path") or b""
        plan, target, by_path = matched
        if (
            not path
            or not by_path
            or not self.is_on
            or asgi.get("root_path", "") != self.root_path
            or len(path) + len(asgi["path"]) > 2 * _MAX_PATH_BYTES
            or plan.caches(target.path)
        ):
            return
        if not all(type(value) is str for value in target.params.values()):
            return
        copies = 3  # of the path: as it was sent, canonical, and in segments
        size = copies * max(len(path), len(asgi["path"])) + _BYTES_PER_SEGMENT * len(target.segments) + _BYTES_PER_MATCH
        if sent_path(asgi) == path:
            self._matches.keep(path, (asgi["path"], matched), size)
        else:
            self._rewritten.keep((path, asgi["path"]), matched, size)
