"""Quoted cookie values, unquoted in linear time.

Starlette uses `http.cookies` for that, whoever reads `request.cookies`: handlers, FastAPI's parameters, sessions.
Before Python 3.11.10, 3.12.6 and 3.13, a cookie of n backslashes takes it n² steps (CVE-2024-7592): seconds for what
fits into a request. In those versions this module's function replaces that one.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from millpond.internals.cookie_names import replace_unquote

if TYPE_CHECKING:
    from re import Match

_FIXED: dict[tuple[int, int], int] = {(3, 11): 10, (3, 12): 6}
"""The first linear release of each version; later versions always were."""

_ESCAPE = re.compile(r"\\(?:([0-3][0-7][0-7])|(.))")


def unquote(value: str | None) -> str | None:
    """A cookie's value without the quotes around it and the escapes inside.

    Args:
        value: as it was sent; None, and a value without quotes at both ends, are returned as they are.
    """
    if value is None or len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    return _ESCAPE.sub(_unescaped, value[1:-1])


def _unescaped(escape: Match[str]) -> str:
    return chr(int(escape[1], 8)) if escape[1] else escape[2]


def is_needed(version: tuple[int, int, int] = sys.version_info[:3]) -> bool:
    """Whether this version's own function takes quadratic time."""
    return version[2] < _FIXED.get((version[0], version[1]), 0)


def install() -> None:
    """Replace a quadratic function by `unquote`, in this whole process. Results are the same."""
    if is_needed():
        replace_unquote(unquote)
