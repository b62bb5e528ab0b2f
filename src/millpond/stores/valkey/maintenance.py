"""Dropping entries from a shared store, and invalidating in it, from outside of a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.stores.maintenance_contract import StoreInvalidation, StoreMaintenance
from millpond.stores.valkey.acks import Acks
from millpond.stores.valkey.client import gathered
from millpond.stores.valkey.entry_index import index_of, read
from millpond.stores.valkey.inspection import Visitor
from millpond.stores.valkey.scripts import DROP
from millpond.stores.valkey.tag_rows import invalidate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from millpond.stores.maintenance_contract import Unwanted
    from millpond.stores.valkey.entry_index import FoundEntry

_AT_ONCE = 100
"""Entries that are asked for, and dropped, at once."""


class ValkeyMaintenance(Visitor, StoreMaintenance):
    """A shared store, open for dropping entries; see `Visitor`."""

    def builds(self) -> set[str]:
        """The builds that connected processes serve."""
        return self.call(self.served_builds())

    def drop(self, unwanted: Unwanted) -> int:
        """Drop the entries that are unwanted, and those whose frames have run out; say how many the former were.

        One that was rendered anew meanwhile stays.
        """
        index = sorted(self.call(index_of(self.session.server, self.layout)).items())
        floor = self.call(self.floor())
        dropped = 0
        for start in range(0, len(index), _AT_ONCE):
            part = self.call(read(self.session.server, self.layout, index[start : start + _AT_ONCE]))
            going = {one.name for one in part if one.is_there and self._is(unwanted, one, floor)}
            gone = [one for one in part if not one.is_there or one.name in going]
            if gone:
                dropped += len(going & self.call(self._drop(gone)))
        return dropped

    def _is(self, unwanted: Unwanted, one: FoundEntry, floor: int) -> bool:
        return unwanted(one.name, one.entry if one.kept.generation >= floor else None, self.row)

    async def _drop(self, gone: list[FoundEntry]) -> set[str]:
        server, layout = self.session.server, self.layout
        frames = "" if server.is_cluster else layout.frames
        pairs = [part for one in gone for part in (one.name, one.kept.version)]
        dropped = {name.decode() for name in await self.session.ask(DROP, frames, *pairs)}
        if server.is_cluster:
            await gathered(server.command("UNLINK", layout.frame(name)) for name in dropped)
        return dropped


class ValkeyInvalidation(Visitor, StoreInvalidation):
    """A shared store, open for invalidating; see `Visitor`. Rows over the limit are pruned by a process that serves."""

    def generation(self) -> int:
        return self.call(self._generation())

    def invalidate(self, tags: Iterable[str], *, expire_after: float | None = 0) -> int:
        named = dict.fromkeys(tags)
        return self.call(self._invalidate(named, expire_after))

    async def _generation(self) -> int:
        return int(await self.session.server.command("HGET", self.layout.state[0], "generation") or 0)

    async def _invalidate(self, tags: Iterable[str], expire_after: float | None) -> int:
        return (await invalidate(self.session, Acks(self.session), tags, expire_after)).generation
