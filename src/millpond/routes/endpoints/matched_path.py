"""The path of a request as FastAPI's router matches it: decoded as a whole, unlike that of file routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def matched_path(scope: Mapping[str, Any]) -> str:
    """The decoded path below `root_path`, as Starlette's routes see it."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if not root or not path.startswith(root):
        return path
    rest = path[len(root) :]
    return rest if rest[:1] in ("", "/") else path


def segments_of(path: str) -> tuple[str, ...]:
    """A path in segments; empty ones are kept, as FastAPI's parameters may hold slashes."""
    return tuple(path.removeprefix("/").split("/"))
