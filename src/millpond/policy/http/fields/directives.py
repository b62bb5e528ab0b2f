"""The directives of Cache-Control: tokens, some with an argument, which may be quoted (RFC 9111 §5.2)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_DIRECTIVE = re.compile(rb'([!#$%&\'*+.^_`|~0-9a-z-]+)[ \t]*(?:=[ \t]*("(?:[^"\\]|\\.)*"|[^\s",]*))?', re.IGNORECASE)


def directives_of(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes | None]:
    """The directives of all lines together, by their lower-case names; names of headers are lower case.

    What is inside of quotes is no directive. Of one that is repeated the first counts (RFC 9111 §4.2.1).
    """
    found: dict[bytes, bytes | None] = {}
    line = b",".join(value for name, value in headers if name == b"cache-control")
    for match in _DIRECTIVE.finditer(line):
        value = match[2]
        found.setdefault(match[1].lower(), None if value is None else value.strip(b'"'))
    return found
