"""All entries in a shared server, by the index that Millpond keeps there: no KEYS, no SCAN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from millpond.stores.frame import decode_frame
from millpond.stores.valkey.client import gathered
from millpond.stores.valkey.layout import VERSION_BYTES, IndexedEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence

    from millpond.policy.entry import Entry
    from millpond.stores.valkey.client import ValkeyClient
    from millpond.stores.valkey.layout import Layout

_NAMES_AT_ONCE, _ENTRIES_AT_ONCE = 1000, 16


class FoundEntry(NamedTuple):
    """What the server has of one entry."""

    name: str
    kept: IndexedEntry
    entry: Entry | None
    """None: its frame ran out, was evicted, is damaged, or of another version of frames."""
    is_there: bool


async def index_of(server: ValkeyClient, layout: Layout) -> dict[str, IndexedEntry]:
    """What is in the index while it is read.

    Raises:
        Unreachable, CommandRefused: the server can't be asked.
    """
    index: dict[str, IndexedEntry] = {}
    cursor = 0
    while True:
        cursor, found = await server.command("HSCAN", layout.index, cursor, "COUNT", _NAMES_AT_ONCE)
        index.update((name.decode(), IndexedEntry.unpack(text)) for name, text in found.items())
        if cursor == 0:
            return index


async def read(server: ValkeyClient, layout: Layout, indexed: Iterable[tuple[str, IndexedEntry]]) -> list[FoundEntry]:
    """Some entries of the index.

    Raises:
        Unreachable, CommandRefused: the server can't be asked.
    """

    async def one(name: str, kept: IndexedEntry) -> FoundEntry:
        frame: Any = await server.command("GET", layout.frame(name))
        return FoundEntry(name, kept, decode_frame((frame or b"")[VERSION_BYTES:]), frame is not None)

    return await gathered(one(name, kept) for name, kept in indexed)


def walk(
    call: Callable[[Coroutine[Any, Any, list[FoundEntry]]], list[FoundEntry]],
    server: ValkeyClient,
    layout: Layout,
    indexed: Sequence[tuple[str, IndexedEntry]],
) -> Iterator[Entry]:
    """The entries of the index that are still there, and can be read.

    Args:
        call: runs a coroutine where the server is asked, and waits for its result.
        server: the server.
        layout: of the application's keys.
        indexed: what was in the index.
    """
    for start in range(0, len(indexed), _ENTRIES_AT_ONCE):
        for found in call(read(server, layout, indexed[start : start + _ENTRIES_AT_ONCE])):
            if found.entry is not None:
                yield found.entry
