"""The size of headers, for limits in bytes: that of their lines in an HTTP/1.1 head."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

FIELD_OVERHEAD = 4
"""Bytes of a line in addition to name and value: the colon, the space and the line break (RFC 9112 §5)."""


def header_size(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """The total size of the header lines, in bytes."""
    return sum(len(name) + len(value) + FIELD_OVERHEAD for name, value in headers)
