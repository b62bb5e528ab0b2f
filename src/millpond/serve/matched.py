"""What paths were matched to before: matching one again would cost a live answer more than most handlers do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from millpond.policy.http.header_size import header_size
from millpond.stores.bounded_dict import BoundedDict

if TYPE_CHECKING:
    from starlette.types import Scope

    from millpond.config import ServerConfig
    from millpond.prerender.plan import Plan
    from millpond.render.target import Target

_MOST, _MOST_BYTES = 4096, 8 * 1024 * 1024
_LONGEST = 256
"""Bytes of a path; clients choose it."""
_PART, _OBJECT = 60, 800
"""Bytes of a segment, and of a match, beside what the client chose."""


@dataclass(frozen=True, slots=True)
class Matched:
    """The routes of paths, as they were sent, for one table of routes."""

    bounds: ServerConfig
    _found: BoundedDict[bytes, tuple[Plan, Target]] = field(default_factory=lambda: BoundedDict(_MOST, _MOST_BYTES))

    def find(self, asgi: Scope) -> tuple[Plan, Target] | None:
        """What the path was matched to; None where the request is to be looked at in full."""
        path: bytes = asgi.get("raw_path") or b""
        found = self._found.get(path)
        if found is None or asgi.get("root_path"):
            return None
        bounds = self.bounds
        if len(path) + len(asgi.get("query_string", b"")) > bounds.max_path_bytes:
            return None
        return None if header_size(asgi["headers"]) > bounds.max_header_bytes else found

    def learn(self, asgi: Scope, plan: Plan, target: Target) -> None:
        """Remember a match that depends on the path alone, and whose parameters no handler can change.

        Not one that is answered from the cache: that is remembered as a hit.
        """
        path: bytes = asgi.get("raw_path") or b""
        if not path or asgi.get("root_path") or len(path) > _LONGEST or plan.caches(target.path):
            return
        if not all(type(value) is str for value in target.params.values()):
            return
        size = 3 * len(path) + _PART * len(target.segments) + _OBJECT  # as it was sent, canonical, and in segments
        self._found.keep(path, (plan, target), size)
