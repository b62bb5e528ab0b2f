"""Answers that are rendered and stored, and that nobody asks for again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.advice.advised import Advised, Change
from millpond.advice.numbers import figure, size
from millpond.policy.advice.advice_kind import AdviceKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from millpond.advice.observation import Observed, SeenRoute

_FEWEST, _SHARE = 20, 0.8
"""Answers, and their share of those of the route, from which it is told."""


def scanned_paths(seen: Observed) -> Iterator[Advised]:
    """Routes whose store is full of answers that say that there is nothing."""
    for route in seen.routes:
        answers = route.answers
        if not (route.on_demand and route.has_params) or answers.unread_missing < _FEWEST:
            continue
        yield Advised(
            kind=AdviceKind.SCANNED_PATHS,
            title="Scanners fill the store",
            routes=(route.pattern,),
            place=route.place("dynamic_params", "generate_static_params", "GET"),
            text=f"{figure(answers.unread_missing)} paths were rendered on demand, answered 404, and were never read "
            "again. List all that there are in generate_static_params, and the others are 404 without a render.",
            change=(Change("+", "dynamic_params = False"),),
            figure=answers.unread_missing,
            unit="entries",
            note=f"{size(answers.unread_missing_bytes)}, never read",
            weight=_render_weight(route, answers.unread_missing),
        )


def never_read(seen: Observed) -> Iterator[Advised]:
    """Routes whose answers are rendered once for each reader."""
    if sum(route.traffic.total for route in seen.routes) < _FEWEST:
        return  # nobody reads anything
    for route in seen.routes:
        answers = route.answers
        unread = answers.unread - answers.unread_missing - answers.unread_keyed
        if not route.has_params or unread < _FEWEST or unread < _SHARE * answers.entries:
            continue
        listed = route.traffic.rendered().number < unread / 2 and "generate_static_params" in route.places
        yield Advised(
            kind=AdviceKind.NEVER_READ,
            title="Answers that nobody reads a second time",
            routes=(route.pattern,),
            place=route.place("generate_static_params", "revalidate", "dynamic", "GET")
            if listed
            else route.place("revalidate", "dynamic", "GET"),
            text=f"{figure(unread)} of {figure(answers.entries)} stored answers were never read after they were "
            "rendered. "
            + (
                "Let generate_static_params list what is asked for; the rest is rendered at its first request."
                if listed
                else "Storing them only displaces others: let the route be live, and store what it reads instead."
            ),
            change=(
                (Change("", "def generate_static_params():"), Change("+", "    …", "the paths that are asked for"))
                if listed
                else (Change("+", 'dynamic = "force-dynamic"'),)
            ),
            figure=unread,
            unit="entries",
            note=f"{size(answers.unread_bytes)}, never read",
            weight=_render_weight(route, unread),
        )


def many_variants(seen: Observed) -> Iterator[Advised]:
    """Routes whose key has so many values that hardly any answer is found again."""
    for route in seen.routes:
        answers = route.answers
        if answers.keyed < _FEWEST or answers.unread_keyed < _SHARE * answers.keyed:
            continue
        worst = max(answers.queries, key=lambda each: each.values, default=None)
        if worst is not None and worst.values > answers.variants:
            option, part, values = "cache_query", f'the query parameter "{worst.name}"', worst.values
            left = tuple(name for name in route.config.cache_query if name != worst.name)
            change: tuple[Change, ...] = (
                Change("-", f"cache_query = {_written(route.config.cache_query)}"),
                Change("+", f"cache_query = {_written(left)}" if left else 'dynamic = "force-dynamic"'),
            )
        elif route.config.cache_vary or not route.config.cache_host:
            option, part, values = "cache_vary", "cache_vary", answers.variants
            change = (Change("", "cache_vary = {…}", "fewer values; others count as the first"),)
        else:
            option, part, values = "cache_host", "the host", answers.variants
            change = (Change("+", 'hosts = ("a.example", …)', "others are 421"),)
        each = answers.keyed / max(1, answers.paths)
        yield Advised(
            kind=AdviceKind.MANY_VARIANTS,
            title="A key with too many variants",
            routes=(route.pattern,),
            place=route.place(option, "revalidate", "GET"),
            text=f"{figure(answers.keyed)} answers are stored of {figure(answers.paths)} paths, {figure(each)} for "
            f"each: {part} has {figure(values)} values. {figure(answers.unread_keyed)} were never read again. Take "
            "out of the key what doesn't change the answer, or let the route be live.",
            change=change,
            figure=answers.keyed,
            unit="variants",
            note=f"{figure(answers.unread_keyed)} never read, {size(answers.unread_bytes)}",
            weight=_render_weight(route, answers.unread_keyed),
        )


def _written(names: tuple[str, ...]) -> str:
    listed = ", ".join(f'"{name}"' for name in names)
    return f"({listed},)" if len(names) == 1 else f"({listed})"


def _render_weight(route: SeenRoute, number: float) -> float:
    """Thousandths of a second that these renders took."""
    rendered = route.traffic.rendered()
    return number * (1000 * rendered.seconds / rendered.number if rendered.number else 1)
