"""Media types of the content of a QUERY: how they are written, compared and listed (RFC 9110 §8.3.1, RFC 10008)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Headers = tuple[tuple[bytes, bytes], ...]

ACCEPT_QUERY = b"accept-query"

_NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_TYPE = re.compile(rf"({_NAME}/{_NAME})[ \t]*")
_QUOTED = r'"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t -~])*"'
_PARAMETER = re.compile(rf";[ \t]*(?:({_NAME})=({_NAME}|{_QUOTED})[ \t]*)?")
_LONGEST = 1024
"""Bytes of a Content-Type; clients choose it, and it is part of what is kept."""
_STRUCTURED = re.compile(r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*")


class InvalidMediaType(ValueError):
    """A Content-Type is missing, is given twice, or isn't one; the text says what is wrong."""


class MediaType(NamedTuple):
    """One, in a form in which equal ones are equal."""

    name: str
    """In lower case: "application/json"."""
    parameters: tuple[tuple[str, str], ...] = ()
    """In their order: names in lower case, and values as they were written."""

    def __str__(self) -> str:
        return self.name + "".join(f"; {name}={value}" for name, value in self.parameters)

    @property
    def is_json(self) -> bool:
        return _is_json(self.name)

    @property
    def is_multipart(self) -> bool:
        return self.name.startswith("multipart/")

    @property
    def charset(self) -> str | None:
        """In lower case, without quotes."""
        found = next((value for name, value in self.parameters if name == "charset"), None)
        return None if found is None else found.strip('"').lower()

    def is_one_of(self, accepted: Sequence[str]) -> bool:
        """Whether a handler that takes `accepted`, media ranges, takes this. Without any, it takes all.

        Of JSON it takes all kinds. Parameters make no difference.
        """
        names = [each.partition(";")[0].strip().lower() for each in accepted]
        return not names or any(self._is_in(name) for name in names)

    def _is_in(self, name: str) -> bool:
        if name.endswith("/*"):
            return name == "*/*" or self.name.startswith(name[:-1])
        return self.name == name or (self.is_json and _is_json(name))


def media_type(values: Sequence[bytes]) -> MediaType:
    """The media type of a request.

    Args:
        values: of its Content-Type headers.

    Raises:
        InvalidMediaType: there isn't exactly one, or it can't be parsed.
    """
    if len(values) != 1:
        raise InvalidMediaType("Content-Type is given twice" if values else "Content-Type is missing")
    text = values[0].decode("latin-1").strip(" \t")
    found = _TYPE.match(text) if len(text) <= _LONGEST else None
    if found is None:
        raise InvalidMediaType("Content-Type is no media type")
    at, parameters = found.end(), []
    while at < len(text):
        part = _PARAMETER.match(text, at)
        if part is None:
            raise InvalidMediaType("Content-Type is no media type")
        if part[1] is not None:
            name = part[1].lower()
            parameters.append((name, part[2].lower() if name == "charset" else part[2]))
        at = part.end()
    return MediaType(found[1].lower(), tuple(parameters))


def accept_query(accepted: Iterable[str]) -> bytes:
    """The value of `Accept-Query`: a structured list of tokens, or strings where a type is no token (RFC 10008 §3)."""
    listed = [each if _STRUCTURED.fullmatch(each) else _string(each) for each in accepted]
    return ", ".join(listed).encode("ascii", "replace")


def with_accept_query(headers: Headers, accepted: Sequence[str]) -> Headers:
    """`headers` with `Accept-Query`, where something is accepted and they don't have it."""
    if not accepted or any(name == ACCEPT_QUERY for name, _ in headers):
        return headers
    return (*headers, (ACCEPT_QUERY, accept_query(accepted)))


def _string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _is_json(name: str) -> bool:
    return name == "application/json" or (name.startswith("application/") and name.endswith("+json"))
