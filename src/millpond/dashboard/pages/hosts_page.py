"""The hosts: which processes share the store, which build each serves, and whether it keeps up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from millpond.config.store_url import parse_store_url
from millpond.dashboard.pages.dashboard_page import DashboardPage
from millpond.errors import StoreError
from millpond.telemetry.counters import Series
from millpond.telemetry.instruments import PROCESSES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from millpond.dashboard.pages.dashboard_page import Viewer
    from millpond.stores.valkey.layout import SharingProcess


class Hosts(DashboardPage):
    """`hosts`."""

    template = "hosts.html"

    async def context(self, viewer: Viewer, rest: str, query: Mapping[str, str]) -> dict[str, Any] | None:
        """As `DashboardPage.context`."""
        del query
        if rest:
            return None
        operated = viewer.operated
        cache = operated.config.cache
        sharing: list[SharingProcess] = []
        lost = ""
        if cache.kind == "valkey":
            from millpond.stores.valkey.store import ValkeyStore

            store = operated.store
            try:
                sharing = [] if not isinstance(store, ValkeyStore) else await asyncio.to_thread(store.sharing)
            except StoreError as error:
                lost = str(error)
        return {
            "kind": cache.kind,
            "where": str(parse_store_url(cache.store)) if cache.kind == "valkey" else cache.path,
            "sharing": sharing,
            "latest": max((each.applied for each in sharing), default=0),
            "lost": lost,
            "full_build": operated.build,
            "here": operated.counting.totals().get(Series(PROCESSES.name, ()), 1),
        }
