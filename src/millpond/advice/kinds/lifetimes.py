"""Lifetimes that are too short for what changes, or too long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.advice.advised import Advised, Change
from millpond.advice.numbers import figure, lifetime, seconds_in_code, span
from millpond.policy.advice.advice_kind import AdviceKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from millpond.advice.observation import Observed, SeenRoute

_FEWEST_RENDERS = 20
_UNCHANGED = 0.95
"""The share of refreshes that gave the same bytes from which the lifetime is too short."""
_FEWEST_CHANGES, _CHANGED, _LONG = 5, 0.8, 600
"""Refreshes that changed something, their share, and the seconds of a lifetime from which it may be too long."""
_TAG_SECONDS, _FEWEST_STALE = 3600, 5
"""How long ago a tag was softly invalidated, and how many answers are older than that."""


def short_lifetimes(seen: Observed) -> Iterator[Advised]:
    """Routes that are refreshed again and again, and stay the same."""
    for route in seen.routes:
        same = route.traffic.rendered("unchanged", cause="refresh")
        changed = route.traffic.rendered("changed", cause="refresh")
        refreshes = same.number + changed.number
        now = _lifetime_of(route)
        if refreshes < _FEWEST_RENDERS or same.number < _UNCHANGED * refreshes or now is None:
            continue
        proposed = max(lifetime(now * refreshes / (changed.number + 1)), lifetime(now * 10))
        said = route.config.revalidate
        is_own = said is not None and said is not False
        hourly = seen.hourly(same.seconds)
        yield Advised(
            kind=AdviceKind.SHORT_LIFETIME,
            title="A lifetime so short that renders change nothing",
            routes=(route.pattern,),
            place=route.place("revalidate", "GET"),
            text=f"{figure(same.number)} of {figure(refreshes)} refreshes gave the same bytes. Let whatever changes "
            "the data invalidate the answer, by revalidate_path() or a tag, and give it a longer lifetime."
            + ("" if is_own else " The lifetime is that of what it reads: a fetch, a cached function or cache_life()."),
            change=(
                Change("-", f"revalidate = {seconds_in_code(now)}"),
                Change("+", f"revalidate = {seconds_in_code(proposed)}"),
            ),
            figure=seen.hourly(same.number),
            unit="renders an hour",
            note=f"{span(same.seconds / same.number)} each, for nothing",
            weight=1000 * hourly + seen.hourly(same.number),
        )


def _lifetime_of(route: SeenRoute) -> float | None:
    said = route.config.revalidate
    if said is not None and said is not False and said > 0:
        return float(said)
    return route.answers.revalidate


def long_lifetimes(seen: Observed) -> Iterator[Advised]:
    """Routes whose data has nearly always changed when they are rendered again; and tags that are stale for long."""
    invalidated = {each.tag for each in seen.invalidations}
    for route in seen.routes:
        same = route.traffic.rendered("unchanged", cause="refresh")
        changed = route.traffic.rendered("changed", cause="refresh")
        refreshes, now = same.number + changed.number, _lifetime_of(route)
        if now is None or now < _LONG or changed.number < _FEWEST_CHANGES or changed.number < _CHANGED * refreshes:
            continue
        tags = sorted(name for name, tag in seen.tags.items() if route.pattern in tag.routes)
        if invalidated.intersection(tags):
            continue  # what has changed was told
        remedy = (
            f'Call revalidate_tag("{tags[0]}") where it changes: nobody has invalidated it.'
            if tags
            else "Give the data a tag, and invalidate that where it changes."
        )
        yield Advised(
            kind=AdviceKind.LONG_LIFETIME,
            title=f"Answers are up to {span(now)} old, and their data changes sooner",
            routes=(route.pattern,),
            place=route.place("revalidate", "GET"),
            text=f"{figure(changed.number)} of {figure(refreshes)} refreshes found something else. {remedy} Or give it "
            "a shorter lifetime.",
            change=(
                Change("-", f"revalidate = {seconds_in_code(now)}"),
                Change("+", f"revalidate = {seconds_in_code(lifetime(now / 10))}"),
            ),
            figure=seen.hourly(route.traffic.total),
            unit="requests an hour",
            note=f"got data of up to {span(now)} ago",
            risks=True,
            weight=seen.hourly(route.traffic.decided("stale")) + 1,
        )
    yield from _stale_tags(seen)


def _stale_tags(seen: Observed) -> Iterator[Advised]:
    for each in seen.invalidations:
        stale, tag = seen.store.stale_tags.get(each.tag, 0), seen.tags.get(each.tag)
        if each.hard or tag is None or stale < _FEWEST_STALE or seen.now - each.last < _TAG_SECONDS:
            continue
        route = seen.route(tag.routes[0]) if tag.routes else None
        yield Advised(
            kind=AdviceKind.LONG_LIFETIME,
            title=f"Answers are still older than the invalidation of {each.tag}",
            routes=tag.routes,
            place=each.place or tag.place or (route.place("revalidate", "GET") if route else ""),
            text=f"It was invalidated {span(seen.now - each.last)} ago so that older answers are served as stale. "
            f"{figure(stale)} haven't been asked for since: each will be served once more as it was. Invalidate it "
            "hard, or refresh what has it.",
            change=(
                Change("-", f'revalidate_tag("{each.tag}", "max")'),
                Change("+", f'revalidate_tag("{each.tag}", expire=3600)', "older answers are served for an hour"),
            ),
            figure=stale,
            unit="answers",
            note=f"stale for {span(seen.now - each.last)}",
            tags=(each.tag,),
            risks=True,
            weight=stale,
        )
