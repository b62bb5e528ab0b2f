"""What requests make a process remember: bounded in number and in bytes, as clients choose how large each is."""

from __future__ import annotations

from typing import TypeVar

V = TypeVar("V")


class Remembered(dict[bytes, V]):
    """Values by what a client sent; what was remembered first goes first. Read as the dict that it is."""

    def __init__(self, most: int, most_bytes: int) -> None:
        """Empty.

        Args:
            most: values.
            most_bytes: the sum of the sizes that `keep` is told.
        """
        super().__init__()
        self._most, self._most_bytes = most, most_bytes
        self._sizes: dict[bytes, int] = {}
        self.bytes = 0

    def keep(self, sent: bytes, value: V, size: int) -> None:
        """Remember a value of `size` bytes, in place of a former one, and forget others where it has no room."""
        if size > self._most_bytes:
            return
        self.forget(sent)
        self[sent], self._sizes[sent] = value, size
        self.bytes += size
        while len(self) > self._most or self.bytes > self._most_bytes:
            self.forget(next(iter(self)))

    def forget(self, sent: bytes) -> None:
        """Forget the value, if there is one."""
        self.pop(sent, None)
        self.bytes -= self._sizes.pop(sent, 0)
