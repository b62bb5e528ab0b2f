"""Inspecting a shared store from outside of a server: for the command line."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from millpond.errors import StoreError
from millpond.policy.tags import TagRow
from millpond.stores.maintenance_contract import ListedEntry, OpenedStore, StoreInspection
from millpond.stores.valkey.client import CommandRefused, Unreachable, ValkeyClient, gathered
from millpond.stores.valkey.entry_index import index_of, read
from millpond.stores.valkey.layout import IndexedEntry, Layout, Reads, as_bytes, as_text, bucket_of, unpack_row
from millpond.stores.valkey.loop_thread import LoopThread
from millpond.stores.valkey.session import ResumePoint, Session

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence

    from millpond.config.store_url import StoreAddress
    from millpond.errors import StoreReason
    from millpond.stores.valkey.entry_index import FoundEntry

T = TypeVar("T")

_AT_ONCE, _ROWS_AT_ONCE = 100, 1000


class ValkeyStats(NamedTuple):
    """The store in numbers."""

    identity: str
    """Given when the server began the application's state: another one, another state."""
    generation: int
    lost_below: int
    """The generation below which invalidations are unknown, since the server lost them; 0: none."""
    entries: int
    bytes: int
    """What all entries count."""
    tags: int
    mirrors: int
    """Processes that are connected."""
    builds: list[str]
    """The builds that they serve."""


class Visitor(OpenedStore):
    """A process that asks a shared store, and takes no part in it: it has no mirror, and nobody waits for it.

    Args:
        address, prefix: whose state it is.
        timeout: seconds for each exchange.
        creates: begin the application's state, where the server has none.

    Raises:
        StoreError: the server can't be asked, or has nothing of the application; `reason` says which.
    """

    def __init__(self, address: StoreAddress, prefix: str, timeout: float, *, creates: bool = False) -> None:
        self._address, self.layout = address, Layout(prefix, "")
        self._loop_thread = LoopThread()
        try:
            self.session = self.call(self._begin(timeout, creates=creates))
        except BaseException:
            self._loop_thread.stop()
            raise

    def close(self) -> None:
        """Close the connections."""
        self.call(self.session.server.close())
        self._loop_thread.stop()

    def row(self, tag: str) -> TagRow | None:
        """The row of a tag, as the store's users see it."""
        return self.call(self._row(tag))

    async def _begin(self, seconds: float, *, creates: bool) -> Session:
        server = ValkeyClient(self._address, seconds)
        if not creates and not await server.command("EXISTS", self.layout.state[0]):
            await server.close()
            raise StoreError.of(
                "missing",
                f"there is no store with this prefix at {self._address}; start the application once to make it.",
            )
        session = Session(server, self.layout, time.time)
        await session.attach(ResumePoint())
        session.is_up = True
        return session

    async def _row(self, tag: str) -> TagRow | None:
        name, server = as_bytes(tag), self.session.server
        found = await server.command("HGET", self.layout.rows, name)
        found = found or await server.command("HGET", self.layout.buckets, bucket_of(tag))
        if found is not None:
            return unpack_row(found)
        floor = await self._lost_below()
        return TagRow(floor, expired=floor) if floor else None

    async def served_builds(self) -> set[str]:
        mirrors = await self.session.server.command("HVALS", self.layout.mirrors)
        return {says.split(b" ")[2].decode() for says in mirrors} - {""}

    async def _lost_below(self) -> int:
        state = await self.session.server.command("HMGET", self.layout.state[0], "lost", "floor")
        return int(state[1]) if state[0] == b"1" else 0

    async def floor(self) -> int:
        return int(await self.session.server.command("HGET", self.layout.state[0], "floor") or 0)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return self._loop_thread.call(work)
        except (Unreachable, CommandRefused) as error:
            reason: StoreReason = "refused" if isinstance(error, CommandRefused) else "unreachable"
            raise StoreError.of(reason, f"the store at {self._address} can't be asked: {error}.") from error


class ValkeyInspection(Visitor, StoreInspection):
    """A shared store, open for reading; see `Visitor`."""

    def entries(self) -> Iterator[ListedEntry]:
        """Every entry that is there now, those that can't be read included."""
        index = sorted(self.call(index_of(self.session.server, self.layout)).items())
        yield from self._in_parts(index)

    def found(self, digests: Sequence[str]) -> Iterator[ListedEntry]:
        """The entries with these digests, in this order; those that aren't there any more are left out."""
        index = self.call(index_of(self.session.server, self.layout))
        yield from self._in_parts([(name, index[name]) for name in digests if name in index])

    def listed(self, after: str = "", tag: str = "") -> Iterator[ListedEntry]:
        """The entries by their digests; see `StoreInspection`. The index has no tags."""
        del tag
        index = self.call(index_of(self.session.server, self.layout))
        yield from self._in_parts([(name, index[name]) for name in sorted(index) if name > after])

    def named(self, key: str, build: str) -> ListedEntry | None:
        """The entry of a key, of this build; or of whichever has left it, if builds share it."""
        name = Layout(self.layout.prefix, build).name(key)
        indexed = self.call(self.session.server.command("HGET", self.layout.index, name))
        return None if indexed is None else next(self._in_parts([(name, IndexedEntry.unpack(indexed))]), None)

    def rows(self) -> list[tuple[str, TagRow]]:
        """Every invalidated tag with its row, except for rows that were merged."""
        return self.call(self._rows())

    async def _rows(self) -> list[tuple[str, TagRow]]:
        rows: dict[str, TagRow] = {}
        cursor = 0
        while True:
            cursor, found = await self.session.server.command("HSCAN", self.layout.rows, cursor, "COUNT", _ROWS_AT_ONCE)
            rows.update((as_text(name), unpack_row(text)) for name, text in found.items())
            if cursor == 0:
                return list(rows.items())

    def _in_parts(self, index: list[tuple[str, IndexedEntry]]) -> Iterator[ListedEntry]:
        floor = self.call(self.floor())
        for start in range(0, len(index), _AT_ONCE):
            yield from self.call(self._found(index[start : start + _AT_ONCE], floor))

    def stats(self) -> ValkeyStats:
        """The store in numbers, at one moment or nearly so."""
        return self.call(self._stats())

    async def _found(self, part: list[tuple[str, IndexedEntry]], floor: int) -> list[ListedEntry]:
        server, names = self.session.server, [name for name, _ in part]
        entries, reads = await gathered(
            (read(server, self.layout, part), server.command("HMGET", self.layout.reads, *names))
        )
        return [
            _as_found(one, floor, Reads.unpack(text)) for one, text in zip(entries, reads, strict=True) if one.is_there
        ]

    async def _stats(self) -> ValkeyStats:
        server, layout = self.session.server, self.layout
        state, entries, tags, mirrors, builds = await gathered(
            (
                server.command("HMGET", layout.state[0], "epoch", "generation", "size"),
                server.command("HLEN", layout.index),
                server.command("HLEN", layout.rows),
                server.command("HLEN", layout.mirrors),
                self.served_builds(),
            )
        )
        return ValkeyStats(
            identity=state[0].decode(),
            generation=int(state[1]),
            lost_below=await self._lost_below(),
            entries=entries,
            bytes=int(state[2]),
            tags=tags,
            mirrors=mirrors,
            builds=sorted(builds),
        )


def _as_found(one: FoundEntry, floor: int, reads: Reads) -> ListedEntry:
    """An entry from before the server lost state can't be used by anybody."""
    entry = one.entry if one.kept.generation >= floor else None
    return ListedEntry(entry, one.name, one.kept.size, one.kept.generation, reads.hits, reads.use)
