"""The last hour of each route, read in one pass over the minutes."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

from millpond.dashboard.figures.window import NO_RENDERS, Renders, States, renders_by_series, states_by_route

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millpond.dashboard.figures.window import Window
    from millpond.telemetry.minutes import Minute


class RouteHour(NamedTuple):
    """What requests of one route got in each minute, and what its renders took."""

    states: list[States]
    renders: list[Renders]

    @property
    def total(self) -> States:
        """What all its requests got."""
        return reduce(States.plus, self.states, States())

    @property
    def rendered(self) -> Renders:
        """What all its renders took."""
        return reduce(Renders.plus, self.renders, NO_RENDERS)


class RenderRun(NamedTuple):
    """Renders of one kind in minutes that follow each other."""

    begins: float
    """Seconds since the epoch."""
    ends: float
    cause: str
    """"miss": somebody waited; "refresh": nobody did."""
    outcome: str
    renders: Renders


def no_hour(window: Window) -> RouteHour:
    """Of a route that nobody has asked for."""
    return RouteHour([States()] * len(window.slots), [NO_RENDERS] * len(window.slots))


def route_hours(window: Window) -> dict[str, RouteHour]:
    """By the pattern of the route; those that nobody has asked for aren't in it."""
    found: dict[str, RouteHour] = {}
    for number, minute in enumerate(window.slots):
        for route, states in states_by_route(minute).items():
            found.setdefault(route, no_hour(window)).states[number] = states
        for (route, _, _), renders in renders_by_series(minute).items():
            hour = found.setdefault(route, no_hour(window))
            hour.renders[number] = hour.renders[number].plus(renders)
    found.pop("", None)
    return found


def render_runs(window: Window, route: str, most: int) -> list[RenderRun]:
    """The renders of a route, newest first; minutes with renders of one kind are one run."""
    runs: list[RenderRun] = []
    open_runs: dict[tuple[str, str], int] = {}
    for minute, begins in zip(window.slots, window.times(), strict=True):
        ends = begins + 60 if minute is None else minute.at
        kinds = _kinds(minute, route)
        for kind, renders in kinds.items():
            at = open_runs.get(kind)
            if at is None:
                open_runs[kind] = len(runs)
                runs.append(RenderRun(begins, ends, *kind, renders))
            else:
                runs[at] = runs[at]._replace(ends=ends, renders=runs[at].renders.plus(renders))
        if kinds:  # a minute without renders of a kind ends its run only if there were others meanwhile
            open_runs = {kind: at for kind, at in open_runs.items() if kind in kinds}
    return sorted(runs, key=_latest_first)[:most]


def _kinds(minute: Minute | None, route: str) -> dict[tuple[str, str], Renders]:
    found = renders_by_series(minute).items()
    return {(cause, outcome): renders for (of, cause, outcome), renders in found if of == route}


def _latest_first(run: RenderRun) -> tuple[float, float]:
    return -run.ends, -run.begins


def shares(parts: Sequence[tuple[str, float]]) -> list[tuple[str, float, float]]:
    """For a bar of shares: state, where it begins and how wide it is, in per cent."""
    whole, begins, found = sum(number for _, number in parts), 0.0, list[tuple[str, float, float]]()
    for state, number in parts:
        if number:
            width = 100 * number / whole
            found.append((state, begins, width))
            begins += width
    return found
