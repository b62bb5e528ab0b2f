"""The path of a request: bounded, parsed, and redirected to its canonical form."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from millpond.policy.http.header_size import header_size
from millpond.routes.path import MalformedPath, dot_redirect, is_deeper, slash_redirect, split

if TYPE_CHECKING:
    from starlette.types import Scope

    from millpond.config import Config

_SAFE = "/!$&'()*+,;=:@~"


class EarlyAnswer(NamedTuple):
    """An answer that needs no route."""

    status: int
    location: str | None = None


def below(prefix: str, scope: Scope) -> bytes | None:
    """The encoded path below the application's own prefix; None when it isn't below it.

    The prefix is what a mounting application has taken (`root_path`), and then `base_path` (R1.48).
    """
    raw = _sent(scope)
    if raw and not raw.startswith(b"/"):
        return None
    for part in (scope.get("root_path", ""), prefix):
        if not part:
            continue
        encoded = quote(part, safe=_SAFE).encode("ascii")
        if not raw.startswith(encoded):
            if part is prefix:
                return None
            continue  # some servers leave root_path out of the path
        rest = raw[len(encoded) :]
        if rest and not rest.startswith(b"/"):
            return None
        raw = rest
    return raw or b"/"


def _sent(scope: Scope) -> bytes:
    raw: bytes = scope.get("raw_path") or quote(scope["path"], safe=f"%{_SAFE}").encode("ascii")
    return raw


def _without_dots(scope: Scope) -> str | None:
    """Where to redirect a path with dot segments, which may lead out of `base_path` or of a mount."""
    raw, root = _sent(scope), quote(scope.get("root_path", ""), safe=_SAFE).encode("ascii")
    return dot_redirect(raw if raw.startswith(root) else root + raw)


def _with_right_slashes(raw: bytes | None, scope: Scope, config: Config) -> str | None:
    target = None if raw is None else slash_redirect(raw, config.trailing_slash)
    return target and quote(scope.get("root_path", "") + config.base_path, safe=_SAFE) + target


def without_base_path(scope: Scope, base_path: str) -> Scope:
    """The scope as handlers see it: `request.url` has no `base_path` (R1.31), as in shared renders."""
    if not base_path:
        return scope
    root: str = scope.get("root_path", "")
    path: str = scope["path"]
    root = root if path.startswith(f"{root}{base_path}") else ""
    raw = below(base_path, scope) or b"/"
    return {
        **scope,
        "path": root + (path[len(root) + len(base_path) :] or "/"),
        "raw_path": quote(root, safe=_SAFE).encode("ascii") + raw,
    }


def segments_of(scope: Scope, config: Config) -> list[str] | EarlyAnswer | None:
    """The decoded segments of the path; or an answer at once; or None for a path outside of `base_path`.

    414 and 431 are for paths (their bytes, their segments) and headers over their bounds, 400 for bad escapes (R1.32),
    308 for slashes (R1.47) and dot segments (D42).
    """
    query: bytes = scope.get("query_string", b"")
    raw = below(config.base_path, scope)
    if raw is not None:
        if len(raw) + len(query) > config.server.max_path_bytes or is_deeper(raw, config.server.max_path_segments):
            return EarlyAnswer(414)
        if header_size(scope["headers"]) > config.server.max_header_bytes:
            return EarlyAnswer(431)
    try:
        target = _without_dots(scope) or _with_right_slashes(raw, scope, config)
        if target is not None:
            return EarlyAnswer(308, f"{target}?{query.decode('latin-1')}" if query else target)
        return None if raw is None else split(raw)
    except MalformedPath:
        return EarlyAnswer(400)
