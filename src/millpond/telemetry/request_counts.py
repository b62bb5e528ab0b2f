"""Requests, counted by what the cache decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.policy.decision import Reason
from millpond.telemetry.instruments import REQUESTS

if TYPE_CHECKING:
    from millpond.policy.decision import Decision
    from millpond.telemetry.counters import Counters, Tally

CLIENT = "client"
"""The origin of requests that come from outside."""

_Key = tuple[str, int, str, str, str]


class RequestCounts:
    """Counts requests. A hit at the socket keeps its `Tally`.

    An old answer that counts as fresh while a failed refresh pauses is *stale* here, whatever its header says: by the
    header, a front page that can't be rendered any more would be all hits.
    """

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._tallies: dict[_Key, Tally] = {}

    def tally(self, route: str, status: int, decision: Decision | None, origin: str = CLIENT) -> Tally:
        """The number of such requests.

        Args:
            route: the pattern of the route; "" where none answered.
            status: what the client got.
            decision: None where no file route answered.
            origin: who has asked.
        """
        action, reason = ("none", "none") if decision is None else _counted(decision)
        key = route, status // 100, action, reason, origin
        tally = self._tallies.get(key)
        if tally is None:
            values = route, f"{status // 100}xx", action, reason, origin
            tally = self._tallies[key] = self._counters.tally(REQUESTS, *values)
        return tally


def _counted(decision: Decision) -> tuple[str, str]:
    if decision.reason is Reason.REFRESH_FAILED:
        return "stale", decision.reason.value
    return decision.action.value.lower(), decision.reason.value
