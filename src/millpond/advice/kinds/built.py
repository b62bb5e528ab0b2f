"""What a build has decided otherwise than its author meant, or has frozen and is no longer so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.advice.advised import Advised, Change
from millpond.advice.numbers import figure
from millpond.policy.advice.advice_kind import AdviceKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from millpond.advice.observation import Observed, SeenRoute

_UNSTORED = ("uncached", "no-store", "no-cache", "private", "revalidate = 0", "short-lived", "Set-Cookie", "cookie")
"""What the reasons of routes say that are live because of what they read, or answer."""


def frozen_drift(seen: Observed) -> Iterator[Advised]:
    """Answers that hold what was so when they were built, and isn't any more."""
    for route in seen.routes:
        for found in route.drifted:
            asked = seen.hourly(route.traffic.total)
            is_variable = found.subject.startswith("env ")
            name = found.subject.partition(" ")[2]
            yield Advised(
                kind=AdviceKind.FROZEN_DRIFT,
                title=f"{route.pattern} keeps the build's {name}",
                routes=(route.pattern,),
                place=found.place,
                text=f"{name} {found.change} at build, and this route's answers are still those of the build. "
                + ("Build with the server's value." if is_variable else "Build again whenever it changes."),
                change=(
                    (Change("+", f"{name}=… millpond build", "the same as millpond start has"),)
                    if is_variable
                    else (Change("+", "millpond build"),)
                ),
                figure=asked,
                unit="requests an hour",
                note=f"frozen: {found.subject}",
                risks=True,
                weight=asked + 1,
            )


def accidental_no_store(seen: Observed) -> Iterator[Advised]:
    """Routes that ask to be stored, and aren't."""
    for route in seen.routes:
        if not route.wishes_static:
            continue
        turned = route.traffic.decided("live", "turned-dynamic") + route.traffic.decided("miss", "turned-dynamic")
        unstored = route.traffic.rendered("not-storable").number
        is_live = not route.static and any(word in route.why for word in _UNSTORED)
        if not is_live and turned + unstored < 5:
            continue
        yield _no_store(seen, route, turned, unstored, is_live=is_live)


def _no_store(seen: Observed, route: SeenRoute, turned: float, unstored: float, *, is_live: bool) -> Advised:
    live = seen.hourly(route.traffic.decided("live") if is_live else turned + unstored)
    if is_live:
        text = f"It asks to be stored, and is live: {route.why}. Give that a lifetime, or say that the route is live."
    elif turned:
        text = (
            f"The build took it for static, and {figure(turned)} requests were answered live, as a render read the "
            "request, or something that may not be stored. `millpond explain` says what."
        )
    else:
        text = (
            f"{figure(unstored)} renders made answers that may not be stored: by their status, or a Cache-Control or "
            "Set-Cookie header of the handler's."
        )
    return Advised(
        kind=AdviceKind.ACCIDENTAL_NO_STORE,
        title="A route that asks to be stored, and isn't",
        routes=(route.pattern,),
        place=(route.why_place if is_live else "") or route.place("GET"),
        text=text,
        change=(
            (Change("-", "no-store, or revalidate = 0", "here"), Change("+", "revalidate=60"))
            if is_live
            else (Change("+", 'dynamic = "error"', "names the line at build"),)
        ),
        figure=live,
        unit="live runs an hour",
        note="of a route that asks to be stored",
        weight=live + 1,
    )
