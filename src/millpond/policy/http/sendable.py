"""Whether an answer can be written as HTTP. The same check holds for stored and for sent answers.

A client reads bytes beyond the declared end of an answer as the next answer of the connection, and text after a line
break in a header as the next header. So Millpond writes neither (RFC 9110 §5.5, RFC 9112 §6.3, §11.1).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

BODILESS = frozenset({204, 205, 304})
"""Statuses whose answers have no body (RFC 9110 §15.3.5, §15.3.6, §15.4.5)."""

_LENGTHLESS = frozenset({204, 304})
"""Statuses sent without a Content-Length: a 204 must not have one (§8.6), a 304's would be another answer's."""

_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_SHOWN = 60
"""The maximum bytes of a header's name in a message: a client may have chosen the name."""


def fault(status: object, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Why an answer can't be sent; None when it can. It may name a header, but never its value.

    Args:
        status: from 200 to 599; lower ones are interim responses.
        headers: names in any case.
    """
    if not isinstance(status, int) or not 200 <= status <= 599:
        return f"its status is {status!r}, which isn't from 200 to 599"
    for name, value in headers:
        if not _NAME.fullmatch(name):
            return f'"{_shown(name)}" is not a valid header name'
        if not _VALUE.fullmatch(value):
            return f'its header "{_shown(name)}" holds a line break or a control character'
    return None


def stored_fault(status: object, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Like `fault`, for an answer that is stored: it must not have framing headers, which the server adds."""
    headers = tuple(headers)
    for name, _ in headers:
        if name.lower() in _FRAMING:
            return f'its header "{_shown(name)}" is set when an answer is sent'
    return fault(status, headers)


def unframed(headers: Iterable[tuple[bytes, bytes]]) -> tuple[list[tuple[bytes, bytes]], list[bytes], int]:
    """The headers without the framing headers, and what these said.

    The server chooses the transfer coding: a handler that passes on the headers of an upstream's answer doesn't mean
    to choose it. Names are lower case.

    Returns:
        The other headers; the values of the Content-Length headers; and where among the others the first of these
        stood, which is their end if there was none.
    """
    kept, lengths, place = [], [], None
    for pair in headers:
        if pair[0] not in _FRAMING:
            kept.append(pair)
        elif pair[0] == b"content-length":
            lengths.append(pair[1])
            place = len(kept) if place is None else place
    return kept, lengths, len(kept) if place is None else place


def length_headers(status: int, body: bytes) -> list[tuple[bytes, bytes]]:
    """The Content-Length header of a complete answer, if its status allows one (RFC 9110 §8.6)."""
    return [] if status in _LENGTHLESS else [(b"content-length", b"%d" % len(body))]


def _shown(name: bytes) -> str:
    return ascii(name[:_SHOWN].decode("latin-1"))[1:-1]
