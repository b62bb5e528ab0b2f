"""`millpond start --warm`: what is asked for before the server accepts connections."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from millpond.cli.warming.inside import inside_of
from millpond.cli.warming.sources import Sources
from millpond.errors import MillpondError
from millpond.warm.bounded_round import WarmingLimits, warm_all
from millpond.warm.outcome import WarmTally

if TYPE_CHECKING:
    from millpond.app import Millpond

log = logging.getLogger("millpond.serve")

_MOST_NAMED = 5
"""Paths that failed and are named in the log."""


class WarmStart:
    """The warming of one start. Whatever fails in it is logged, and keeps no server from starting.

    Args:
        app: the application, not yet started.
        count: how many paths.
    """

    def __init__(self, app: Millpond, count: int) -> None:
        self._app, self._sources = app, Sources((), count)
        self._limits = WarmingLimits(timeout=app.config.server.warm_timeout, time_limit=app.config.server.warm_timeout)

    def look(self) -> None:
        """Look up what was read most. Before the start: that drops the answers of former builds."""
        if self._app.config.cache.kind == "memory":
            return
        ends = time.monotonic() + self._limits.time_limit / 2
        try:
            self._sources.read_store(self._app.project, self._app.config, lambda: time.monotonic() < ends)
        except MillpondError as error:
            log.warning("warming can't read the store: %s", error)

    async def run(self) -> None:
        """Ask for the paths; the application has started."""
        began, tally = time.monotonic(), WarmTally()
        try:
            warms = await inside_of(self._app)
            limit = self._limits.time_limit
            paths = await self._sources.paths(warms, (), self._app.config.base_path, limit)
            left = max(0.0, limit - (time.monotonic() - began))
            await warm_all(warms, paths, self._limits._replace(time_limit=left), tally.add)
        except MillpondError as error:
            log.warning("the server starts cold: %s", error)
            return
        except Exception:
            log.exception("the server starts cold, as warming has failed")
            return
        log.info("warmed by %s in %.1f s: %s", self._sources.used, time.monotonic() - began, tally)
        for failed in tally.failed[:_MOST_NAMED]:
            reason = failed.why or f"it was answered {failed.status}"
            log.warning("warming %s failed: %s", failed.path, reason)
