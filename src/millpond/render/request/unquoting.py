"""Cookies in quotes, taken out of them in linear time.

Starlette asks `http.cookies` to do it, for each reader of `request.cookies`: handlers, FastAPI's parameters, sessions.
In a Python before 3.11.10, 3.12.6 and 3.13 a cookie of n backslashes takes it n² steps (CVE-2024-7592), which is
seconds for what fits into a request. There, this module's function takes the place of that one.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from millpond.internals.cookie_names import replace_unquote

if TYPE_CHECKING:
    from re import Match

_MENDED: dict[tuple[int, int], int] = {(3, 11): 10, (3, 12): 6}
"""The first release of each version that is linear by itself; later versions are from their first."""

_ESCAPE = re.compile(r"\\(?:([0-3][0-7][0-7])|(.))")


def unquote(value: str | None) -> str | None:
    """A cookie's value as it is meant: without quotes around it, and the escapes between them.

    Args:
        value: what stands behind the name; without quotes at both ends, or as None, it is returned as it is.
    """
    if value is None or len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    return _ESCAPE.sub(_meant, value[1:-1])


def _meant(escape: Match[str]) -> str:
    return chr(int(escape[1], 8)) if escape[1] else escape[2]


def is_needed(version: tuple[int, int, int] = sys.version_info[:3]) -> bool:
    """Whether a Python's own function takes quadratic time."""
    return version[2] < _MENDED.get((version[0], version[1]), 0)


def install() -> None:
    """Put `unquote` in the place of a quadratic one, for all of this process. Nobody can tell but by the time."""
    if is_needed():
        replace_unquote(unquote)
