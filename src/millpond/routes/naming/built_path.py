"""From a route and the values of its parameters to the path, encoded."""

from __future__ import annotations

import re
from datetime import date, time
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, NoReturn
from uuid import UUID

from millpond.errors import UsageError
from millpond.messages import closest, one_of
from millpond.routes.endpoints.bracketed_path import bracketed
from millpond.routes.folder import identifier
from millpond.routes.path import DOT_SEGMENTS, canonical, decoded_or_as_it_is

if TYPE_CHECKING:
    from collections.abc import Mapping

PARAMETER = re.compile(r"\[\[\.\.\.(?P<any>[^\[\]]+)\]\]|\[\.\.\.(?P<many>[^\[\]]+)\]|\[(?P<one>[^\[\].][^\[\]]*)\]")
"""A parameter of a pattern, wherever it stands: endpoints may have several in one segment."""
_WITH_SLASHES = re.compile(r"{([^\W\d]\w*):path}")
_SIMPLE = (str, int, float, Decimal, UUID, date, time)


class NoSuchPath(ValueError):
    """No path has such a value; the message says why."""


def path_of(route: str, /, **params: object) -> str:
    """The path of a route for the values of its parameters, percent-encoded: what a request for it has.

    `path_of("/p/[slug]", slug="50% off")` is "/p/50%25%20off". It needs no application, and has no base path.

    Args:
        route: its pattern, "/p/[slug]" or "/p/{slug}"; groups of folders, such as "(main)", are left out.
        params: the decoded values, by the names of the parameters. Text, numbers, dates, UUIDs and enumerations of
            them; for a catch-all a list of such, for `{rest:path}` also one text with slashes.

    Raises:
        UsageError: a parameter is missing or unknown, or its value can't be a part of a path.
    """
    try:
        return canonical(built_segments("path_of()", route, params))
    except NoSuchPath as error:
        raise UsageError(f"path_of(): {error}.") from None


def built_segments(function: str, route: str, params: Mapping[str, object]) -> list[str]:
    """The decoded segments of the path.

    Args:
        function: that was called, for messages.
        route: as in `path_of`.
        params: as in `path_of`.

    Raises:
        UsageError: a parameter is missing or unknown, or of a type that no path has.
        NoSuchPath: a value is one that no path has; it may come from elsewhere.
    """
    check_text(function, route)
    if not route.startswith("/"):
        raise UsageError(f'{function}: "{route}" has no leading slash; write "/{route}".')
    if not is_unicode(route) or "\0" in route:
        raise NoSuchPath(f"no path can hold {route!a}")
    slashed = {identifier(name) for name in _WITH_SLASHES.findall(route)}
    values = _Values(function, route, params, slashed)
    segments: list[str] = []
    for part in bracketed(route).split("/"):
        if part and not is_group(part):
            segments += values.filled(part)
    values.refuse_unused()
    for segment in segments:
        if segment in DOT_SEGMENTS:
            raise NoSuchPath(f'no path has the segment "{segment}": clients take it away')
    return segments


def check_text(function: str, path: object) -> None:
    """Raises UsageError: a path or pattern is no text."""
    if not isinstance(path, str):
        raise UsageError(f'{function}: {_kind(path)} is no path: give text such as "/products/7".')


def has_parameter(route: object, name: str) -> bool:
    """Whether a text is a pattern with a parameter of this name."""
    found = PARAMETER.finditer(bracketed(route)) if isinstance(route, str) else ()
    return name in {identifier(each["any"] or each["many"] or each["one"]) for each in found}


class _Values:
    """The values of a call, as the parts of its pattern ask for them."""

    def __init__(self, function: str, route: str, params: Mapping[str, object], slashed: set[str]) -> None:
        self._function, self._route, self._slashed = function, route, slashed
        self._values = {identifier(name): _Given(name, value) for name, value in params.items()}
        found = PARAMETER.finditer(bracketed(route))
        self._known = {identifier(each["any"] or each["many"] or each["one"]) for each in found}

    def filled(self, part: str) -> list[str]:
        """The segments of one part of the pattern."""
        rest = PARAMETER.fullmatch(part)
        if rest is not None and rest["one"] is None:
            return self._many(rest["any"] or rest["many"], may_be_empty=rest["any"] is not None)
        text, end = "", 0
        for found in PARAMETER.finditer(part):
            text += decoded_or_as_it_is(part[end : found.start()]) + self._text_of(found)
            end = found.end()
        return [text + decoded_or_as_it_is(part[end:])]

    def _text_of(self, found: re.Match[str]) -> str:
        if found["one"] is None:
            return "/".join(self._many(found["any"] or found["many"], may_be_empty=found["any"] is not None))
        given = self._given(found["one"])
        return self._text(given.name, given.value)

    def _many(self, name: str, *, may_be_empty: bool) -> list[str]:
        given = self._given(name, optional=may_be_empty)
        value = given.value
        if may_be_empty and value is None:
            return []
        if isinstance(value, str) and identifier(name) in self._slashed:
            value = [part for part in value.split("/") if part]
        if not isinstance(value, list | tuple):
            self._refuse(f'{_kind(value)} is no value for "{given.name}": a catch-all takes a list')
        if not value and not may_be_empty:
            raise NoSuchPath(f'"{given.name}" of {self._route} is empty, and the path needs at least one segment of it')
        return [self._text(given.name, each) for each in value]

    def _text(self, name: str, value: object) -> str:
        while isinstance(value, Enum):
            value = value.value
        if isinstance(value, bool) or not isinstance(value, _SIMPLE):
            self._refuse(f'{_kind(value)} is no value for "{name}": give text, a number, a date or a UUID')
        text = str.__str__(value) if isinstance(value, str) else str(value)
        if not text:
            raise NoSuchPath(f'"{name}" of {self._route} is empty, and no segment of a path is')
        if "\0" in text or not is_unicode(text):
            raise NoSuchPath(f'"{name}" of {self._route} is {text!a}, which no path can hold')
        return text

    def _given(self, name: str, *, optional: bool = False) -> _Given:
        key = identifier(name)
        if key not in self._values and optional:
            return _Given(name, None)
        if key not in self._values:
            meant = closest(key, self._values.keys() - self._known)
            instead = f" in place of {meant}=…" if meant else ""
            self._refuse(f'{self._route} has the parameter "{name}", which has no value: write {key}=…{instead}')
        return self._values[key]

    def refuse_unused(self) -> None:
        """Raises UsageError: a value is for no parameter."""
        unused = [given.name for key, given in self._values.items() if key not in self._known]
        if unused:
            guess, known = closest(unused[0], self._known), sorted(self._known)
            meant = f'; did you mean "{guess}"?' if guess else f"; it has {one_of(known)}" if known else ""
            self._refuse(f'{self._route} has no parameter "{unused[0]}"{meant}')

    def _refuse(self, reason: str) -> NoReturn:
        raise UsageError(f"{self._function}: {reason}{'' if reason.endswith('?') else '.'}")


class _Given(NamedTuple):
    name: str
    value: object


def is_group(folder: str) -> bool:
    """Whether it is a route group like "(main)", which URLs leave out. "Mercury_(planet)" is an ordinary segment."""
    return folder.startswith("(") and folder.endswith(")")


def is_unicode(text: str) -> bool:
    """Whether it has no half of a surrogate pair, which isn't text and can't be encoded."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _kind(value: object) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"
