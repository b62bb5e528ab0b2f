"""No-Vary-Search: which parameters of a query an answer doesn't depend on, so that caches share it among URLs.

The header is that of draft-ietf-httpbis-no-vary-search, a dictionary of structured fields (RFC 9651).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from millpond.policy.entry import Headers

NAME = b"no-vary-search"

_LONGEST = 2048
"""Bytes. With more than that the header costs more than it saves."""


@lru_cache(maxsize=1024)
def no_vary_search(names: tuple[str, ...]) -> Headers:
    """The header of answers whose key has these parameters of the query, and no others; none if it would be too long.

    It claims no more than `canonical_query` does: URLs that are equivalent by the header have one key.
    """
    if not names:
        return ((NAME, b"params"),)
    value = f"key-order, params, except=({' '.join(filter(None, map(_member, dict.fromkeys(names))))})"
    return ((NAME, value.encode("ascii")),) if len(value) <= _LONGEST else ()


def _member(name: str) -> str | None:
    """A name as a string of structured fields, which is ASCII; None if no URL can have it."""
    try:
        return f'"{quote(name, safe="")}"'
    except UnicodeEncodeError:  # a lone surrogate
        return None
