"""How like a wanted name the patterns of routes are, segment by segment, with little work for those that aren't."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from millpond.routes.naming.built_path import PARAMETER

if TYPE_CHECKING:
    from collections.abc import Sequence

_OF_PARAMETER = 0.8
"""How like a parameter is any segment."""
_COMPARED = 80
"""Characters of a segment."""


class Wanted:
    """A name that no route has. A visitor may have sent it, and an application may have thousands of routes.

    Args:
        parts: its segments.
    """

    def __init__(self, parts: Sequence[str]) -> None:
        self._parts = [part.casefold()[:_COMPARED] for part in parts]
        self._matchers: dict[int, SequenceMatcher[str]] = {}
        self._known: dict[tuple[int, str], float] = {}

    def likeness(self, parts: Sequence[str], least: float) -> float:
        """From 0 to 1, by the segments in their order; 0, or a value that is too small, where it is less than `least`.

        Args:
            parts: the segments of a pattern.
            least: what is of interest.
        """
        longer = max(len(self._parts), len(parts))
        if not longer:
            return 1
        pairs = list(enumerate(parts[: len(self._parts)]))
        bounds = [self._most(at, part) for at, part in pairs]
        most = sum(bounds)
        for (at, part), bound in zip(pairs, bounds, strict=True):
            if most / longer < least:
                return 0
            most += self._alike(at, part) - bound
        return most / longer

    def _most(self, at: int, part: str) -> float:
        """No less than `_alike`, and quickly found."""
        known = self._known.get((at, part))
        if known is not None:
            return known
        if PARAMETER.search(part):
            return _OF_PARAMETER
        mine, others = len(self._parts[at]), min(len(part.casefold()), _COMPARED)
        return 2 * min(mine, others) / (mine + others)

    def _alike(self, at: int, part: str) -> float:
        if (at, part) not in self._known:
            self._known[at, part] = self._compared(at, part)
        return self._known[at, part]

    def _compared(self, at: int, part: str) -> float:
        text = part.casefold()[:_COMPARED]
        if text == self._parts[at]:
            return 1
        if PARAMETER.search(part):
            return _OF_PARAMETER
        if at not in self._matchers:  # it prepares the second text once for all
            self._matchers[at] = SequenceMatcher(None, "", self._parts[at], autojunk=False)
        matcher = self._matchers[at]
        matcher.set_seq1(text)
        return matcher.ratio()
