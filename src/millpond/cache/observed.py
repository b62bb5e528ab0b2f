"""What cached functions have used while a build filled them: it is theirs, and no route's."""

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
    """Whether a result of it has neither a lifetime nor a tag: nothing but a build reads its inputs again."""


@dataclass(slots=True)
class ObservedFunctions:
    """All functions that a build has filled."""

    by_function: dict[CachedFunction, ObservedFunction] = field(default_factory=dict)

    def note(self, function: CachedFunction, inputs: Inputs, lifetime: Lifetime, tags: tuple[str, ...]) -> None:
        """One fill has ended."""
        known = self.by_function.setdefault(function, ObservedFunction())
        known.inputs.observed.update(inputs.observed)
        known.inputs.functions.update(inputs.functions)
        known.kept = known.kept or (lifetime.revalidate is None and not tags)
