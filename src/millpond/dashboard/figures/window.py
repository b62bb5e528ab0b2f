"""The last hour, minute by minute: what requests got, and what renders took."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

from millpond.telemetry.counters import BUCKETS, Spread
from millpond.telemetry.instruments import REFRESHES_RUNNING, REFRESHES_WAITING, RENDERS, REQUESTS, STORE_BYTES
from millpond.telemetry.minutes import MINUTE
from millpond.telemetry.request_counts import CLIENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from millpond.telemetry.minutes import Minute

LENGTH = 60
STATES = ("hit", "stale", "miss", "live", "error")
_STATE_OF = {"hit": "hit", "stale": "stale", "miss": "miss"}
"""Of a decision; all others are live."""


class States(NamedTuple):
    """How many requests got what."""

    hit: float = 0
    stale: float = 0
    miss: float = 0
    live: float = 0
    error: float = 0
    stored_errors: float = 0
    """Errors of routes that can be stored."""

    @property
    def total(self) -> float:
        return self.hit + self.stale + self.miss + self.live + self.error

    @property
    def storable(self) -> float:
        """Those of which a share can be fresh: live requests are in no ratio."""
        return self.hit + self.stale + self.miss + self.stored_errors

    def plus(self, other: States) -> States:
        """Both together."""
        return States(*(a + b for a, b in zip(self, other, strict=True)))


class Renders(NamedTuple):
    """What renders took."""

    spread: Spread
    unchanged: int = 0
    failed: int = 0

    def plus(self, other: Renders) -> Renders:
        """Both together."""
        return Renders(self.spread.plus(other.spread), self.unchanged + other.unchanged, self.failed + other.failed)

    def quantile(self, share: float) -> float | None:
        """Seconds within which a share of them ended, as far as the buckets tell; None: there were none."""
        return quantile(self.spread, share)


NO_RENDERS = Renders(Spread(0, 0.0, (0,) * (len(BUCKETS) + 1)))


def quantile(spread: Spread, share: float) -> float | None:
    """The value below which a share of the observed ones lies; None: there are none."""
    if not spread.number:
        return None
    wanted, below, lower = share * spread.number, 0, 0.0
    for bound, number in zip(BUCKETS, spread.buckets, strict=False):
        if number and below + number >= wanted:
            return lower + (bound - lower) * (wanted - below) / number
        below, lower = below + number, bound
    return lower


class Window:
    """Sixty minutes, of which some may have nothing.

    Args:
        minutes: what is known, oldest first.
        now: seconds since the epoch.
    """

    def __init__(self, minutes: Sequence[Minute], now: float) -> None:
        self.end = now
        self.start = now - LENGTH * MINUTE
        self.slots: list[Minute | None] = [None] * LENGTH
        """The minutes; None where nothing is known."""
        for minute in minutes:
            slot = int((minute.at - self.start) // MINUTE)
            if 0 <= slot < LENGTH:
                self.slots[slot] = minute

    def times(self) -> list[float]:
        """When each minute began."""
        return [self.start + number * MINUTE for number in range(LENGTH)]

    def states(self, route: str | None = None) -> list[States]:
        """What requests got in each minute; of one route, or of all."""
        return [_states_in(minute, route) for minute in self.slots]

    def renders(self, route: str | None = None) -> list[Renders]:
        """What renders took in each minute."""
        return [_renders_in(minute, route) for minute in self.slots]

    def bytes(self) -> list[float]:
        """Bytes in the store at the end of each minute."""
        return self._gauge(STORE_BYTES.name)

    def queue(self) -> list[float]:
        """Refreshes that ran or waited at the end of each minute."""
        running, waiting = self._gauge(REFRESHES_RUNNING.name), self._gauge(REFRESHES_WAITING.name)
        return [a + b for a, b in zip(running, waiting, strict=True)]

    def routes(self) -> list[str]:
        """All that were asked for or rendered."""
        found: dict[str, None] = {}
        for minute in self.slots:
            for values, _ in _series(minute, REQUESTS.name):
                found[values[0]] = None
            for key in {} if minute is None else minute.spreads.get(RENDERS.name, {}):
                found[key.split("\n")[0]] = None
        return [route for route in found if route]

    def _gauge(self, name: str) -> list[float]:
        return [0.0 if minute is None else sum(minute.numbers.get(name, {}).values()) for minute in self.slots]


def _series(minute: Minute | None, name: str) -> Iterator[tuple[list[str], float]]:
    for key, value in {}.items() if minute is None else minute.numbers.get(name, {}).items():
        yield key.split("\n"), value


def states_by_route(minute: Minute | None) -> dict[str, States]:
    """What requests got in a minute, by the patterns of their routes."""
    found: dict[str, States] = {}
    for (of, status, decision, _, origin), number in _series(minute, REQUESTS.name):
        if origin != CLIENT:
            continue
        state = "error" if status == "5xx" else _STATE_OF.get(decision, "live")
        stored = number if state == "error" and decision in _STATE_OF else 0
        found[of] = found.get(of, States()).plus(States(**{state: number, "stored_errors": stored}))
    return found


def renders_by_series(minute: Minute | None) -> dict[tuple[str, str, str], Renders]:
    """What renders took in a minute, by route, cause and outcome."""
    found: dict[tuple[str, str, str], Renders] = {}
    for key, (total, buckets) in {}.items() if minute is None else minute.spreads.get(RENDERS.name, {}).items():
        of, cause, outcome = key.split("\n")
        spread = Spread(sum(buckets), total, tuple(buckets))
        unchanged = spread.number if outcome == "unchanged" else 0
        failed = spread.number if outcome in ("failed", "timeout") else 0
        found[of, cause, outcome] = Renders(spread, unchanged, failed)
    return found


def _states_in(minute: Minute | None, route: str | None) -> States:
    found = states_by_route(minute)
    return reduce(States.plus, found.values(), States()) if route is None else found.get(route, States())


def _renders_in(minute: Minute | None, route: str | None) -> Renders:
    found = (each for key, each in renders_by_series(minute).items() if route is None or key[0] == route)
    return reduce(Renders.plus, found, NO_RENDERS)
