"""What one process caches of a store that it shares: entries (an LRU cache), and how often it read which."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from typing import Generic, Protocol, TypeVar

_READS_REMEMBERED = 4096
_READS_UNTIL_COUNT = 1024
_PLACES = 65_536


class Sized(Protocol):
    """What can be cached: it tells how many bytes it counts."""

    size: int


L = TypeVar("L", bound=Sized)


class LocalEntries(Generic[L]):
    """An LRU cache, bounded in bytes; safe for any number of threads."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, L] = OrderedDict()
        self._bytes = 0

    def get(self, name: str) -> L | None:
        known = self._entries.get(name)
        if known is not None:
            try:
                self._entries.move_to_end(name)
            except KeyError:  # another thread has let go of it this moment; it is good all the same
                return known
        return known

    def keep(self, name: str, local: L) -> None:
        """Cache an entry in place of the former one of that name; one over the limit is not cached."""
        with self._lock:
            former = self._entries.pop(name, None)
            self._bytes -= 0 if former is None else former.size
            if local.size > self._max_bytes:
                return
            self._entries[name] = local
            self._bytes += local.size
            while self._bytes > self._max_bytes:
                self._bytes -= self._entries.popitem(last=False)[1].size

    def forget(self, name: str) -> None:
        with self._lock:
            former = self._entries.pop(name, None)
            self._bytes -= 0 if former is None else former.size

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._bytes = 0


class Doorkeeper:
    """Which keys were seen not long ago, in a fixed number of bytes: most keys are never asked for a second time.

    A part of a key's hash is its place, another part its mark there, which a later key may take. One new key in 255
    counts as seen.
    """

    def __init__(self) -> None:
        self._marks = bytearray(_PLACES)

    def has_seen(self, key: str) -> bool:
        """Whether this key was asked about before."""
        value = hash(key)
        place, mark = value % _PLACES, (value // _PLACES) % 255 + 1
        if self._marks[place] == mark:
            return True
        self._marks[place] = mark
        return False


class ReadCounts:
    """Read counts by key since they were last written to the store; least recently read first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._noted: deque[str] = deque(maxlen=_READS_REMEMBERED)
        self._counted: OrderedDict[str, int] = OrderedDict()

    def note(self, key: str) -> None:
        """Count a read later; never waits for the lock."""
        self._noted.append(key)
        if len(self._noted) >= _READS_UNTIL_COUNT and self._lock.acquire(blocking=False):
            try:
                self._count()
            finally:
                self._lock.release()

    def __len__(self) -> int:
        return len(self._noted) + len(self._counted)

    def take(self, most: int) -> dict[str, int]:
        """Remove up to `most` keys, and return them with their counts."""
        with self._lock:
            self._count()
            return dict(self._counted.popitem(last=False) for _ in range(min(most, len(self._counted))))

    def _count(self) -> None:
        for _ in range(len(self._noted)):
            key = self._noted.popleft()
            self._counted[key] = self._counted.get(key, 0) + 1
            self._counted.move_to_end(key)
        while len(self._counted) > _READS_REMEMBERED:
            self._counted.popitem(last=False)
