"""What a render at build, or the fill of a cached function during it, uses besides the request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from millpond.errors import Place
    from millpond.policy.allowance import InputKind

    Call = tuple[str, int, int]
    """What is used, by which code object (its id), at which instruction."""


class Observation(NamedTuple):
    """One use, and the line of the user's code that makes it."""

    kind: InputKind
    what: str
    place: Place
    name: str = ""
    """A variable, a file, `host:port`, a program, or a statement without its values; "" when it is unknown."""


class CachedFunction(NamedTuple):
    """A function with `@cached`, as reports name it."""

    name: str
    place: Place


@dataclass(slots=True)
class Inputs:
    """What an observer has noted for one scope."""

    observed: dict[Observation, None] = field(default_factory=dict)
    """In the order in which they were made."""
    functions: dict[CachedFunction, None] = field(default_factory=dict)
    """Cached functions whose results were used; what those functions have used isn't repeated here."""
    calls: set[Call] = field(default_factory=set)
    """Calls that were noted already, for the observer."""


def merged(first: Inputs | None, second: Inputs | None) -> Inputs | None:
    """What two runs of one handler have used between them."""
    if first is None or second is None:
        return first or second
    return Inputs({**first.observed, **second.observed}, {**first.functions, **second.functions})
