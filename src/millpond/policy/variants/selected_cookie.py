"""One cookie of a request, found without parsing the others: any client can send any cookies."""

from __future__ import annotations

import re

from millpond.policy.variants.variant import COOKIE


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

    def value_in(self, line: bytes) -> bytes | None:
        """The last value that a Cookie header has for it, as Starlette reads them; None: it has none."""
        at = line.find(self._begins)
        is_usual = at >= 0 and (at == 0 or line[at - 2 : at] == b"; ") and line.find(self._name, at + 1) < 0
        if is_usual:  # "a=b; name=value", as all browsers write it
            ends = line.find(b";", at)
            return line[at + len(self._begins) : None if ends < 0 else ends].strip(b" \t")
        values = self._anywhere.findall(line) if self._name in line else None
        return values[-1].strip(b" \t") if values else None
