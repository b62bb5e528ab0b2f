"""What a render at build, or a cached function that is filled meanwhile, has used besides the request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from millpond.errors import Place
    from millpond.policy.allowance import InputKind

    Call = tuple[str, int, int]
    """What is used, and by which instruction of which code."""


class Observation(NamedTuple):
    """One use, and where the user's code made it."""

    kind: InputKind
    what: str
    place: Place
    name: str = ""
    """A variable, a file, `host:port`, a program, or a statement without its values; "" when it can't be told."""


class CachedFunction(NamedTuple):
    """A function with `@cached`, as reports name it."""

    name: str
    place: Place


@dataclass(slots=True)
class Inputs:
    """Filled while an observer is installed."""

    observed: dict[Observation, None] = field(default_factory=dict)
    """In its order."""
    functions: dict[CachedFunction, None] = field(default_factory=dict)
    """Those whose results were used: what they have used is theirs."""
    calls: set[Call] = field(default_factory=set)
    """Calls that were noted, for who observes."""


def together(first: Inputs | None, second: Inputs | None) -> Inputs | None:
    """What either of two runs of one handler has used."""
    if first is None or second is None:
        return first or second
    return Inputs({**first.observed, **second.observed}, {**first.functions, **second.functions})
