"""The inputs that cached functions used while a build filled them. They count for the function, not for a route."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from millpond.render.scopes.inputs import CachedFunction, Inputs

if TYPE_CHECKING:
    from millpond.policy.lifetime import Lifetime


@dataclass(slots=True)
class ObservedFunction:
    """One function, over all its fills."""

    inputs: Inputs = field(default_factory=Inputs)
    kept: bool = False
    """Whether one of its results has neither a lifetime nor a tag, so that only a new build reads its inputs again."""


@dataclass(slots=True)
class ObservedFunctions:
    """All functions that a build has filled."""

    by_function: dict[CachedFunction, ObservedFunction] = field(default_factory=dict)

    def note(self, function: CachedFunction, inputs: Inputs, lifetime: Lifetime, tags: tuple[str, ...]) -> None:
        """Record one finished fill."""
        known = self.by_function.setdefault(function, ObservedFunction())
        known.inputs.observed.update(inputs.observed)
        known.inputs.functions.update(inputs.functions)
        known.kept = known.kept or (lifetime.revalidate is None and not tags)
