"""Inspecting the store of one process from within it: for the dashboard."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from millpond.policy.key import is_shared
from millpond.stores.maintenance_contract import ListedEntry, StoreInspection

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from millpond.policy.entry import Entry
    from millpond.policy.tags import TagRow
    from millpond.stores.memory import MemoryStore

_DIGEST_BYTES = 16


class MemoryStats(NamedTuple):
    """The store in numbers."""

    entries: int
    bytes: int


class MemoryInspection(StoreInspection):
    """The entries of a memory store as they are now. It doesn't know how often they were read."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._entries = {entry.key: entry for entry in store.entries()}

    def close(self) -> None:
        """Does nothing."""

    def row(self, tag: str) -> TagRow | None:
        """The row of a tag."""
        return self._store.row(tag)

    def entries(self) -> Iterator[ListedEntry]:
        """Every entry."""
        return map(_listed, self._entries.values())

    def found(self, digests: Sequence[str]) -> Iterator[ListedEntry]:
        """The entries with these digests."""
        by_digest = {digest: key for bucket in self._buckets() for digest, key in bucket}
        return (_listed(self._entries[by_digest[one]]) for one in digests if one in by_digest)

    def listed(self, after: str = "", tag: str = "") -> Iterator[ListedEntry]:
        """The entries by their digests; see `StoreInspection`."""
        del tag
        first = int(after[:2].ljust(2, "0"), 16)
        for bucket in self._buckets()[first:]:
            for digest, key in sorted(bucket):
                if digest > after:
                    yield _listed(self._entries[key])

    def named(self, key: str, build: str) -> ListedEntry | None:
        """The entry of a key, of this build; or of whichever has left it, if builds share it."""
        entry = self._entries.get(key)
        is_seen = entry is not None and (entry.build in ("", build) or is_shared(key))
        return _listed(entry) if entry is not None and is_seen else None

    def rows(self) -> list[tuple[str, TagRow]]:
        """Every invalidated tag with its row."""
        return self._store.rows()

    def stats(self) -> MemoryStats:
        """The store in numbers."""
        return MemoryStats(len(self._entries), self._store.bytes)

    def _buckets(self) -> list[list[tuple[str, str]]]:
        """Digests and keys, by the first byte: to sort all at once would stop the event loop meanwhile."""
        buckets: list[list[tuple[str, str]]] = [[] for _ in range(256)]
        for key in self._entries:
            digest = digest_of_key(key)
            buckets[int(digest[:2], 16)].append((digest, key))
        return buckets


def digest_of_key(key: str) -> str:
    """What names an entry in links: its key may be long, and hold any character."""
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).hexdigest()


def _listed(entry: Entry) -> ListedEntry:
    return ListedEntry(entry, digest_of_key(entry.key), entry.size, entry.generation, 0, 0)
