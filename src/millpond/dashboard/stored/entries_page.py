"""All entries, and one of them: `entries`, `entries/0123…`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from millpond.dashboard.pages.dashboard_page import DashboardPage
from millpond.dashboard.stored.entry_search import EntryQuery, found_entries
from millpond.dashboard.stored.entry_view import KINDS, STATES
from millpond.dashboard.stored.one_entry import entry_context
from millpond.dashboard.stored.store_reader import read_store
from millpond.errors import StoreError
from millpond.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from millpond.dashboard.pages.dashboard_page import Viewer
    from millpond.dashboard.stored.entry_search import EntriesFound
    from millpond.stores.maintenance_contract import StoreInspection, StoreStats


class EntriesPage(DashboardPage):
    """The list, and below it one entry by its id."""

    template = "entries.html"

    def template_for(self, rest: str) -> str:
        return "entry.html" if rest else self.template

    async def context(self, viewer: Viewer, rest: str, query: Mapping[str, str]) -> dict[str, Any] | None:
        if rest:
            return await entry_context(viewer, rest)
        operated, asked = viewer.operated, EntryQuery.of(query)

        def work(store: StoreInspection) -> tuple[StoreStats, EntriesFound]:
            return store.stats(), found_entries(store, asked, operated)

        is_memory = isinstance(operated.store, MemoryStore)  # in development, whatever is configured
        context = {
            "query": asked,
            "kinds": KINDS,
            "states": STATES,
            "max_bytes": operated.config.cache.bytes_in("memory" if is_memory else operated.config.cache.kind),
            "problem": None,
        }
        try:
            stats, found = await read_store(operated, work)
        except StoreError as error:
            return {**context, "problem": str(error), "stats": None, "found": None, "next": "", "generation": None}
        generation = await asyncio.to_thread(operated.store.generation)
        following = _with_cursor(asked, found.after) if found.after else ""
        return {**context, "stats": stats, "found": found, "next": following, "generation": generation}


def _with_cursor(asked: EntryQuery, after: str) -> str:
    given = {"q": asked.q, "tag": asked.tag, "kind": asked.kind, "state": asked.state, "after": after}
    return "?" + urlencode({name: value for name, value in given.items() if value}, errors="replace")
