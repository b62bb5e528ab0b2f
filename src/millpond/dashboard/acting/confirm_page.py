"""The page that asks before anything is done: what an act reaches, what it costs, and what fails at the moment."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple, get_args
from urllib.parse import quote, unquote, urlencode

from millpond.dashboard.acting.acts import PROFILE, ActedBy, How
from millpond.dashboard.acting.subject import subject_of
from millpond.dashboard.figures.window import LENGTH, NO_RENDERS, Renders, States, Window
from millpond.dashboard.pages.dashboard_page import DashboardPage
from millpond.errors import StoreError
from millpond.telemetry.counters import Series
from millpond.telemetry.instruments import STORE_ENTRIES
from millpond.telemetry.minutes import MINUTE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from millpond.dashboard.acting.acts import Acts
    from millpond.dashboard.acting.subject import Subject, SubjectKind
    from millpond.dashboard.pages.dashboard_page import Viewer

_FEW = 1
"""Answers; what ends more than these at once is to be typed again."""
_LONGEST_NOTE = 200
_LARGE_SHARE = 0.25
"""Of the requests that the store can answer; whoever invalidates that many is told."""
_MOST_FAILING = 5
_PARENTS: dict[SubjectKind, str] = {"path": "entries", "entry": "entries", "route": "routes", "tag": "tags"}
"""The pages that each kind of subject is on."""


class Choice(NamedTuple):
    """One way to act."""

    how: How
    title: str
    text: str
    command: str


class Confirm(DashboardPage):
    """`confirm/tag?of=products`: asks, and does it."""

    template = "confirm.html"

    def __init__(self, acts: Acts) -> None:
        self._acts = acts

    async def context(self, viewer: Viewer, rest: str, query: Mapping[str, str]) -> dict[str, Any] | None:
        """As `DashboardPage.context`."""
        operated = viewer.operated
        try:
            subject = await subject_of(operated, rest, query.get("of", ""))
        except StoreError as error:
            return {"subject": None, "lost": str(error), "kind": rest, "name": query.get("of", "")}
        if subject is None:
            return None
        now = operated.clock()
        window = Window(operated.counting.minutes(now - (LENGTH + 1) * MINUTE), now)
        states = _states(window, list(subject.reached.routes))
        everything = _states(window, window.routes())
        renders = reduce(
            Renders.plus, (each for route in subject.reached.routes for each in window.renders(route)), NO_RENDERS
        )
        failing = [
            (cause, route, path)
            for cause in viewer.failing()
            for route, path in cause.routes.items()
            if route in subject.reached.routes
        ]
        choices = list(_choices(subject, failing=len(failing), warms=operated.warms is not None))
        asked = query.get("how", "")
        return {
            "subject": subject,
            "kind": subject.kind,
            "parent": _PARENTS[subject.kind],
            "name": subject.name,
            "in_development": operated.development,
            "of": query.get("of", ""),
            "reached": subject.reached,
            "states": states,
            "share": states.storable / everything.storable if everything.storable else 0.0,
            "large": _LARGE_SHARE,
            "entries": operated.counting.totals().get(Series(STORE_ENTRIES.name, ()), 0),
            "seconds": LENGTH * MINUTE,
            "p50": renders.quantile(0.5),
            "p95": renders.quantile(0.95),
            "failing_here": failing[:_MOST_FAILING],
            "failing_more": max(0, len(failing) - _MOST_FAILING),
            "choices": choices,
            "chosen": asked if asked in {choice.how for choice in choices} else choices[0].how,
            "types_again": _types_again(subject),
            "mistyped": query.get("again") == "no",
            "who": viewer.name,
            "longest_note": _LONGEST_NOTE,
        }

    async def act(self, viewer: Viewer, rest: str, form: Mapping[str, str]) -> str | None:
        """As `DashboardPage.act`."""
        name, how = unquote(form.get("of", "")), form.get("how", "")
        back = self.address(rest, name)
        try:
            subject = await subject_of(viewer.operated, rest, name)
            if subject is None or how not in {each.how for each in _choices(subject)}:
                return None
            if how in ("hard", "purge") and _types_again(subject) and form.get("again", "").strip() != subject.name:
                return f"{back}&how={how}&again=no#again"
            wanted: How = next(each for each in get_args(How) if each == how)
            note = "".join(each for each in form.get("note", "") if each.isprintable()).strip()[:_LONGEST_NOTE]
            await self._acts.carry_out(wanted, subject, ActedBy(viewer.name, note))
        except StoreError:
            return f"{back}#main"
        return "timeline?done=1#main"

    @staticmethod
    def address(kind: str, name: str) -> str:
        """Of the page that asks about something, below the dashboard."""
        return f"confirm/{quote(kind, safe='')}?{urlencode({'of': name})}"


def _types_again(subject: Subject) -> bool:
    return subject.kind in ("tag", "route") and len(subject.reached.keys) > _FEW


def _choices(subject: Subject, *, failing: int = 0, warms: bool = True) -> Iterator[Choice]:
    reached, several = subject.reached, subject.kind in ("tag", "route")
    if subject.can_be_made and warms:
        text = "Rendered now. The old answer is served until the new one is there, and stays if that fails."
        if several:
            text = "Rendered now. The old answers are served until the new ones are there, and stay where that fails."
        yield Choice("refresh", "Refresh", text, f"millpond refresh {subject.option}")
    if subject.can_be_made:
        text = "The next request gets the old answer, and a render starts."
        if several:
            text = "The next request of each path gets the old answer, and a render starts."
        yield Choice("soft", "Invalidate softly", text, f"millpond revalidate {subject.option} --profile {PROFILE}")
        text = "The old answer is never served again: the next request waits for a render. If that fails, it is a 500."
        if several:
            text = "The next request of each path waits."
            if failing:
                text += " The one that fails answers 500." if failing == 1 else f" The {failing} that fail answer 500."
        yield Choice("hard", "Invalidate hard", text, f"millpond revalidate {subject.option}")
    if reached.keys:
        text = "Dropped from the store; what is being rendered now is still stored."
        command = f"millpond cache purge {subject.option}"
        if subject.entry is not None:
            command = f"millpond cache purge --key {subject.id[:10]}"
        yield Choice("purge", "Purge", text, command)


def _states(window: Window, routes: list[str]) -> States:
    return reduce(States.plus, (each for route in routes for each in window.states(route)), States())
