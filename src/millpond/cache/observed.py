"""The inputs that cached functions used while a build filled them. They count for the function, not for a route."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from millpond.render.scopes.inputs import CachedFunction, Inputs

if TYPE_CHECKING:
    from millpond.policy.lifetime import Lifetime

log = logging.getLogger("millpond.cache")


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
    _lost: set[CachedFunction] = field(default_factory=set)

    def note(self, function: CachedFunction, inputs: Inputs, lifetime: Lifetime, tags: tuple[str, ...]) -> None:
        """Record one finished fill."""
        known = self.by_function.setdefault(function, ObservedFunction())
        known.inputs.observed.update(inputs.observed)
        known.inputs.functions.update(inputs.functions)
        known.kept = known.kept or (lifetime.revalidate is None and not tags)

    def add(self, others: ObservedFunctions) -> None:
        """Add what another process has recorded for the same build."""
        for function, found in others.by_function.items():
            known = self.by_function.setdefault(function, ObservedFunction())
            known.inputs.observed.update(found.inputs.observed)
            known.inputs.functions.update(found.inputs.functions)
            known.kept = known.kept or found.kept

    def warn_of_lost_tags(self, function: CachedFunction) -> None:
        """Warn, once, that a function was called in a thread for nobody knows which render."""
        if function not in self._lost:
            self._lost.add(function)
            log.warning(
                "%s: @cached %s is called in a thread that no render has started, so its tags and lifetime reach no "
                "answer. Use asyncio.to_thread, or an executor; or give the thread contextvars.copy_context().run.",
                function.place,
                function.name,
            )
