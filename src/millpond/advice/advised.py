"""One piece of advice."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from millpond.policy.advice.advice_kind import AdviceKind


class Change(NamedTuple):
    """One line of what to change."""

    sign: str
    """ "+": add it, "-": take it out, "!": it fails, "": it stays, and shows where."""
    text: str
    note: str = ""


class Advised(NamedTuple):
    """What is wrong or wasted, where, how much, and what to do."""

    kind: AdviceKind
    title: str
    """A sentence with the fact in it."""
    routes: tuple[str, ...]
    place: str
    """File and line; a configuration's, where no route is concerned."""
    text: str
    """What was seen, and what the change does."""
    change: tuple[Change, ...]
    figure: float
    unit: str
    """What the figure counts: "renders an hour"."""
    note: str
    risks: bool = False
    """Whether clients get what is wrong; otherwise it only costs."""
    tags: tuple[str, ...] = ()
    """The tags that it is about."""
    weight: float = 0.0
    """By which pieces are ranked: requests an hour that are at risk, or thousandths of seconds of work an hour."""
