"""Live routes that could be answered from the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.advice.advised import Advised, Change
from millpond.advice.numbers import figure
from millpond.policy.advice.advice_kind import AdviceKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from millpond.advice.observation import Observed, SeenRoute

_FEWEST_SAMPLED, _FEWEST_EQUAL = 20, 10
_REPEATED = 0.25
"""The share of requests that were equal to one of the last, by all that was read, from which storing pays."""
_LISTED = {
    "accept-language": '{"accept-language": ["en", "de"]}',
}


def live_reads(seen: Observed) -> Iterator[Advised]:
    """Live routes by what they read of the request: nothing, one header or cookie, or some query parameters."""
    for route in seen.routes:
        traffic = route.traffic
        if route.static or route.is_endless or traffic.sampled < _FEWEST_SAMPLED or "GET" not in route.places:
            continue
        reads = set(traffic.reads) | {f"{kind} {name}" for kind, name in route.declared}
        if not reads:
            if traffic.again >= _REPEATED * traffic.sampled:
                yield _reading_nothing(seen, route)
        elif len(reads) == 1 and next(iter(reads)).startswith(("header ", "cookie ")):
            if traffic.again >= _REPEATED * traffic.sampled:
                yield from _reading_one(seen, route, next(iter(reads)))
        elif all(read == "query" or read.startswith("query ") for read in reads):
            names = sorted(read.partition(" ")[2] for read in reads if read != "query")
            if names and ("query" not in reads) and traffic.again >= _REPEATED * traffic.sampled:
                yield _reading_query(seen, route, names)


def _reading_nothing(seen: Observed, route: SeenRoute) -> Advised:
    live = seen.hourly(route.traffic.decided("live"))
    cut = _live_option(route)
    return Advised(
        kind=AdviceKind.LIVE_READS_NOTHING,
        title="A live route that gives everybody the same",
        routes=(route.pattern,),
        place=route.place(*_LIVE_OPTIONS, "GET"),
        text=f"None of {figure(route.traffic.sampled)} requests that were looked at made it read anything of the "
        "request. Stored for some seconds, its answer is made once for all who ask meanwhile.",
        change=(*cut, Change("+", "revalidate = 10", "seconds for which an answer is good enough")),
        figure=live,
        unit="live runs an hour",
        note="that read nothing of the request",
        weight=live,
    )


def _reading_one(seen: Observed, route: SeenRoute, read: str) -> Iterator[Advised]:
    kind, _, name = read.partition(" ")
    if name in ("authorization", "cookie", "x-api-key") or (kind == "cookie" and "session" in name.lower()):
        return  # that is who asks, and no value among a few
    live, traffic = seen.hourly(route.traffic.decided("live")), route.traffic
    if name == "host":
        added: Sequence[Change] = (Change("+", "cache_host = True"),)
    else:
        key = f"cookie:{name}" if kind == "cookie" else name
        added = (Change("+", "cache_vary = " + _LISTED.get(name, f'{{"{key}": [{_some(name)}]}}')),)
    yield Advised(
        kind=AdviceKind.LIVE_ONE_HEADER,
        title=f"A live route that reads one {kind} only",
        routes=(route.pattern,),
        place=route.place(*_LIVE_OPTIONS, "GET"),
        text=f"Of the request it reads {kind} {name}, and nothing else; {figure(traffic.again)} of "
        f"{figure(traffic.sampled)} requests that were looked at had the same value as one of the last. If it has few "
        "values, make them part of the key: there is one stored answer for each.",
        change=(*_live_option(route), *added, Change("+", "revalidate = 60")),
        figure=live,
        unit="live runs an hour",
        note=f"that read {name} only",
        weight=live,
    )


def _some(name: str) -> str:
    return '"0", "1"' if name.startswith("is-") else '"a", "b"'


def _reading_query(seen: Observed, route: SeenRoute, names: Sequence[str]) -> Advised:
    live, traffic = seen.hourly(route.traffic.decided("live")), route.traffic
    listed = ", ".join(f'"{name}"' for name in names) + ("," if len(names) == 1 else "")
    return Advised(
        kind=AdviceKind.LIVE_QUERY,
        title="A live route that reads query parameters only",
        routes=(route.pattern,),
        place=route.place(*_LIVE_OPTIONS, "GET"),
        text=f"Of the request it reads {', '.join(names)}, and {figure(traffic.again)} of {figure(traffic.sampled)} "
        "requests that were looked at were equal to one of the last. Make these parameters part of the key.",
        change=(*_live_option(route), Change("+", f"cache_query = ({listed})"), Change("+", "revalidate = 60")),
        figure=live * traffic.again / traffic.sampled,
        unit="live runs an hour",
        note="that were equal to one of the last",
        weight=live * traffic.again / traffic.sampled,
    )


def equal_live(seen: Observed) -> Iterator[Advised]:
    """Live routes that do the same work several times at once."""
    for route in seen.routes:
        together, live = route.traffic.together, route.traffic.decided("live")
        if together < _FEWEST_EQUAL or route.is_endless or together < 0.1 * live:
            continue
        yield Advised(
            kind=AdviceKind.EQUAL_LIVE,
            title="Equal requests run at the same time",
            routes=(route.pattern,),
            place=route.place("GET"),
            text=f"{figure(together)} of {figure(live)} live runs began while one for the same path, query and "
            "credentials ran. Move what takes time into a cached function: it runs once, and all of them wait for it.",
            change=(
                Change("+", "@cached(revalidate=1)"),
                Change("+", "async def work(…):", "called by GET; equal calls wait for one"),
            ),
            figure=seen.hourly(together),
            unit="runs an hour",
            note="beside an equal one",
            weight=seen.hourly(together) * 2,
        )


_LIVE_OPTIONS = ("dynamic", "revalidate")
"""Options that may have made the route live."""


def _live_option(route: SeenRoute) -> tuple[Change, ...]:
    """The line that makes it live, to be taken out."""
    config = route.config
    if config.forces_dynamic:
        return (Change("-", 'dynamic = "force-dynamic"'),)
    return (Change("-", "revalidate = 0"),) if config.never_cached else ()
