"""Values of cookies, percent-encoded as JavaScript's `encodeURIComponent` has it, and back (R13.1, R13.2)."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

_UNESCAPED = "!*'()"
"""What `encodeURIComponent` leaves besides letters, digits and `-_.~` (ECMA-262 §19.2.6.4)."""

_NO_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~:0-9A-Za-z]+")
_NO_ATTRIBUTE = re.compile("[^ -:<-~]")


def encoded(value: str) -> str:
    """The value as a cookie holds it.

    Raises:
        ValueError: it has half of a surrogate pair, which UTF-8 can't hold.
    """
    return quote(value, safe=_UNESCAPED)


def decoded(value: str) -> str:
    """The value that a cookie means; as it is where it isn't percent-encoded UTF-8."""
    if "%" not in value or _NO_ESCAPE.search(value):
        return value
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        return value


def is_cookie_name(name: str) -> bool:
    """Whether a cookie can have this name: a token (RFC 6265 §4.1.1), in which browsers also take a colon."""
    return _NAME.fullmatch(name) is not None


def is_cookie_attribute(value: str) -> bool:
    """Whether a path or domain can stand in a Set-Cookie: ASCII without a semicolon or control character."""
    return _NO_ATTRIBUTE.search(value) is None
