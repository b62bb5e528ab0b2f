"""The names of an application's routes: which paths and patterns mean one of them, and which is nearest."""

from __future__ import annotations

import re
from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import quote

from millpond.routes.endpoints.bracketed_path import bracketed
from millpond.routes.endpoints.matched_path import segments_of
from millpond.routes.folder import identifier
from millpond.routes.naming.built_path import PARAMETER
from millpond.routes.naming.likeness import Wanted
from millpond.routes.path import DOT_SEGMENTS, canonical, decoded_or_as_it_is, readable_segment
from millpond.routes.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from millpond.routes.folder import Segment

_LEAST_LIKENESS = 0.3
"""From 0 to 1; a name that is less like the wanted one is nobody's idea of it."""


class NamedRoute(NamedTuple):
    """A route, as far as paths and patterns name it."""

    patterns: Sequence[str]
    """All spellings of its pattern, the usual one first."""
    folders: str
    """The pattern with route groups."""
    segments: Sequence[Segment] | None
    """What a path is matched with; None where `fits` does that."""
    fits: Callable[[str], bool] | None = None
    """Whether a decoded path is one of its own."""


class Nameable(Protocol):
    """What a route says about its names."""

    @property
    def own_patterns(self) -> tuple[str, ...]: ...

    @property
    def folders(self) -> str: ...

    @property
    def segments(self) -> Sequence[Segment] | None: ...

    def taken(self, path: str) -> object | None: ...


def named(route: Nameable) -> NamedRoute:
    """The names of a route."""
    takes = None if route.segments is not None else lambda path: route.taken(path) is not None
    return NamedRoute(route.own_patterns, route.folders, route.segments, takes)


class RouteNames:
    """What the names of some routes are. All is found out at the first question.

    Args:
        routes: gives the routes.
        base_path: the prefix of all paths, which their names don't have.
    """

    def __init__(self, routes: Callable[[], Iterable[NamedRoute]], base_path: str = "") -> None:
        self._given, self.base_path = routes, base_path

    @classmethod
    def of(cls, routes: Sequence[Nameable], base_path: str) -> RouteNames:
        """Those of routes that have the caching model."""
        return cls(lambda: map(named, routes), base_path)

    @cached_property
    def _routes(self) -> list[NamedRoute]:
        return list(self._given())

    def pattern(self, text: str, *, below: bool) -> str | None:
        """The pattern or folder that a text is, as the routes have it; None: it is none of theirs.

        Args:
            text: with parameters in brackets or braces, in any spelling of these and of the literal parts.
            below: whether a folder above a route counts, too.
        """
        parts = _parts(text)
        exact, loose = self._heads if below else self._wholes
        return exact.get(_exact(parts)) or loose.get(_loose(parts))

    @cached_property
    def _wholes(self) -> tuple[dict[str, str], dict[str, str]]:
        return _by_spelling({whole for route in self._routes for whole in (*route.patterns, route.folders)})

    @cached_property
    def _heads(self) -> tuple[dict[str, str], dict[str, str]]:
        return _by_spelling(
            {head for route in self._routes for whole in (*route.patterns, route.folders) for head in _heads_of(whole)}
        )

    def has_path(self, segments: Sequence[str], *, below: bool) -> bool:
        """Whether a route of a file has a path, in decoded segments; with `below`, whether one below it may."""
        if not DOT_SEGMENTS.isdisjoint(segments):
            return False
        return next((self._above if below else self._table).match(segments), None) is not None

    def endpoint_path(self, decoded: str, *, below: bool) -> str | None:
        """The canonical path of a decoded one that an endpoint has; None: none does.

        FastAPI decodes a path as a whole, so a slash in a value is one between segments.
        """
        segments = [segment for segment in segments_of(decoded) if segment]
        if not DOT_SEGMENTS.isdisjoint(segments):
            return None
        spellings = dict.fromkeys((decoded, "/" + "/".join(segments)))
        for fits, pattern in self._endpoints:
            if any(map(fits, spellings)) or (below and _begins(pattern, segments)):
                return canonical(segments)
        return None

    @cached_property
    def _endpoints(self) -> list[tuple[Callable[[str], bool], str]]:
        return [(route.fits, route.patterns[0]) for route in self._routes if route.fits is not None]

    @cached_property
    def _table(self) -> Table[NamedRoute]:
        return Table((route.segments, route) for route in self._routes if route.segments is not None)

    @cached_property
    def _above(self) -> Table[NamedRoute]:
        return Table(
            (route.segments[:length], route)
            for route in self._routes
            if route.segments is not None
            for length in range(len(route.segments) + 1)
        )

    def with_slashes(self, parts: Sequence[str]) -> tuple[str, list[str]] | None:
        """The only path that a text can mean if the value of a parameter has slashes: the pattern and the segments.

        Args:
            parts: of a text that names no route, between its slashes.
        """
        if not DOT_SEGMENTS.isdisjoint(parts):
            return None
        found: list[tuple[int, str, list[str]]] = []
        for route in self._routes:
            pattern = route.segments
            places = [] if pattern is None else [at for at, segment in enumerate(pattern) if segment.dynamic]
            if pattern is None or len(places) != 1 or len(parts) < len(pattern):
                continue
            (at,) = places
            end = len(parts) - (len(pattern) - at - 1)
            segments = [*parts[:at], "/".join(parts[at:end]), *parts[end:]]
            literal = [segment.name == text for segment, text in zip(pattern, segments, strict=True) if segment.visible]
            if sum(literal) >= len(pattern) - 1 and segments[at].strip("/"):
                found.append((len(pattern), route.patterns[0], segments))
        if not found:
            return None
        most = max(length for length, _, _ in found)
        best = [(pattern, segments) for length, pattern, segments in found if length == most]
        return best[0] if len(best) == 1 else None

    def nearest(self, text: str) -> str | None:
        """The pattern that is most like a text; None: none is like it."""
        wanted = Wanted(_parts(text))
        best, likeness = None, _LEAST_LIKENESS
        for route in self._routes:
            found = wanted.likeness(_parts(route.patterns[0]), likeness)
            if found > likeness or (best is None and found == likeness):
                best, likeness = route.patterns[0], found
        return best

    def pattern_for(self, segments: Sequence[str]) -> str | None:
        """The pattern of the route of a file that has a path, if it has parameters."""
        found = next(self._table.match(segments), None)
        return found.route.patterns[0] if found is not None and found.params else None


