"""How many answers of one path, for different queries, are kept: visitors choose the queries (`cache_query`)."""

from __future__ import annotations

from collections import OrderedDict


class Variants:
    """The variants of each path that this process has stored, least recently rendered first."""

    def __init__(self, most: int) -> None:
        """`most`: variants of one path; and a thousand times as many paths are remembered."""
        self._most = most
        self._paths: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()

    def stored(self, path: str, key: str) -> list[str]:
        """Note that the variant `key` of `path` was stored; the keys that have to go for it."""
        variants = self._paths.setdefault(path, OrderedDict())
        self._paths.move_to_end(path)
        variants[key] = None
        variants.move_to_end(key)
        surplus = [variants.popitem(last=False)[0] for _ in range(len(variants) - self._most)]
        if len(self._paths) > self._most * 1000:
            _, forgotten = self._paths.popitem(last=False)
            surplus += forgotten
        return surplus
