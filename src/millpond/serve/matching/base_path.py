"""`base_path`: the prefix below which the whole application lives, as part of `root_path` (D44).

FastAPI's own `root_path` option replaces the prefix of a mount or of a server, and lets every path through. So this is
done before FastAPI sees a request: it finds a scope as a server with that prefix would make it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.policy.request.path_spelling import decoded, encoded, spelled

if TYPE_CHECKING:
    from starlette.types import Scope

OUTSIDE = "millpond.outside"
"""The key of an ASGI scope that says whether its path is outside of `base_path`; missing if nobody has looked yet."""


def sent_path(scope: Scope) -> bytes:
    """The encoded path: as the client sent it, or as middleware has rewritten it.

    `path` counts where the two differ, since Starlette matches by it, and middleware seldom touches `raw_path`. What of
    `path` is still the client's keeps the spelling in which it was sent. A server that doesn't tell how the path was
    sent has decoded it: then a percent sign in it is one.
    """
    raw: bytes | None = scope.get("raw_path")
    path: str = scope["path"]
    if not raw:
        return encoded(path)
    return raw if decoded(raw) == path else spelled(path, raw)


def is_at_or_below(raw: bytes, prefix: bytes) -> bool:
    """Whether a path is a prefix itself, or continues it with a slash."""
    return raw.startswith(prefix) and raw[len(prefix) : len(prefix) + 1] in (b"", b"/")


def enter_base_path(scope: Scope, root_path: str, base_path: str) -> None:
    """Add `base_path` to the scope's `root_path`, or mark the scope as outside of it.

    Args:
        scope: of a request that has just arrived.
        root_path: what a mount, the server or the application's own option says.
        base_path: what the configuration says; not empty.
    """
    raw, root, base = sent_path(scope), encoded(root_path), encoded(base_path)
    if is_at_or_below(raw, root + base):
        scope["root_path"], scope[OUTSIDE] = root_path + base_path, False
    elif root and is_at_or_below(raw, base):  # a proxy has taken `root_path` away
        scope.update(path=root_path + scope["path"], raw_path=root + raw, root_path=root_path + base_path)
        scope[OUTSIDE] = False
    else:
        scope[OUTSIDE] = True


def follow_into_base_path(scope: Scope, base_path: str) -> None:
    """Let a request that came from outside of `base_path` in, if middleware has rewritten its path to one inside."""
    if scope.get(OUTSIDE):
        enter_base_path(scope, scope.get("root_path", ""), base_path)
