"""One cookie of a request, found without parsing the others: any client can send any cookies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from millpond.policy.variants.variant import COOKIE

if TYPE_CHECKING:
    from collections.abc import Sequence


class SelectedCookie:
    """Finds the values of a cookie.

    Args:
        name: of the cookie.
    """

    __slots__ = ("_anywhere", "_begins", "_name", "label")

    def __init__(self, name: str) -> None:
        self._name = name.encode("ascii")
        self._begins = self._name + b"="
        self._anywhere = re.compile(rb"(?:^|;)[ \t]*%s[ \t]*=[ \t]*([^;]*)" % re.escape(self._name))
        self.label = f"{COOKIE}{name}".encode("ascii")
        """What `cache_vary` calls it."""

    def value_in(self, lines: Sequence[bytes]) -> bytes | None:
        """The last value that Cookie headers have for it, as Starlette reads them; None: they have none.

        Args:
            lines: the headers' values, one at least.
        """
        line, begins = lines[0], self._begins
        at = line.find(begins)
        if at >= 0 and len(lines) == 1 and (at == 0 or line[at - 2 : at] == b"; ") and line.count(self._name) == 1:
            value = line[at + len(begins) :]  # "a=b; name=value", as browsers write it
            return value if b";" not in value else value.partition(b";")[0].rstrip(b" \t")
        for line in reversed(lines):
            values = self._anywhere.findall(line) if self._name in line else None
            if values:
                last: bytes = values[-1]
                return last.strip(b" \t")
        return None
