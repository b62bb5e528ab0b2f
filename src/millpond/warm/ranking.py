"""Paths by how often they were counted, within a bounded memory."""

from __future__ import annotations

import heapq

MOST_PATHS = 100_000
"""Paths that are counted at a time, about; a log may name any number, as scanners ask for anything."""


class Ranking:
    """Counts paths. When there are too many, those that were counted least are forgotten.

    Args:
        most: paths that are kept then.
    """

    def __init__(self, most: int = MOST_PATHS) -> None:
        self._most = most
        self._counts: dict[str, float] = {}

    def count(self, path: str, times: float = 1) -> None:
        """Count a path."""
        self._counts[path] = self._counts.get(path, 0) + times
        if len(self._counts) >= 2 * self._most:
            kept = set(self.best(self._most))
            self._counts = {path: count for path, count in self._counts.items() if path in kept}

    def best(self, limit: int) -> list[str]:
        """The paths that were counted most; of equal ones those that came first."""
        numbered = enumerate(self._counts.items())
        return [path for _, (path, _) in heapq.nsmallest(limit, numbered, key=lambda each: (-each[1][1], each[0]))]

    def __len__(self) -> int:
        return len(self._counts)
