"""`[cors]`: which pages of other origins may read the answers. The options are those of Starlette's CORSMiddleware."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from millpond.config.values.quantities import WholeSeconds

if TYPE_CHECKING:
    from collections.abc import Iterator

_ANY = "*"
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]+)?|null")
"""As browsers send it: in lower case, without a path (RFC 6454 §6.2)."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ANYBODY = "https://an-origin-that-nobody-would-allow.example"


class CorsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cross-origin resource sharing, for all answers of the application."""

    allow_origins: tuple[str, ...] = ()
    """Such as "https://shop.example"; or "*", any."""
    allow_methods: tuple[str, ...] = ("GET",)
    """"*": all usual ones."""
    allow_headers: tuple[str, ...] = ()
    """Of requests, besides those that are always allowed; "*": any."""
    allow_credentials: bool = False
    """Whether pages may send cookies, and read the answers to such requests."""
    allow_origin_regex: str | None = None
    """A regular expression for the whole origin."""
    allow_private_network: bool = False
    """Whether pages of public sites may reach a server in a private network."""
    expose_headers: tuple[str, ...] = ()
    """Of answers, that pages may read."""
    max_age: WholeSeconds = 600
    """Seconds for which a browser may remember a preflight."""

    @property
    def options(self) -> dict[str, Any]:
        """The keyword arguments for Starlette's CORSMiddleware."""
        return {name: getattr(self, name) for name in self.__struct_fields__}

    @property
    def trusts_anybody(self) -> bool:
        """Whether any site can act, and read, with the cookies of its visitors."""
        if not self.allow_credentials:
            return False
        by_regex = self.allow_origin_regex is not None and re.fullmatch(self.allow_origin_regex, _ANYBODY)
        return _ANY in self.allow_origins or bool(by_regex)

    def problems(self) -> Iterator[str]:
        """What is wrong with the values."""
        if not self.allow_origins and self.allow_origin_regex is None:
            yield '[cors] allows no origin: set "allow_origins" or "allow_origin_regex", or delete the table.'
        for origin in self.allow_origins:
            if origin != _ANY and not _ORIGIN.fullmatch(origin):
                yield f'"cors.allow_origins" has "{origin}", which no browser sends; {_origin_like(origin)}'
        try:
            re.compile(self.allow_origin_regex or "")
        except re.error as error:
            yield f'"cors.allow_origin_regex" is no regular expression: {error}.'
        for name, values in (
            ("allow_methods", self.allow_methods),
            ("allow_headers", self.allow_headers),
            ("expose_headers", self.expose_headers),
        ):
            for value in values:
                if not _TOKEN.fullmatch(value):
                    yield f'"cors.{name}" has "{value}", which is not a name; write each as a string of its own.'
        for method in self.allow_methods:
            if method != method.upper():
                yield f'"cors.allow_methods" has "{method}"; did you mean "{method.upper()}"?'
        if self.max_age < 0:
            yield f'"cors.max_age" is {self.max_age}; it must be 0 or more.'


def _origin_like(text: str) -> str:
    """What to write in place of something that is no origin."""
    found = _ORIGIN.match(text.strip().lower())
    if found is not None and found[0] != "null":
        return f'did you mean "{found[0]}"?'
    if _ANY in text:
        return 'for several hosts set "allow_origin_regex".'
    return 'an origin looks like "https://shop.example".'
