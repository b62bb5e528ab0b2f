"""Advice: what to change, by what it risks or saves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from millpond.advice.gathering.from_server import sources_of, stored_in
from millpond.advice.gathering.gathered import observed
from millpond.advice.ranked_advice import advise
from millpond.dashboard.pages.dashboard_page import DashboardPage
from millpond.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from millpond.advice.advised import Advised
    from millpond.advice.gathering.gathered import KnownSources
    from millpond.dashboard.operated import Operated
    from millpond.dashboard.pages.dashboard_page import Viewer

_KEPT_SECONDS = 30.0
"""For which advice is shown again as it is: to make it, all of the store is looked at."""


class _Made(NamedTuple):
    advice: Sequence[Advised]
    problem: str
    at: float
    """Seconds since the epoch."""
    of: Operated


class AdvicePage(DashboardPage):
    """The page."""

    template = "advice.html"

    def __init__(self) -> None:
        self._made: _Made | None = None
        self._making = asyncio.Lock()

    async def context(self, viewer: Viewer, rest: str, query: Mapping[str, str]) -> dict[str, Any] | None:
        del query
        if rest:
            return None
        made = await self._latest(viewer.operated)
        return {"advice": made.advice, "problem": made.problem, "made": made.at}

    async def _latest(self, operated: Operated) -> _Made:
        async with self._making:
            now, made = operated.clock(), self._made
            if made is None or made.of is not operated or not 0 <= now - made.at < _KEPT_SECONDS:
                sources = sources_of(
                    operated.project, operated.config, operated.plans(), operated.counting, operated.build, now
                )
                advice, problem = await asyncio.to_thread(_made, operated, sources)
                self._made = made = _Made(advice, problem, now, operated)
            return made


def _made(operated: Operated, sources: KnownSources) -> tuple[Sequence[Advised], str]:
    """The advice, and why something couldn't be looked at."""
    try:
        with stored_in(operated.project, operated.config, operated.store) as stored:
            return advise(observed(sources, stored)), ""
    except StoreError as error:
        return advise(observed(sources, None)), str(error)
