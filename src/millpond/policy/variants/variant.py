"""One variant of a path's answer: the host, and the values of what else of a request is part of the key."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from millpond.policy.entry import Headers

HOST = "host"
LANGUAGE = "accept-language"
COOKIE, HEADER = "cookie:", "header:"
"""The prefixes of the other names in `cache_vary`."""

_UNQUOTED = "/:*[]"


@dataclass(frozen=True)
class Variant:
    """What a render for everybody may read of a request, besides path and query: the parts of the key."""

    host: str | None = None
    """As `normal_host` returns it; None: it isn't part of the key, or a live run's is none."""
    values: tuple[tuple[str, str], ...] = ()
    """By name, as in `cache_vary`, and in its order."""

    @cached_property
    def text(self) -> str:
        """All of it, for keys and reports: `host=a.example&accept-language=de`."""
        host = () if self.host is None else ((HOST, self.host),)
        return urlencode((*host, *self.values), safe=_UNQUOTED)

    @cached_property
    def headers(self) -> Headers:
        """The headers that a request has which says this and nothing else; names are lower case."""
        host = () if self.host is None else ((b"host", self.host.encode("ascii")),)
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        cookies = ((b"cookie", cookie.encode("ascii")),) if cookie else ()
        named = tuple((_header(name).encode("ascii"), value.encode("ascii")) for name, value in self._of_headers)
        return (*host, *named, *cookies)

    @cached_property
    def cookies(self) -> dict[str, str]:
        """The cookies among the values, by their own names."""
        return {name.removeprefix(COOKIE): value for name, value in self.values if name.startswith(COOKIE)}

    @cached_property
    def header_names(self) -> frozenset[str]:
        """The headers that it has, in lower case, without the cookies'."""
        host = () if self.host is None else (HOST,)
        return frozenset((*host, *(_header(name) for name, _ in self._of_headers)))

    @property
    def _of_headers(self) -> list[tuple[str, str]]:
        return [each for each in self.values if not each[0].startswith(COOKIE)]

    def normalised(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """The headers of a request with these values in place of its own; the host stays as it was sent."""
        replaced = {name.encode("ascii") for name in self.header_names} - {HOST.encode("ascii")}
        kept = [pair for pair in headers if pair[0] not in replaced]
        if self.cookies:
            kept = [(name, self._without(value)) if name == b"cookie" else (name, value) for name, value in kept]
            kept = [pair for pair in kept if pair != (b"cookie", b"")]
        return [*kept, *(pair for pair in self.headers if pair[0] != HOST.encode("ascii"))]

    def _without(self, cookies: bytes) -> bytes:
        pairs = (pair.strip(b" \t") for pair in cookies.split(b";"))
        own = {name.encode("ascii") for name in self.cookies}
        return b"; ".join(pair for pair in pairs if pair and pair.partition(b"=")[0].strip(b" \t") not in own)


def _header(name: str) -> str:
    return name.removeprefix(HEADER)
