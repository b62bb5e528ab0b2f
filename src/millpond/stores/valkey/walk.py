"""All entries in a shared server, by its index: nothing asks the server for its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from millpond.stores.frame import decode_frame
from millpond.stores.valkey.layout import VERSION_BYTES, IndexedEntry
from millpond.stores.valkey.server import gathered

if TYPE_CHECKING:
    from collections.abc import Iterable

    from millpond.policy.entry import Entry
    from millpond.stores.valkey.layout import Layout
    from millpond.stores.valkey.server import Server

_NAMES_AT_ONCE = 1000


class Indexed(NamedTuple):
    """What the server has of one entry."""

    name: str
    kept: IndexedEntry
    entry: Entry | None
    """None: its frame ran out, was evicted, is damaged, or of another version of frames."""
    is_there: bool


async def index_of(server: Server, layout: Layout) -> dict[str, IndexedEntry]:
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


async def read(server: Server, layout: Layout, indexed: Iterable[tuple[str, IndexedEntry]]) -> list[Indexed]:
    """Some entries of the index.

    Raises:
        Unreachable, CommandRefused: the server can't be asked.
    """

    async def one(name: str, kept: IndexedEntry) -> Indexed:
        frame: Any = await server.command("GET", layout.frame(name))
        return Indexed(name, kept, decode_frame((frame or b"")[VERSION_BYTES:]), frame is not None)

    return await gathered(one(name, kept) for name, kept in indexed)