def _parts(text: str) -> list[str]:
    return [part for part in bracketed(text).split("/") if part]


def _exact(parts: Iterable[str]) -> str:
    """One spelling of the literal parts of a pattern, which may be written decoded or not."""
    return "/" + "/".join(part if PARAMETER.search(part) else _literal(part) for part in parts)


def _literal(part: str) -> str:
    text = readable_segment(decoded_or_as_it_is(part))
    return re.sub(r"[\[\]{}]", lambda found: quote(found[0]), text)


def _loose(parts: Iterable[str]) -> str:
    """As `_exact`, without the kinds of parameters, and with names as handlers have them."""
    return _exact(
        PARAMETER.sub(lambda found: f"[{identifier(found['any'] or found['many'] or found['one'])}]", part)
        for part in parts
    )


def _by_spelling(wholes: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Patterns by their exact spelling; and by the loose one, where that means one of them only."""
    known = sorted(wholes)
    number = Counter(_loose(_parts(whole)) for whole in known)
    return (
        {_exact(_parts(whole)): whole for whole in known},
        {loose: whole for whole in known if number[loose := _loose(_parts(whole))] == 1},
    )


def _heads_of(whole: str) -> Iterator[str]:
    parts = [part for part in whole.split("/") if part]
    return ("/" + "/".join(parts[:end]) for end in range(len(parts) + 1))


def _begins(pattern: str, segments: Sequence[str]) -> bool:
    """Whether paths of an endpoint may begin with these segments."""
    parts = _parts(pattern)
    for part, segment in zip(parts, segments, strict=False):
        text, end = "", 0
        for found in PARAMETER.finditer(part):
            if found["one"] is None:
                return True
            text, end = f"{text}{re.escape(part[end : found.start()])}.+", found.end()
        if re.fullmatch(text + re.escape(part[end:]), segment, re.DOTALL) is None:
            return False
    return len(segments) <= len(parts)
