"""Range requests: which part of a representation is sent (RFC 9110 §14)."""

from __future__ import annotations

import re

MOST_RANGES = 100
"""A client that asks for more gets the whole: many small parts cost more than they save (RFC 9110 §14.2)."""

LONGEST = 4096
"""Bytes of a Range header; a longer one is ignored."""

_RANGE = re.compile(rb"([0-9]*)-([0-9]*)")


def satisfiable(value: bytes, size: int) -> bytes | None:
    """The ranges of a Range header that can be sent, as such a header; None if the whole is to be sent.

    The header is ignored if its unit isn't bytes, or if it is malformed (RFC 9110 §14.2). If none of its ranges can be
    satisfied, it is returned as it is: the answer is then 416.

    Args:
        value: of the header.
        size: of the representation, in bytes.
    """
    unit, equals, listed = value.partition(b"=")
    if not size or len(value) > LONGEST or not equals or unit.strip(b" \t").lower() != b"bytes":
        return None
    parts = [part for part in (each.strip(b" \t") for each in listed.split(b",")) if part]
    ranges = [_RANGE.fullmatch(part) for part in parts]
    if not parts or len(parts) > MOST_RANGES:
        return None
    kept = []
    for found in ranges:
        if found is None or not (found[1] or found[2]):
            return None
        first, last = found[1], found[2]
        if first and last and int(last) < int(first):
            return None
        if int(first) < size if first else int(last) > 0:
            kept.append(found[0])
    return b"bytes=" + b",".join(kept or parts)
