"""What surrounds the routes: upstreams, the store, codings, crons, and failing refreshes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.advice.advised import Advised, Change
from millpond.advice.numbers import figure, size, span
from millpond.policy.advice.advice_kind import AdviceKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from millpond.advice.observation import Observed

_FEWEST_SLOW = 3
_FULL, _FEWEST_EVICTED = 0.8, 10
_FEWEST_CODED, _USELESS = 5, 0.9


def failing_refreshes(seen: Observed) -> Iterator[Advised]:
    """Routes that fail since some time, and serve what they had."""
    for failure in seen.failures:
        known = [route for route in map(seen.route, failure.routes) if route is not None]
        older = sum(route.traffic.decided("stale", "refresh-failed") for route in known)
        worst = max(known, key=lambda route: route.traffic.total, default=None)
        name = failure.routes[0] if worst is None else worst.pattern
        more = f" and {len(failure.routes) - 1} more" if len(failure.routes) > 1 else ""
        yield Advised(
            kind=AdviceKind.FAILING_REFRESH,
            title=f"{name}{more} can't be rendered",
            routes=failure.routes,
            place=failure.place or (worst.place("GET") if worst else ""),
            text=f"It has failed {figure(failure.times)} times in {span(max(1, seen.now - failure.since))}, with the "
            f"same {failure.error}: {failure.message}. Nothing is to be invalidated: a hard invalidation would make "
            "older answers a 500. Correct the data, or let this line take it.",
            change=(Change("!", failure.source or "…", f"{failure.error}: {failure.message}"),),
            figure=seen.hourly(older) if older else failure.times,
            unit="requests an hour" if older else "failures",
            note="got an older answer" if older else "of renders and requests",
            risks=True,
            weight=seen.hourly(older) * 10 + failure.times + 1000,
        )


def slow_upstreams(seen: Observed) -> Iterator[Advised]:
    """Fetches that are always under way, as their data is stale when it comes."""
    for fetch in seen.slow_fetches:
        if fetch.number < _FEWEST_SLOW:
            continue
        yield Advised(
            kind=AdviceKind.SLOW_UPSTREAM,
            title="An upstream that is slower than its data stays fresh",
            routes=(fetch.route,) if fetch.route else (),
            place=fetch.place,
            text=f"{figure(fetch.number)} calls took longer than the lifetime of their answer: it is stale again as "
            "soon as it is there, and the upstream is asked without end. Give it a longer lifetime.",
            change=(Change("-", "fetch(…, revalidate=1)"), Change("+", "fetch(…, revalidate=60)")),
            figure=seen.hourly(fetch.number),
            unit="calls an hour",
            note="slower than their lifetime",
            weight=1000 * seen.hourly(fetch.number),
        )


def small_stores(seen: Observed) -> Iterator[Advised]:
    """A store that evicts what is asked for again."""
    store = seen.store
    if not store.is_known or not store.limit or store.bytes < _FULL * store.limit:
        return
    again = {
        route.pattern: route.traffic.rendered("new").number - route.answers.entries
        for route in seen.routes
        if route.traffic.rendered("new").number > route.answers.entries
    }
    missing = sum(again.values())
    if max(missing, store.evicted_read) < _FEWEST_EVICTED:
        return
    most = sorted(again, key=lambda pattern: -again[pattern])
    seconds = sum(
        route.traffic.rendered("new").seconds / route.traffic.rendered("new").number * again[route.pattern]
        for route in seen.routes
        if route.pattern in again
    )
    yield Advised(
        kind=AdviceKind.SMALL_STORE,
        title="The store is too small for what is asked for",
        routes=tuple(most[:5]),
        place=store.place,
        text=f"It is full ({size(store.bytes)} of {size(store.limit)}), and {figure(missing)} answers were rendered "
        "anew that it had evicted, or would have had room for.",
        change=(Change("+", f'max_bytes = "{size(store.limit * 4)}"', "[cache]"),),
        figure=seen.hourly(max(missing, store.evicted_read)),
        unit="renders an hour",
        note="of what had been stored",
        weight=1000 * seen.hourly(seconds) + seen.hourly(missing),
    )


def useless_codings(seen: Observed) -> Iterator[Advised]:
    """Routes whose bodies are compressed for clients, and stay as large."""
    for route in seen.routes:
        answers = route.answers
        if answers.tried_codings < _FEWEST_CODED or answers.useless_codings < _USELESS * answers.tried_codings:
            continue
        yield Advised(
            kind=AdviceKind.USELESS_CODING,
            title="Codings that save nothing",
            routes=(route.pattern,),
            place=route.place("GET"),
            text=f"{figure(answers.useless_codings)} of {figure(answers.tried_codings)} bodies that were tried don't "
            "get smaller by a tenth: what they hold is compressed or random already. Say so, and no client's request "
            "makes a process try.",
            change=(Change("+", 'headers={"cache-control": "no-transform"}'),),
            figure=answers.useless_codings,
            unit="bodies",
            note=f"{size(answers.coded_bytes)} compressed for nothing",
            weight=answers.coded_bytes / 50_000,
        )


def idle_crons(seen: Observed) -> Iterator[Advised]:
    """Crons that don't run."""
    for cron in seen.crons:
        if not cron.problem:
            continue
        yield Advised(
            kind=AdviceKind.IDLE_CRON,
            title=f"The cron of {cron.path} doesn't run",
            routes=(cron.route,) if cron.route else (),
            place=cron.place,
            text=f'It is due by "{cron.schedule}", and {cron.problem}',
            change=(Change("", "[[cron]]"), Change("", f'path = "{cron.path}"')),
            figure=0,
            unit="runs",
            note="of a cron that is configured",
            risks=True,
            weight=10,
        )
