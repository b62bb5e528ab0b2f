"""What one process keeps in its own memory of the embedded store: entries, rows, and which entries it read."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from millpond.policy.entry import Entry
    from millpond.policy.tags import TagRow

_READS_REMEMBERED = 4096
_READS_UNTIL_COUNT = 1024
_MOST_ROWS = 50_000


class Local:
    """An entry as a transaction wrote it, and the latest transaction after which it was still the one of its key."""

    __slots__ = ("entry", "seen", "size", "version")

    def __init__(self, entry: Entry, size: int, version: bytes, seen: int) -> None:
        self.entry, self.size, self.version, self.seen = entry, size, version, seen


class LocalEntries:
    """Entries by key, bounded in bytes; what was used least recently goes first. For any number of threads."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, Local] = OrderedDict()
        self._bytes = 0

    def get(self, key: str) -> Local | None:
        known = self._entries.get(key)
        if known is not None:
            try:
                self._entries.move_to_end(key)
            except KeyError:  # another thread has let go of it this moment; it is good all the same
                return known
        return known

    def keep(self, local: Local) -> None:
        """Put in an entry, in place of the key's former one; one over the limit is not kept."""
        key = local.entry.key
        with self._lock:
            former = self._entries.pop(key, None)
            self._bytes -= 0 if former is None else former.size
            if local.size > self._max_bytes:
                return
            self._entries[key] = local
            self._bytes += local.size
            while self._bytes > self._max_bytes:
                self._bytes -= self._entries.popitem(last=False)[1].size

    def forget(self, key: str) -> None:
        with self._lock:
            former = self._entries.pop(key, None)
            self._bytes -= 0 if former is None else former.size


class View:
    """The counter and the rows as they are since transaction `seen`: rows change with the generation only."""

    __slots__ = ("generation", "lost", "rows", "seen")

    def __init__(self, seen: int, generation: int, lost: int) -> None:
        self.seen, self.generation, self.lost = seen, generation, lost
        self.rows: dict[str, TagRow | None] = {}

    def remember(self, tag: str, row: TagRow | None) -> None:
        if len(self.rows) >= _MOST_ROWS:
            self.rows.clear()
        self.rows[tag] = row


class Reads:
    """How often each key was read since that was last written down; least recently read first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._noted: deque[str] = deque(maxlen=_READS_REMEMBERED)
        self._counted: OrderedDict[str, int] = OrderedDict()

    def note(self, key: str) -> None:
        """Never waits: who finds the lock taken leaves the counting to the other."""
        self._noted.append(key)
        if len(self._noted) >= _READS_UNTIL_COUNT and self._lock.acquire(blocking=False):
            try:
                self._count()
            finally:
                self._lock.release()

    def take(self, most: int) -> dict[str, int]:
        """Up to `most` keys with their counts, which are not given again."""
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
