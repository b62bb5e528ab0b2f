"""Tags that nothing has, or that everything has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.advice.advised import Advised, Change
from millpond.advice.numbers import figure
from millpond.messages import closest, counted
from millpond.policy.advice.advice_kind import AdviceKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from millpond.advice.observation import Observed, SeenInvalidation

_FEWEST_ANSWERS, _FEWEST_ROUTES, _SHARE = 20, 3, 0.9
"""Answers and routes that there are, and the share of them that a tag has from which it is broad."""
_LIKENESS = 0.75
_ORIGINS = {
    "handler": "by a handler",
    "endpoint": "by the endpoint",
    "cli": "on the command line",
    "cron": "by a cron",
    "admin": "in the dashboard",
}


def unused_tags(seen: Observed) -> Iterator[Advised]:
    """Invalidations that reached nothing, as the tag is spelled in another way, or isn't given at all."""
    families = {tag.partition(":")[0] for tag in seen.tags if ":" in tag}
    for each in seen.invalidations:
        family, colon, _ = each.tag.partition(":")
        if each.tag in seen.tags or (colon and family in families):
            continue  # of a family that is used, this one isn't stored now: nobody has asked for it
        near = closest(each.tag, seen.tags, _LIKENESS)
        if near is None and colon:
            like = closest(family, families, _LIKENESS)
            near = None if like is None else f"{like}:{each.tag.partition(':')[2]}"
        if near is None and (each.given or not seen.answers):
            continue  # what has it isn't stored now
        remedy = f"Answers have {near}." if near else "Give it to what should end with it, or leave the call out."
        yield Advised(
            kind=AdviceKind.UNUSED_TAG,
            title="A tag that nothing has",
            routes=(),
            place=each.place,
            text=f"{each.tag} was invalidated {_times(each)}, {_by(each)}, and no stored answer and no data has it. "
            f"{remedy}",
            change=(Change("-", _call(each, each.tag)), *((Change("+", _call(each, near)),) if near else ())),
            figure=each.times,
            unit="invalidation" if each.times == 1 else "invalidations",
            note="that reached nothing",
            tags=(each.tag,),
            weight=each.times,
        )


def broad_tags(seen: Observed) -> Iterator[Advised]:
    """Tags by which one change makes everything stale."""
    cost = {}
    for route in seen.routes:
        rendered = route.traffic.rendered()
        cost[route.pattern] = rendered.seconds / rendered.number if rendered.number else 0.0
    for tag, had in seen.tags.items():
        times = sum(each.times for each in seen.invalidations if each.tag == tag)
        if not times or had.answers < max(_FEWEST_ANSWERS, _SHARE * seen.answers):
            continue
        if len(had.routes) < _FEWEST_ROUTES:
            continue
        mean = sum(cost.get(pattern, 0.0) for pattern in had.routes) / len(had.routes)
        places = [each.place for each in seen.invalidations if each.tag == tag and each.place]
        yield Advised(
            kind=AdviceKind.BROAD_TAG,
            title="A tag that everything has",
            routes=had.routes,
            place=had.place or next(iter(places), ""),
            text=f"{tag} is on {figure(had.answers)} of {figure(seen.answers)} answers, of "
            f"{counted(len(had.routes), 'route')}, and was invalidated {figure(times)} times: each time all of them "
            "are rendered again. Give what changes alone a tag of its own.",
            change=(
                Change("-", f'tags=["{tag}"]'),
                Change("+", f'tags=[f"{tag}:{{id}}"]', "and invalidate that"),
            ),
            figure=had.answers,
            unit="answers",
            note=f"made stale {figure(times)} times",
            tags=(tag,),
            weight=1000 * seen.hourly(times) * had.answers * mean + seen.hourly(times) * had.answers,
        )


def _times(each: SeenInvalidation) -> str:
    return {1: "once", 2: "twice"}.get(each.times, f"{each.times:,} times")


def _by(each: SeenInvalidation) -> str:
    said = _ORIGINS.get(each.origin, "by somebody")
    return f"{said}, {each.name}" if each.name else said


def _call(each: SeenInvalidation, tag: str) -> str:
    return f"millpond revalidate --tag {tag}" if each.origin == "cli" else f'revalidate_tag("{tag}")'
