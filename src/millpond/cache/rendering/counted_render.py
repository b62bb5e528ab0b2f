"""A render of an answer, as it counts: how long it took, and what came of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from millpond.cache.read import Fate
from millpond.errors import OverdueError, RenderTimeoutError
from millpond.render.base_exceptions import is_cancellation
from millpond.render.scopes.dynamic_use import NotStatic
from millpond.telemetry.instruments import REFRESHES_REFUSED, RENDERED_BYTES, RENDERS

if TYPE_CHECKING:
    from types import TracebackType

    from millpond.cache.read import Made
    from millpond.policy.entry import Entry
    from millpond.telemetry.counters import Counters


class CountedRender:
    """Around one render, which it counts when it ends.

    Args:
        counters: of the application.
        route: the pattern of the route.
        background: whether nobody waits for it.
    """

    __slots__ = ("_cause", "_counters", "_outcome", "_route", "_size", "_started")

    def __init__(self, counters: Counters, route: str, *, background: bool) -> None:
        self._counters, self._route = counters, route
        self._cause = "refresh" if background else "miss"
        self._outcome, self._size = "failed", 0

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        return self

    def ended(self, made: Made, former: Entry | None) -> None:
        """It has made an answer; `former`: the one that was stored."""
        self._size = len(made.entry.body)
        if made.fate is not Fate.REPLACE:
            self._outcome = "not-storable"
        elif former is None:
            self._outcome = "new"
        else:
            self._outcome = "unchanged" if _is_same(former, made.entry) else "changed"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OverdueError) or isinstance(error and error.__cause__, OverdueError):
            self._counters.add(REFRESHES_REFUSED, "overdue")
            return
        if error is not None:
            self._outcome = _failure(error)
        seconds = time.perf_counter() - self._started
        self._counters.observe(RENDERS, seconds, self._route, self._cause, self._outcome)
        if self._size:
            self._counters.add(RENDERED_BYTES, self._route, count=self._size)


def _failure(error: BaseException) -> str:
    if isinstance(error, NotStatic):
        return "turned-dynamic"
    if isinstance(error.__cause__, RenderTimeoutError):
        return "timeout"
    return "cancelled" if is_cancellation(error) else "failed"


def _is_same(former: Entry, entry: Entry) -> bool:
    """Whether clients that have the former answer need not get the new one: their validators say so."""
    etags = [[value for name, value in each.headers if name == b"etag"] for each in (former, entry)]
    return etags[0] == etags[1] and (former.status, former.body) == (entry.status, entry.body)
