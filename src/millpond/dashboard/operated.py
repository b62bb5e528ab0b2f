"""The application that a dashboard is about: all that pages read, and nothing that they can't."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from millpond.config import Config
    from millpond.cron.job import CronJob
    from millpond.policy.freshness import Clock
    from millpond.prerender.plan import Plan
    from millpond.purge.purges import Purges
    from millpond.routes.naming.route_names import RouteNames
    from millpond.stores.contract import Store
    from millpond.telemetry.counting import Counting
    from millpond.warm.outcome import Warms


@dataclass(frozen=True, slots=True)
class Operated:
    """One application in one process."""

    site: str
    """The project's name."""
    project: Path
    config: Config
    build: str
    """The id of the build that is served."""
    since: float
    """When this process began to serve it; seconds since the epoch."""
    development: bool
    counting: Counting
    store: Store
    plans: Callable[[], Sequence[Plan]]
    """The routes, and what the build has decided about each."""
    clock: Clock
    purges: Purges | None = None
    names: RouteNames | None = None
    warms: Warms | None = None
    """Renders paths, for what is refreshed."""
    crons: Sequence[CronJob] = ()
