"""Notes failures and recoveries in the journal: each cause once in a while, with how often it came up meanwhile."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from millpond.render.failures.failure_event import failure_event
from millpond.telemetry.journal import Event, JournalPosition

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from millpond.telemetry.journal import Journal

LOOK_SECONDS = 2.0
"""Between two looks at what other processes have noted."""
_DAY = 86_400.0
PAUSE = 60.0
"""Seconds in which one cause of one route is noted once."""
_MOST_CAUSES, _MOST_FAILING = 1000, 10_000


class _Cause(NamedTuple):
    route: str
    error: str
    place: str


class _Noted:
    __slots__ = ("at", "since")

    def __init__(self, at: float) -> None:
        self.at, self.since = at, 0
        """How often it came up since it was noted."""


class FailureLog:
    """The failures of one process.

    Args:
        journal: tells the journal that they are noted in, which may be another after a start.
        project: the folder whose files are the author's own.
        clock: seconds since the epoch.
    """

    def __init__(self, journal: Callable[[], Journal], project: Path, clock: Callable[[], float]) -> None:
        self._journal, self._project, self._clock = journal, project, clock
        self._noted: OrderedDict[_Cause, _Noted] = OrderedDict()
        self._failing: OrderedDict[str, str] = OrderedDict()
        """Keys whose last render failed, and their routes."""
        self._elsewhere: OrderedDict[str, str] = OrderedDict()
        """Paths that failed in whatever process, as far as the journal tells, and their routes."""
        self._read, self._read_at = JournalPosition(), 0.0
        self._lock = threading.Lock()

    def failed(
        self, error: BaseException, *, route: str, path: str, served: Literal["older", "500"], key: str = ""
    ) -> None:
        """A handler has raised an exception; `key`: of the answer that it should have made for everybody."""
        now = self._clock()
        event = failure_event(error, self._project, at=now, route=route, path=path, served=served)
        cause = _Cause(route, event.error, event.place)
        with self._lock:
            if key:
                self._failing[key] = route
                self._failing.move_to_end(key)
                if len(self._failing) > _MOST_FAILING:
                    self._failing.popitem(last=False)
            noted = self._noted.get(cause)
            if noted is not None and now - noted.at < PAUSE:
                noted.since += 1
                return
            count = 1 if noted is None else 1 + noted.since
            self._noted[cause] = _Noted(now)
            self._noted.move_to_end(cause)
            if len(self._noted) > _MOST_CAUSES:
                self._noted.popitem(last=False)
        self._journal().note(msgspec.structs.replace(event, count=count))

    def worked(self, key: str, path: str) -> None:
        """An answer was made: it is told if the last try had failed."""
        now = self._clock()
        with self._lock:
            if abs(now - self._read_at) >= LOOK_SECONDS:
                self._look(now)
            if not self._failing and not self._elsewhere:  # nearly always
                return
            route = self._failing.pop(key, None)
            route = self._elsewhere.pop(path, None) or route
            others = route is not None and (route in self._failing.values() or route in self._elsewhere.values())
        if route is not None and not others:
            text = f"{path} is rendered again"
            self._journal().note(Event(at=now, kind="recovery", text=text, route=route, path=path))

    def _look(self, now: float) -> None:
        """Learn what has failed in other processes, and what works again."""
        self._read_at = now
        events, self._read = self._journal().appended(self._read)
        for event in events:
            if event.kind == "recovery":
                for known in (self._elsewhere, self._failing):
                    for name in [name for name, route in known.items() if route == event.route]:
                        del known[name]
            elif event.kind == "deploy":
                self._elsewhere.clear()
            elif event.kind == "failure" and event.path and event.at > now - _DAY:
                self._elsewhere[event.path] = event.route
                self._elsewhere.move_to_end(event.path)
                if len(self._elsewhere) > _MOST_FAILING:
                    self._elsewhere.popitem(last=False)
