"""What Millpond takes from inside Python's `http.cookies`, and the way without it."""

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
    """Let Python take cookies out of their quotes by `unquote`, in all of this process."""
    tell_unknown(NAMES)
    if UNQUOTE.is_known:
        setattr(http.cookies, UNQUOTE.name, unquote)
