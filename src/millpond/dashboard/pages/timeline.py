"""The timeline: what has happened in the last week, newest first."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from millpond.dashboard.figures.repeated import told
from millpond.dashboard.pages.dashboard_page import DashboardPage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from millpond.dashboard.pages.dashboard_page import Viewer
    from millpond.telemetry.journal import Event

HOUR = 3600.0
_LINES = 50
KINDS = {
    "failures": ("failure", "recovery"),
    "invalidations": ("invalidation", "purge"),
    "actions": ("action",),
    "evictions": ("eviction",),
    "crons": ("cron",),
    "deploys": ("deploy", "start"),
}
"""What can be filtered by, and the kinds of events that are it."""


class Timeline(DashboardPage):
    """`timeline?route=/&kind=failures&before=1800000000.0`."""

    template = "timeline.html"

    async def context(self, viewer: Viewer, rest: str, query: Mapping[str, str]) -> dict[str, Any] | None:
        """As `DashboardPage.context`."""
        if rest:
            return None
        operated = viewer.operated
        now, journal = operated.clock(), operated.counting.journal
        route, kind, before = query.get("route", ""), query.get("kind", ""), _number(query.get("before", ""))
        events = await asyncio.to_thread(journal.latest, now=now)  # up to a week of them
        found = [event for event in events if _fits(event, route, kind)]
        lines, older = told((event for event in found if before is None or event.at < before), _LINES)
        last_hour = [line for line in lines if line.event.at >= now - HOUR]
        filters = {name: value for name, value in (("route", route), ("kind", kind)) if value}
        return {
            "groups": [
                ("Last hour", last_hour),
                ("Earlier", [line for line in lines if line.event.at < now - HOUR]),
            ],
            "today": operated.clock() // 86_400,
            "routes": sorted({*_routes(events), *(plan.route.pattern for plan in operated.plans())}),
            "kinds": list(KINDS),
            "route": route,
            "kind": kind,
            "is_filtered": bool(filters),
            "before": before,
            "older": None if older is None else urlencode({**filters, "before": repr(older)}),
            "newest": urlencode(filters),
            "is_done": query.get("done") == "1",
        }


def _fits(event: Event, route: str, kind: str) -> bool:
    return (not route or event.route == route) and (not kind or event.kind in KINDS.get(kind, ()))


def _routes(events: list[Event]) -> Iterator[str]:
    return (event.route for event in events if event.route)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if number == number else None  # not NaN, which is before nothing
