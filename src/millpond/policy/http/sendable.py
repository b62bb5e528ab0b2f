"""May an answer go onto the wire as it is? One predicate, for what is stored and for what is sent alike.

What follows a head that says it ends there is read as the next answer of the connection, and what follows a line break
in a header as the next header. So neither is ever written (RFC 9110 §5.5, RFC 9112 §6.3, §11.1).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

BODILESS = frozenset({204, 205, 304})
"""Statuses whose answers have no body (RFC 9110 §15.3.5, §15.3.6, §15.4.5)."""

_LENGTHLESS = frozenset({204, 304})
"""Those that end with their head, and say no length: 204 must not (§8.6), and of 304 it would be another answer's."""

_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_SHOWN = 60
"""Bytes of a header's name in a message: whoever asks may have chosen it."""


def fault(status: object, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Why an answer can't be sent; None when it can. It names a header, and never its value.

    Args:
        status: from 200 to 599; those below announce another answer.
        headers: names in any case.
    """
    if not isinstance(status, int) or not 200 <= status <= 599:
        return f"its status is {status!r}, and answers have one from 200 to 599"
    for name, value in headers:
        if not _NAME.fullmatch(name):
            return f'"{_shown(name)}" is no name for a header'
        if not _VALUE.fullmatch(value):
            return f'its header "{_shown(name)}" holds a line break or a control character'
    return None


def stored_fault(status: object, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """As `fault`, of an answer that is stored: it leaves it to who sends it to say where it ends."""
    headers = tuple(headers)
    for name, _ in headers:
        if name.lower() in _FRAMING:
            return f'its header "{_shown(name)}" is made when an answer is sent'
    return fault(status, headers)


def unframed(headers: Iterable[tuple[bytes, bytes]]) -> tuple[list[tuple[bytes, bytes]], list[bytes]]:
    """The headers without those that say where the answer ends, and the lengths that were declared.

    The transfer coding is the server's affair: a handler that passes on the headers of another answer doesn't mean
    that one's. Names are lower case.
    """
    kept, lengths = [], []
    for pair in headers:
        if pair[0] not in _FRAMING:
            kept.append(pair)
        elif pair[0] == b"content-length":
            lengths.append(pair[1])
    return kept, lengths


def length_headers(status: int, body: bytes) -> list[tuple[bytes, bytes]]:
    """The Content-Length of a whole answer, where one of that status has any (RFC 9110 §8.6)."""
    return [] if status in _LENGTHLESS else [(b"content-length", b"%d" % len(body))]


def _shown(name: bytes) -> str:
    return ascii(name[:_SHOWN].decode("latin-1"))[1:-1]
