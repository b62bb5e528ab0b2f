"""A dashboard about an application that tests make."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2

from millpond.config import parse_config
from millpond.dashboard.dashboard import Dashboard
from millpond.dashboard.operated import Operated
from millpond.stores.memory import MemoryStore
from millpond.telemetry.counting import Counting
from millpond.telemetry.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from millpond.dashboard.pages.dashboard_page import DashboardPage

NOW = 1_800_000_000.0


class Clock:
    """Tells a time that tests move."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class Operation:
    """An application without requests, and its dashboard."""

    def __init__(
        self,
        project: Path,
        secret: bytes | None = None,
        pages: Mapping[str, DashboardPage] | None = None,
        root_path: str = "",
        *,
        config: Mapping[str, object] | None = None,
    ) -> None:
        self.clock = Clock()
        self.counting = Counting(project / "metrics", clock=self.clock)
        (project / "metrics").mkdir(exist_ok=True)
        self.counting.journal = Journal(project / "metrics")
        self.store = MemoryStore(max_bytes=2**20, clock=self.clock)
        operated = Operated(
            site="shop",
            project=project,
            config=parse_config(dict(config or {}), "millpond.toml"),
            build="0123456789ab",
            since=NOW - 3600,
            development=secret is None,
            counting=self.counting,
            store=self.store,
            plans=list,
            clock=self.clock,
        )
        self.dashboard = Dashboard(operated, secret, pages, live_seconds=0.01)
        self.root_path = root_path

    def client(self, *, secure: bool = True) -> httpx2.AsyncClient:
        """A browser of one person."""
        transport = httpx2.ASGITransport(self.dashboard, root_path=self.root_path)
        return httpx2.AsyncClient(transport=transport, base_url=f"http{'s' if secure else ''}://shop.example")
