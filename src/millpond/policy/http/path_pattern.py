"""Patterns of URL paths, as `[[headers]]` and `[[redirects]]` have them: `/old/[slug]`, `/docs/[...path]`.

They are written as folders of routes are, and mean the same: parameters are whole segments, which are decoded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Params = Mapping[str, tuple[str, ...]]
    """By the parameter as it is written, `[slug]`, the decoded segments that it took."""

PARAMETER = re.compile(r"\[(?:(?P<any>\[\.\.\.)|(?P<many>\.\.\.))?[^\[\].][^\[\]]*\](?(any)\])")
"""A parameter, as it is written."""

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ELSEWHERE = re.compile(r":.*|.*\{.*|\*+|.*\(.*\)|<.*>")
"""How other frameworks write parameters."""
_SAMPLE = "\0"
"""A segment that no path has, and that parameters alone take."""
_DEEP = 70
"""Segments; more than any pattern has."""


class InvalidPattern(ValueError):
    """A pattern, or a destination, means nothing; the message says why, and what to write."""


class _Rest(NamedTuple):
    """A catch-all."""

    written: str
    least: int
    """How many segments it takes at least."""


@dataclass(frozen=True, slots=True)
class PathPattern:
    """One path, or many that differ in their parameters."""

    fixed: tuple[tuple[str, bool], ...]
    """For each segment but a catch-all: its decoded text and False, or a parameter as it is written and True."""
    rest: _Rest | None

    @classmethod
    def parse(cls, text: str) -> PathPattern:
        """The pattern that `text` writes. Slashes at its end mean nothing.

        Raises:
            InvalidPattern: it doesn't begin with a slash, a segment is neither literal nor a parameter, or two
                parameters have one name.
        """
        if not text.startswith("/") or "//" in text:
            raise InvalidPattern('it must look like "/old/[slug]": with a leading slash, and no doubled one')
        if "?" in text or "#" in text:
            raise InvalidPattern("a pattern is for paths, so it has no query and no fragment; write %3F for a ?")
        parts = [part for part in text.split("/") if part]
        fixed: list[tuple[str, bool]] = []
        rest: _Rest | None = None
        for part in parts:
            if rest is not None:
                raise InvalidPattern(f"{rest.written} takes the rest of a path, so nothing can follow it")
            found = PARAMETER.fullmatch(part)
            if found is None:
                fixed.append((_literal(part), False))
            elif found["any"] or found["many"]:
                rest = _Rest(part, 0 if found["any"] else 1)
            else:
                fixed.append((part, True))
        pattern = cls(tuple(fixed), rest)
        names = [written.strip("[].") for written in pattern.parameters]
        if len(set(names)) < len(names):
            raise InvalidPattern("two of its parameters have the same name")
        return pattern

    @property
    def parameters(self) -> tuple[str, ...]:
        """As they are written."""
        single = tuple(text for text, is_parameter in self.fixed if is_parameter)
        return single if self.rest is None else (*single, self.rest.written)

    @property
    def shape(self) -> tuple[object, ...]:
        """Equal for patterns of the same paths."""
        fixed = tuple(None if is_parameter else text for text, is_parameter in self.fixed)
        return (fixed, None if self.rest is None else self.rest.least)

    def match(self, segments: Sequence[str]) -> Params | None:
        """The segments that each parameter takes; None where the path isn't one of these.

        Args:
            segments: of a path, decoded.
        """
        most = len(self.fixed)
        if len(segments) < most if self.rest is not None else len(segments) != most:
            return None
        taken: dict[str, tuple[str, ...]] = {}
        for (text, is_parameter), segment in zip(self.fixed, segments, strict=False):
            if is_parameter:
                taken[text] = (segment,)
            elif text != segment:
                return None
        if self.rest is not None:
            if len(segments) - most < self.rest.least:
                return None
            taken[self.rest.written] = tuple(segments[most:])
        return taken

    def samples(self) -> list[list[str]]:
        """Paths of this pattern whose parameters are as no other pattern's literals: the shortest, and a deep one."""
        fixed = [_SAMPLE if is_parameter else text for text, is_parameter in self.fixed]
        if self.rest is None:
            return [fixed]
        return [[*fixed, *[_SAMPLE] * number] for number in (self.rest.least, _DEEP)]


def _literal(part: str) -> str:
    if "[" in part or "]" in part:
        raise InvalidPattern(f'"{part}" is no parameter: write [name], [...name] or [[...name]] as a whole segment')
    if _ELSEWHERE.fullmatch(part):
        remedy = "write [name] for one segment, [...name] for one or more, [[...name]] for any number"
        raise InvalidPattern(f'"{part}" is not how a parameter is written here: {remedy}')
    if part in (".", ".."):
        raise InvalidPattern("no path has the segments . and .., as requests with them are redirected")
    text = None if _BAD_ESCAPE.search(part) else unquote_to_bytes(part)
    try:
        return (text or b"\xff").decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidPattern(f'"{part}" has a "%" that starts no escape of UTF-8 text; write %25 for one') from None
