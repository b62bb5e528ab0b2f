"""What of a request selects a variant of a route's answers: `cache_host` and `cache_vary`."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice, product
from typing import TYPE_CHECKING, NamedTuple

from millpond.policy.http.cookie_value import decoded
from millpond.policy.variants.language import chosen_language
from millpond.policy.variants.request_host import is_listed, is_pattern, normal_host
from millpond.policy.variants.selected_cookie import SelectedCookie
from millpond.policy.variants.variant import COOKIE, HEADER, HOST, LANGUAGE, Variant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from millpond.policy.entry import Headers

Offered = tuple[tuple[str, tuple[str, ...]], ...]
"""What `cache_vary` says: by name, the values in the key; the first is the default."""

NOBODYS_HOST = "localhost"
"""What is taken for the host where nobody names one, and none is listed."""
_BAD_REQUEST, _MISDIRECTED = 400, 421
_LONGEST_VALUE = 1024
"""Bytes of one value of a header; a longer one counts as the default."""


class NoVariant(Exception):
    """A request selects no variant, and is refused.

    Attributes:
        status: 400: it has no host that could be part of a key; 421: its host isn't listed (RFC 9110 §15.5.20).
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class Selection:
    """Reads of a request's headers what decides its variant: each hit of such a route does."""

    __slots__ = ("_cookies", "_names")

    def __init__(self, variation: Variation) -> None:
        self._cookies = [
            SelectedCookie(name.removeprefix(COOKIE)) for name, _ in variation.offered if name.startswith(COOKIE)
        ]
        names = {_header_of(name) for name, _ in variation.offered} | ({b"host"} if variation.host else set())
        self._names = frozenset(names)

    def of(self, headers: Iterable[tuple[bytes, bytes]]) -> Headers:
        """The pairs that decide: equal ones select the same variant.

        Args:
            headers: names are lower case.
        """
        names, cookies = self._names, self._cookies
        if not cookies:
            return tuple([pair for pair in headers if pair[0] in names])
        chosen: list[tuple[bytes, bytes]] = []
        lines: list[bytes] = []
        for pair in headers:
            if pair[0] in names:
                if pair[0] == b"cookie":
                    lines.append(pair[1])
                else:
                    chosen.append(pair)
        if lines:
            for cookie in cookies:
                value = cookie.value_in(lines)
                if value is not None:
                    chosen.append((cookie.label, value))
        return tuple(chosen)


class Variation(NamedTuple):
    """The specification of one route."""

    host: bool = False
    hosts: tuple[str, ...] = ()
    """The hosts that there are, as `listed_host` returns them; empty: any."""
    offered: Offered = ()

    @property
    def selection(self) -> Selection:
        """What reads of a request what decides; the same object for equal specifications."""
        return _selection_of(self)

    def variant_of(self, selected: Headers) -> Variant:
        """The variant of a request that is answered for everybody.

        Args:
            selected: what `Selection.of` returned.

        Raises:
            NoVariant: there is none.
        """
        host = self._host_of(selected) if self.host else None
        return Variant(host, self._values_of(selected))

    def live_variant_of(self, selected: Headers) -> Variant:
        """The same of a request that is answered live: there the host is as it may be."""
        try:
            return self.variant_of(selected)
        except NoVariant:
            return Variant(None, self._values_of(selected))

    def _host_of(self, selected: Headers) -> str:
        given = [value for name, value in selected if name == b"host"]
        if len(given) != 1:
            raise NoVariant(_BAD_REQUEST, "the request needs one Host header")
        host = normal_host(given[0].decode("latin-1"))
        if host is None:
            raise NoVariant(_BAD_REQUEST, "the request's Host is no host name")
        if self.hosts and not is_listed(host, self.hosts):
            raise NoVariant(_MISDIRECTED, "the request's host isn't served here")
        return host

    def _values_of(self, selected: Headers) -> tuple[tuple[str, str], ...]:
        return tuple((name, _value_of(name, values, selected)) for name, values in self.offered)

    @property
    def known_hosts(self) -> tuple[str, ...]:
        """The hosts that a build can render for."""
        return tuple(host for host in self.hosts if not is_pattern(host))

    def named(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """The headers of a request that a tool asks about; where they name no host, with the first that is listed."""
        given = list(headers)
        if not self.host or any(name == b"host" for name, _ in given):
            return given
        return [*given, (b"host", next(iter(self.known_hosts), NOBODYS_HOST).encode("ascii"))]

    @property
    def is_finite(self) -> bool:
        """Whether all hosts are known, or the host is no part of the key."""
        return not self.host or (bool(self.hosts) and self.known_hosts == self.hosts)

    @property
    def combinations(self) -> int:
        """How many combinations of values there are, of one host."""
        number = 1
        for _, values in self.offered:
            number *= len(values)
        return number

    def known(self, most: int) -> list[Variant]:
        """The variants that a build renders, the default first: of each known host all combinations of values.

        Args:
            most: of the combinations of one host; where there are more, only the default is rendered.
        """
        hosts: tuple[str | None, ...] = self.known_hosts if self.host else (None,)
        names, values = [name for name, _ in self.offered], [offered for _, offered in self.offered]
        each = list(islice(product(*values), self.combinations if self.combinations <= most else 1))
        return [Variant(host, tuple(zip(names, chosen, strict=True))) for host in hosts for chosen in each]

    @property
    def vary(self) -> tuple[bytes, ...]:
        """The names of headers for `Vary`, in lower case. The host is part of the URL, so it needs none."""
        return tuple(dict.fromkeys(_header_of(name) for name, _ in self.offered))

    @property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """By what is part of the key, its values; no values for a host that may be any."""
        return {**({HOST: self.hosts} if self.host else {}), **dict(self.offered)}


def _header_of(name: str) -> bytes:
    return b"cookie" if name.startswith(COOKIE) else name.removeprefix(HEADER).encode("ascii")


@lru_cache(maxsize=1024)
def _selection_of(variation: Variation) -> Selection:
    return Selection(variation)


def _value_of(name: str, offered: tuple[str, ...], selected: Headers) -> str:
    """The offered value that a request has; the first, where it has none of them."""
    key = name.removeprefix(HEADER).encode("ascii")
    lines = [value for found, value in selected if found == key]
    if not lines or sum(map(len, lines)) > _LONGEST_VALUE:
        return offered[0]
    text = ",".join(line.decode("latin-1") for line in lines)
    if name == LANGUAGE:
        return chosen_language(text, offered)
    text = text.strip(" \t")
    if name.startswith(COOKIE):
        text = decoded(text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text)
    return text if text in offered else offered[0]
