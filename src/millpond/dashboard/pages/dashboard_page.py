"""What every page has: who looks, where the other pages are, and what is counted beside their names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from millpond.config.store_url import parse_store_url
from millpond.dashboard.figures.failing import Failing, failing_now
from millpond.telemetry.counters import Series
from millpond.telemetry.instruments import PROCESSES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from millpond.dashboard.access.sessions import OperatorSession
    from millpond.dashboard.operated import Operated

_DAY = 86_400.0

NAMES = (
    ("", "Overview"),
    ("routes", "Routes"),
    ("entries", "Entries"),
    ("tags", "Tags"),
    ("data", "Data"),
    ("timeline", "Timeline"),
    ("crons", "Crons"),
    ("hosts", "Hosts"),
    ("advice", "Advice"),
)


class LostStore(NamedTuple):
    """A store that can't be reached."""

    where: str
    since: float
    """Seconds since the epoch."""
    at_hand_seconds: float
    """How long what the processes have at hand is served as stale."""
    is_over: bool
    """Whether that time is over."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who looks at a page."""

    base: str
    """The path of the dashboard."""
    session: OperatorSession | None
    """None where nobody has to log in."""
    operated: Operated

    @property
    def name(self) -> str:
        """Who acts, for the log."""
        return "developer" if self.session is None else self.session.name

    def failing(self) -> list[Failing]:
        """What fails now."""
        operated = self.operated
        now = operated.clock()
        return failing_now(operated.counting.journal.latest(now=now), now - _DAY)

    def lost_store(self) -> LostStore | None:
        """The store, if this process can't reach it."""
        operated = self.operated
        if operated.store.is_synced():
            return None
        cache = operated.config.cache
        where = str(parse_store_url(cache.store)) if cache.kind == "valkey" else cache.path
        now, seconds = operated.clock(), operated.store.lost_seconds()
        return LostStore(where, now - seconds, cache.serve_when_down, seconds >= cache.serve_when_down)

    def frame(self, page: str) -> dict[str, Any]:
        """What the template `frame.html` needs."""
        operated = self.operated
        now = operated.clock()
        failing = sum(len(each.routes) for each in self.failing())
        processes = operated.counting.totals().get(Series(PROCESSES.name, ()), 1)
        return {
            "base": self.base,
            "site": operated.site,
            "pages": NAMES,
            "page": page,
            "failing_routes": failing,
            "csrf": "" if self.session is None else self.session.token,
            "can_log_out": self.session is not None,
            "build": operated.build[:8],
            "mode": _mode(operated),
            "since": operated.since,
            "processes": processes,
            "store": operated.config.cache.kind,
            "lost_store": self.lost_store(),
            "now": now,
        }


class DashboardPage(ABC):
    """One page of the dashboard."""

    template: str

    @abstractmethod
    async def context(self, viewer: Viewer, rest: str, query: Mapping[str, str]) -> dict[str, Any] | None:
        """What the template shows; None: there is no such thing.

        Args:
            viewer: who looks.
            rest: the path after the page's name.
            query: of the URL; of several values the last one counts.
        """

    def template_for(self, rest: str) -> str:
        """The name of the template: the same for all below the page, unless a page says otherwise."""
        del rest
        return self.template

    async def act(self, viewer: Viewer, rest: str, form: Mapping[str, str]) -> str | None:
        """Do what a form asks for, which was sent from this dashboard; returns the page to go to.

        None: nothing can be sent to this page.
        """
        del viewer, rest, form
        return None


def _mode(operated: Operated) -> str:
    config = operated.config
    version = f"compat {config.compat}"
    return f"{version}, Cache Components" if config.cache_components else version
