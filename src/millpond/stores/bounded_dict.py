"""A dict that forgets its oldest items: bounded in number, and in bytes where items differ in size."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedDict(dict[K, V]):
    """Read as the dict that it is, written with `keep` and `forget`; by one thread at a time."""

    def __init__(self, most: int, most_bytes: int = 0) -> None:
        """Empty.

        Args:
            most: items.
            most_bytes: the sum of the sizes that `keep` is told.
        """
        super().__init__()
        self._most, self._most_bytes = most, most_bytes
        self._sizes: dict[K, int] = {}
        self.bytes = 0

    def keep(self, key: K, value: V, size: int = 0) -> bool:
        """Put in an item of `size` bytes as the youngest, in place of a former one of that key.

        Returns:
            Whether others had to go for it. One that is larger than all may be isn't kept.
        """
        if size > self._most_bytes:
            return False
        self.forget(key)
        self[key] = value
        if size:
            self._sizes[key] = size
            self.bytes += size
        forgets = False
        while len(self) > self._most or self.bytes > self._most_bytes:
            self.forget(next(iter(self)))
            forgets = True
        return forgets

    def forget(self, key: K) -> None:
        """Drop the item, if there is one."""
        self.pop(key, None)
        self.bytes -= self._sizes.pop(key, 0)
