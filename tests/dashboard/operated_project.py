"""A dashboard about an application that tests make."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2

from millpond.config import parse_config
from millpond.dashboard.dashboard import Dashboard
from millpond.dashboard.operated import Operated
from millpond.prerender.plan import Plan, development_plans, unbuilt_plans
from millpond.stores.memory import MemoryStore
from millpond.telemetry.counters import Counters
from millpond.telemetry.counting import Counting
from millpond.telemetry.instruments import Kind
from millpond.telemetry.journal import Journal
from millpond.telemetry.minutes import Minutes, grown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from millpond.dashboard.pages.dashboard_page import DashboardPage
    from millpond.routes.route_contract import Route
    from millpond.stores.contract import Store
    from millpond.telemetry.instruments import Instrument

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
        routes: Sequence[Route] = (),
        store: Store | None = None,
        config: Mapping[str, object] | None = None,
        development: bool | None = None,
    ) -> None:
        self.clock = Clock()
        self.store = store or MemoryStore(max_bytes=2**26, clock=self.clock)
        self.counting = Counting(project / "metrics", clock=self.clock)
        (project / "metrics").mkdir(exist_ok=True)
        self.counting.journal = Journal(project / "metrics")
        self.routes, self.plans = routes, list[Plan]()
        self.operated = operated = Operated(
            site="shop",
            project=project,
            config=parse_config(dict(config or {}), "millpond.toml"),
            build="0123456789ab",
            since=NOW - 3600,
            development=secret is None if development is None else development,
            counting=self.counting,
            store=self.store,
            plans=lambda: self.plans,
            clock=self.clock,
        )
        self.dashboard = Dashboard(operated, secret, pages, live_seconds=0.01)
        self.root_path = root_path

    async def plan(self) -> None:
        """Decide about the routes, as a server without a build does, or one for development."""
        decide = development_plans if self.operated.development else unbuilt_plans
        self.plans = await decide(self.routes, self.operated.config.compat)

    def counted(self, *values: tuple[Instrument, float, *tuple[str, ...]], ago: float = 30.0) -> None:
        """Write down a minute in which something was counted."""
        counters = Counters()
        for instrument, value, *attributes in values:
            if instrument.kind is Kind.HISTOGRAM:
                counters.observe(instrument, value, *attributes)
            else:
                counters.add(instrument, *attributes, count=value)
        folder = self.counting.folder
        Minutes(folder).add(grown({}, counters.counted(), self.clock.now - ago, frozenset()))

    def client(self, *, secure: bool = True) -> httpx2.AsyncClient:
        """A browser of one person."""
        transport = httpx2.ASGITransport(self.dashboard, root_path=self.root_path)
        return httpx2.AsyncClient(transport=transport, base_url=f"http{'s' if secure else ''}://shop.example")
