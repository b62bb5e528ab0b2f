"""Middleware that rewrites the path of a request: what the client has asked for, as far as redirects speak of it.

`path` decides which route answers, as in Starlette. A redirect for slashes or dot segments is for the client, who knows
nothing of the rewritten path: it names the client's own, and is given only where that one needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from millpond.policy.request.path_spelling import decoded, encoded
from millpond.routes.path import MalformedPath, dot_redirect, slash_redirect
from millpond.serve.matching.base_path import is_at_or_below

if TYPE_CHECKING:
    from starlette.types import Scope

_ARRIVED = "millpond.arrived"
"""The key of an ASGI scope that holds the request's path as it came to the application, before its middleware."""


class ClientsPath(NamedTuple):
    """What a client has asked for."""

    path: str
    """Decoded."""
    raw_path: bytes | None
    root_path: str
    query: bytes

    @classmethod
    def of(cls, scope: Scope) -> ClientsPath:
        return cls(scope["path"], scope.get("raw_path"), scope.get("root_path", ""), scope.get("query_string", b""))

    @property
    def encoded(self) -> bytes:
        """As it was sent; where the server doesn't tell, or tells another path, in the usual spelling."""
        raw = self.raw_path
        return raw if raw and decoded(raw) == self.path else encoded(self.path)

    def without_dots(self) -> str | None:
        """Where to redirect it for dot segments; None if it has none, or can't be decoded."""
        try:
            return dot_redirect(self.encoded)
        except MalformedPath:
            return None

    def with_right_slashes(self, trailing_slash: bool) -> str | None:
        """Where to redirect it for its slashes; None if they are right, or it can't be decoded."""
        raw, root = self.encoded, encoded(self.root_path)
        below = raw[len(root) :] if is_at_or_below(raw, root) else raw  # some servers leave `root_path` out
        try:
            target = slash_redirect(below or b"/", trailing_slash)
        except MalformedPath:
            return None
        return target and root.decode("ascii") + target


def note_arrival(scope: Scope) -> None:
    """Note the path of a request that has come to an application: its middleware may rewrite both spellings.

    In an application that is mounted in another one, that one has noted it.
    """
    if _ARRIVED not in scope:
        scope[_ARRIVED] = ClientsPath.of(scope)


def rewritten_from(scope: Scope) -> ClientsPath | None:
    """What the client has asked for, if the path is another one now; None: it is the client's.

    Where nothing has noted it, `raw_path` tells: middleware around the application seldom changes that.
    """
    arrived: ClientsPath | None = scope.get(_ARRIVED)
    if arrived is not None and (arrived.path, arrived.raw_path) != (scope["path"], scope.get("raw_path")):
        return arrived
    raw: bytes | None = scope.get("raw_path")
    if not raw or decoded(raw) == scope["path"]:
        return None
    # Below a mount, `root_path` has what was mounted; the server's own prefix is what stood there before.
    root = scope.get("app_root_path", scope.get("root_path", ""))
    path = decoded(raw)
    if path == root + scope["path"] or root + path == scope["path"]:
        return None  # a server that leaves `root_path` out of one of them
    return ClientsPath(path, raw, root, scope.get("query_string", b""))
