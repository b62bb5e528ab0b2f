"""The draft mode cookie (R10.1), and how to find it in the headers of a request."""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

DRAFT_COOKIE = "__prerender_bypass"
DRAFT_COOKIE_BYTES = DRAFT_COOKIE.encode("ascii")
"""A request without these bytes in a Cookie header isn't in draft mode. With them, `is_draft` decides."""

_VALUE = re.compile(rb'(?:^|;)[ \t]*%s[ \t]*=[ \t]*"?([^;"\\ \t]*)' % re.escape(DRAFT_COOKIE_BYTES))
"""Finds this cookie without parsing the others: any client can send any cookies, also malformed ones."""


def is_draft(headers: Iterable[tuple[bytes, bytes]], secret: str) -> bool:
    """Whether a request has the cookie with the right value. The comparison takes constant time.

    Args:
        headers: the request's headers, with lower-case names.
        secret: the expected value of the cookie, which is the build's preview id.
    """
    if not secret:  # a build's: it has no editors, and an empty cookie must not make one
        return False
    wanted = secret.encode("latin-1")
    for name, value in headers:
        if name == b"cookie" and DRAFT_COOKIE_BYTES in value:
            for given in _VALUE.findall(value):
                if hmac.compare_digest(given, wanted):
                    return True
    return False
