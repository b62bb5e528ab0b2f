"""Path -> routes: a tree of segments, walked without regard to how many routes there are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from millpond.routes.folder import SegmentKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from millpond.routes.folder import Segment

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Match(Generic[T]):
    """A route that a path fits."""

    route: T
    params: dict[str, str | list[str]]
    """By `Segment.parameter`, decoded; an optional catch-all that nothing was left for is []."""


@dataclass(slots=True, eq=False)
class _Node(Generic[T]):
    """A position in the URL: what ends here and what may follow."""

    literals: dict[str, _Node[T]] = field(default_factory=dict)
    param: _Node[T] | None = None
    ends: list[_Leaf[T]] = field(default_factory=list)
    catch_alls: list[_Leaf[T]] = field(default_factory=list)
    optional_catch_alls: list[_Leaf[T]] = field(default_factory=list)


_Leaf = tuple[tuple["_Taken", ...], T]


class _Taken(NamedTuple):
    """The part of a path that a parameter takes."""

    name: str
    depth: int
    rest: bool
    """Everything from there on."""


class Table(Generic[T]):
    """The routes of an application, by path (R1.8 to R1.10)."""

    def __init__(self, routes: Iterable[tuple[Sequence[Segment], T]]) -> None:
        self._root: _Node[T] = _Node()
        for segments, route in routes:
            self._add(tuple(segments), route)

    def _add(self, segments: tuple[Segment, ...], route: T) -> None:
        node = self._root
        leaf = (_taken(segments), route)
        for segment in segments:
            if segment.kind is SegmentKind.CATCH_ALL:
                node.catch_alls.append(leaf)
                return
            if segment.kind is SegmentKind.OPTIONAL_CATCH_ALL:
                node.optional_catch_alls.append(leaf)
                return
            if segment.kind is SegmentKind.PARAM:
                node.param = node = node.param or _Node()
            else:
                node = node.literals.setdefault(segment.name, _Node())
        node.ends.append(leaf)

    def match(self, segments: Sequence[str]) -> Iterator[Match[T]]:
        """The routes that `segments` fit, strongest first; a caller whose route declines asks for the next (R1.10)."""
        waiting: list[tuple[_Node[T], int] | list[_Leaf[T]]] = [(self._root, 0)]
        while waiting:
            step = waiting.pop()
            if isinstance(step, list):
                for taken, route in step:
                    yield Match(
                        route, {name: list(segments[at:]) if rest else segments[at] for name, at, rest in taken}
                    )
                continue
            node, depth = step
            if node.optional_catch_alls:
                waiting.append(node.optional_catch_alls)  # last in, first out: the weakest goes in first
            if depth == len(segments):
                waiting.append(node.ends)
                continue
            if node.catch_alls:
                waiting.append(node.catch_alls)
            if node.param is not None:
                waiting.append((node.param, depth + 1))
            literal = node.literals.get(segments[depth])
            if literal is not None:
                waiting.append((literal, depth + 1))


def _taken(pattern: Sequence[Segment]) -> tuple[_Taken, ...]:
    return tuple(
        _Taken(segment.parameter, depth, segment.kind is not SegmentKind.PARAM)
        for depth, segment in enumerate(pattern)
        if segment.dynamic
    )


def build_segments(segments: Sequence[Segment], params: Mapping[str, str | list[str]]) -> list[str]:
    """The path that a route has for `params`, as decoded segments: the inverse of `Table.match`.

    Raises:
        KeyError: a parameter is missing from `params`.
    """
    path: list[str] = []
    for segment in segments:
        if not segment.dynamic:
            path.append(segment.name)
            continue
        value = params[segment.parameter]
        path.extend([value] if isinstance(value, str) else value)
    return path
