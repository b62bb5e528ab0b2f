"""The path of a request: bounded, parsed, and the canonical form that a client is sent to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.policy.http.header_size import header_size
from millpond.policy.request.path_spelling import decoded, encoded
from millpond.routes.path import dot_redirect, is_deeper, slash_redirect
from millpond.serve.matching.base_path import OUTSIDE, is_at_or_below, sent_path

if TYPE_CHECKING:
    from starlette.types import Scope

    from millpond.config import Config
    from millpond.config.server_config import ServerConfig


def below_root(scope: Scope) -> bytes | None:
    """The encoded path below `root_path`; None if it isn't below, or is no path (`OPTIONS *`).

    Some servers leave `root_path` out of the path.
    """
    raw, root = sent_path(scope), scope.get("root_path", "")
    if not raw.startswith(b"/") and raw:
        return None
    if root and _is_below(scope["path"], root):
        rest = _after(raw, root)
        if rest is None:  # an encoded slash in the place of one that ends the prefix
            return None
        raw = rest
    return raw or b"/"


def _is_below(path: str, root: str) -> bool:
    return path.startswith(root) and path[len(root) : len(root) + 1] in ("", "/")


def _after(raw: bytes, root: str) -> bytes | None:
    """What follows the prefix `root`, in whichever spelling that was sent."""
    at = len(encoded(root))
    if not is_at_or_below(raw, encoded(root)):
        parts = raw.split(b"/", root.count("/") + 1)
        at = len(b"/".join(parts[: root.count("/") + 1]))
    return raw[at:] if decoded(raw[:at]) == root else None


def below_application(scope: Scope) -> bytes | None:
    """As `below_root`; None for a path outside of `base_path`, too, once `enter_base_path` has looked."""
    return None if scope.get(OUTSIDE) else below_root(scope)


def refusal(raw: bytes, scope: Scope, bounds: ServerConfig) -> int | None:
    """The status of a request that is over its bounds: 414 for its path, 431 for its headers; None for others."""
    if len(raw) + len(scope.get("query_string", b"")) > bounds.max_path_bytes or is_deeper(
        raw, bounds.max_path_segments
    ):
        return 414
    return 431 if header_size(scope["headers"]) > bounds.max_header_bytes else None


def without_dots(scope: Scope) -> str | None:
    """Where to redirect a path with dot segments, which may lead out of a mount (D42); None if there are none.

    Raises:
        MalformedPath: the path can't be decoded.
    """
    raw, root = sent_path(scope), encoded(scope.get("root_path", ""))
    return dot_redirect(raw if raw.startswith(root) else root + raw)


def with_right_slashes(raw: bytes, scope: Scope, config: Config) -> str | None:
    """Where to redirect a path below `root_path` that has other slashes than the configuration wants (R1.47).

    Raises:
        MalformedPath: the path can't be decoded.
    """
    target = slash_redirect(raw, config.trailing_slash)
    return target and encoded(scope.get("root_path", "")).decode("ascii") + target
