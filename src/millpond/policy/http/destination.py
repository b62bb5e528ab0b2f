"""Where a redirect leads: a path of the application, or a URL of another host, with the parameters of a pattern.

What a visitor chooses stays inside its segment, or its part of the query: it can't name a host, climb out of a folder,
or begin a header.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, unquote_plus

from millpond.policy.http.path_pattern import PARAMETER, InvalidPattern

if TYPE_CHECKING:
    from collections.abc import Collection

    from millpond.policy.http.path_pattern import Params

_SEGMENT = "!$&'()*+,;=:@"  # with the unreserved characters: all that a segment may hold (RFC 3986 §3.3)
_WRITTEN = f"%{_SEGMENT}/?"
_SENT = f'{_WRITTEN}[]{{}}|^`"<>\\'
"""What a query that a client has sent may hold; RFC 3986 allows less, but clients send it."""
_ORIGIN = re.compile(r"https?://(?:\[[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?", re.ASCII)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Destination:
    """A URL with parameters."""

    origin: str
    """Scheme and host; "" for a path of the application."""
    segments: tuple[tuple[str, bool], ...]
    """Of the path: encoded text and False, or a parameter and True."""
    ends_in_slash: bool
    query: tuple[tuple[str, bool], ...] | None
    """Pieces: encoded text and False, or a parameter and True."""
    fragment: str

    @classmethod
    def parse(cls, text: str, parameters: Collection[str]) -> Destination:
        """The destination that `text` writes.

        Args:
            text: a path that begins with one slash, or a URL with http or https.
            parameters: those of the pattern, as they are written.

        Raises:
            InvalidPattern: it is neither, or has a parameter that the pattern doesn't have.
        """
        origin, rest = _origin(text)
        if _BAD_ESCAPE.search(rest):
            raise InvalidPattern('its destination has a "%" that starts no escape; write %25 for one')
        rest, hashed, fragment = rest.partition("#")
        path, asks, query = rest.partition("?")
        if "//" in path:
            raise InvalidPattern("its destination has two slashes where one is meant")
        if PARAMETER.search(fragment):
            raise InvalidPattern("the fragment of its destination can have no parameters")
        segments = tuple(_segment(part, parameters) for part in path.split("/") if part)
        return cls(
            origin,
            segments,
            path.endswith("/"),
            tuple(_pieces(query, parameters)) if asks else None,
            f"#{quote(fragment, safe=_WRITTEN)}" if hashed else "",
        )

    def fill(self, params: Params, sent: bytes = b"") -> str:
        """The URL; a path of the application begins with exactly one slash.

        Args:
            params: what the pattern took.
            sent: the query of the request, where it is kept. Of a name that the destination has a value for itself,
                the request's are dropped.
        """
        query = self._query(params, sent)
        asks = "" if query is None else f"?{query}"
        return f"{self.origin}{self._path(params)}{asks}{self.fragment}"

    def path(self, params: Params) -> list[str]:
        """The decoded segments of the path, where parameters stand for themselves."""
        return [
            segment
            for text, is_parameter in self.segments
            for segment in (params[text] if is_parameter else (unquote(text),))
        ]

    def _path(self, params: Params) -> str:
        parts: list[str] = []
        for text, is_parameter in self.segments:
            if is_parameter:
                parts.extend(quote(segment, safe=_SEGMENT) for segment in params[text])
            else:
                parts.append(text)
        path = "".join(f"/{part}" for part in parts)
        if not path:
            return "/" if self.ends_in_slash or not self.origin else ""
        return f"{path}/" if self.ends_in_slash else path

    def _query(self, params: Params, sent: bytes) -> str | None:
        kept = quote(sent, safe=_SENT) if sent else None
        if self.query is None:
            return kept
        own = "".join(
            quote("/".join(params[text]), safe="") if is_parameter else text for text, is_parameter in self.query
        )
        if kept is None:
            return own
        names = {_name(pair) for pair in own.split("&")}
        others = [pair for pair in kept.split("&") if _name(pair) not in names]
        return "&".join([own, *others]) if own else "&".join(others)


def _name(pair: str) -> str:
    return unquote_plus(pair.partition("=")[0])


def _origin(text: str) -> tuple[str, str]:
    """Scheme and host, and the rest."""
    if text.startswith("//"):
        raise InvalidPattern(f'its destination names a host without a scheme; write "https:{text}"')
    if text.startswith("/"):
        return "", text
    found = _ORIGIN.match(text)
    if found is None and PARAMETER.search(text.partition("://")[2].partition("/")[0]):
        raise InvalidPattern("a parameter in the host of a destination would lead visitors to any host")
    if found is None or text[found.end() :][:1] not in ("", "/", "?", "#"):
        raise InvalidPattern('its destination must be a path such as "/new/[slug]", or a URL with https:// or http://')
    return found[0], text[found.end() :]


def _segment(part: str, parameters: Collection[str]) -> tuple[str, bool]:
    if PARAMETER.fullmatch(part):
        return _known(part, parameters), True
    if "[" in part or "]" in part:
        raise InvalidPattern(f'"{part}" in its destination is no parameter: write it as a whole segment')
    if part.lower().replace("%2e", ".") in (".", ".."):
        raise InvalidPattern("its destination has a segment . or ..; write the path that it means")
    return quote(part, safe=f"%{_SEGMENT}"), False


def _pieces(query: str, parameters: Collection[str]) -> list[tuple[str, bool]]:
    pieces: list[tuple[str, bool]] = []
    at = 0
    for found in PARAMETER.finditer(query):
        pieces += [(quote(query[at : found.start()], safe=_WRITTEN), False), (_known(found[0], parameters), True)]
        at = found.end()
    return [*pieces, (quote(query[at:], safe=_WRITTEN), False)]


def _known(written: str, parameters: Collection[str]) -> str:
    if written in parameters:
        return written
    has = f"has {', '.join(parameters)}" if parameters else "has no parameters"
    raise InvalidPattern(f"its destination has the parameter {written}, but its source {has}")
