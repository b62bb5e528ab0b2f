"""The private name of Python's `http.cookies` that Millpond uses, and the fallback without it."""

from __future__ import annotations

import http.cookies
from typing import TYPE_CHECKING

from millpond.internals.private_name import PrivateName, tell_unknown

if TYPE_CHECKING:
    from collections.abc import Callable

UNQUOTE = PrivateName(
    "http.cookies", "_unquote", "a cookie of n backslashes takes n² steps (CVE-2024-7592): update Python", positional=1
)
NAMES = (UNQUOTE,)


def replace_unquote(unquote: Callable[[str | None], str | None]) -> None:
    """Make Python unquote cookie values with `unquote`, in this whole process."""
    tell_unknown(NAMES)
    if UNQUOTE.is_known:
        setattr(http.cookies, UNQUOTE.name, unquote)
