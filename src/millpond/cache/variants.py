"""How many answers of one path, for different queries, are kept: visitors choose the queries (`cache_query`)."""

from __future__ import annotations

from collections import OrderedDict

_MOST_BYTES = 16 * 1024 * 1024
"""Of all paths and keys together: visitors choose both."""
_OBJECT = 300
"""Bytes of a path or key beside its text."""


class Variants:
    """The variants of each path that this process has stored, least recently rendered first."""

    def __init__(self, most: int, most_bytes: int = _MOST_BYTES) -> None:
        """Knows of none.

        Args:
            most: variants of one path; and a thousand times as many paths are remembered.
            most_bytes: that may be remembered of all.
        """
        self._most, self._most_bytes = most, most_bytes
        self._paths: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()
        self._bytes = 0

    def stored(self, path: str, key: str) -> list[str]:
        """Note that the variant `key` of `path` was stored; the keys that have to go for it."""
        if path not in self._paths:
            self._paths[path] = OrderedDict()
            self._bytes += len(path) + _OBJECT
        variants = self._paths[path]
        self._paths.move_to_end(path)
        if key not in variants:
            self._bytes += len(key) + _OBJECT
        variants[key] = None
        variants.move_to_end(key)
        surplus = [self._forget(variants) for _ in range(len(variants) - self._most)]
        while len(self._paths) > self._most * 1000 or (self._bytes > self._most_bytes and len(self._paths) > 1):
            forgotten, theirs = self._paths.popitem(last=False)
            self._bytes -= len(forgotten) + _OBJECT
            surplus += [self._forget(theirs) for _ in range(len(theirs))]
        return surplus

    def _forget(self, variants: OrderedDict[str, None]) -> str:
        key, _ = variants.popitem(last=False)
        self._bytes -= len(key) + _OBJECT
        return key
