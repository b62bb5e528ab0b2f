"""The redirects of a configuration: which one a path has. The first that fits counts, in the order of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from millpond.policy.http.destination import Destination
    from millpond.policy.http.path_pattern import Params, PathPattern


class MovedPaths:
    """The patterns, so arranged that a path is compared with those of its first segment only.

    Args:
        redirects: each pattern and where it leads.
    """

    def __init__(self, redirects: Iterable[tuple[PathPattern, Destination]]) -> None:
        self._redirects = list(redirects)
        self._whole: dict[tuple[str, ...], int] = {}
        """Of paths without parameters, the first redirect."""
        self._by_first: dict[str, list[int]] = {}
        self._others: list[int] = []
        """Of patterns that begin with a parameter."""
        for number, (pattern, _) in enumerate(self._redirects):
            if not pattern.parameters:
                self._whole.setdefault(tuple(text for text, _ in pattern.fixed), number)
            elif pattern.fixed and not pattern.fixed[0][1]:
                self._by_first.setdefault(pattern.fixed[0][0], []).append(number)
            else:
                self._others.append(number)

        firsts = {texts[0] if texts else "" for texts in self._whole} | self._by_first.keys()
        self._firsts = {first.encode() for first in firsts}

    def may_have(self, raw_path: bytes) -> bool:
        """False for most paths without a redirect, at first sight: no redirect begins with their first segment.

        Args:
            raw_path: as it was sent.
        """
        first = raw_path.partition(b"/")[2].partition(b"/")[0]
        return first in self._firsts or b"%" in first or not first or bool(self._others)

    def find(self, segments: Sequence[str]) -> tuple[int, Params] | None:
        """The number of the redirect that a path has, and what its parameters take; None where it has none.

        Args:
            segments: of the path, decoded.
        """
        whole = self._whole.get(tuple(segments), len(self._redirects))
        candidates = self._by_first.get(segments[0], []) if segments else []
        if self._others:
            candidates = sorted([*candidates, *self._others])
        for number in candidates:
            if number > whole:
                break
            params = self._redirects[number][0].match(segments)
            if params is not None:
                return number, params
        return (whole, {}) if whole < len(self._redirects) else None

    def taken_by(self, number: int) -> int | None:
        """The redirect that takes all paths of a later one; None where this one is reached."""
        firsts = {found[0] for path in self._redirects[number][0].samples() if (found := self.find(path)) is not None}
        return first if len(firsts) == 1 and (first := firsts.pop()) != number else None

    def leads_back(self, number: int) -> bool:
        """Whether a client that follows a redirect, and those that it leads to, comes back to it."""
        return any(self._comes_back(number, path) for path in self._redirects[number][0].samples())

    def _comes_back(self, number: int, path: Sequence[str]) -> bool:
        for _ in self._redirects:
            found = self.find(path)
            if found is None or self._redirects[found[0]][1].origin:
                return False
            path = self._redirects[found[0]][1].path(found[1])
            then = self.find(path)
            if then is not None and then[0] == number:
                return True
        return False
