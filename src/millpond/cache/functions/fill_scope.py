"""The scope of a fill: a run of a cached function for all callers with the same arguments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, NoReturn

from millpond.errors import UsageError
from millpond.policy.lifetime import FOREVER, Lifetime
from millpond.render.scopes.scope import Phase, Scope

if TYPE_CHECKING:
    from millpond.cache.data import DataCache
    from millpond.render.scopes.dynamic_use import DynamicUse


@dataclass(slots=True, kw_only=True, eq=False)
class FillScope(Scope):
    """A scope without a request. Reading request data, or an effect on one visitor's answer, is a usage error."""

    for_others: ClassVar[bool] = True
    in_function: ClassVar[bool] = True

    function: str
    """The function's name for messages."""
    cache: DataCache
    # Of the caller. It isn't held itself: a task that the function starts would keep the request that came first.
    path: str
    own_tags: tuple[str, ...]
    host: str | None
    is_draft: bool
    for_build: bool
    chosen_life: dict[str, float] = field(default_factory=dict)
    """The ages that `cache_life` has set; math.inf: never (R5.34)."""
    at_most: Lifetime = FOREVER
    """What the ages that the function has chosen can't exceed, as it has used stale data."""
    short_lived: str | None = None
    """The first short-lived result that the function has used, if any (R5.39)."""
    misused: UsageError | None = None
    """The first misuse: it fails the call even if the function swallows the error (R5.32)."""

    @property
    def is_prerender(self) -> bool:
        return False

    @property
    def wants_fresh_data(self) -> bool:
        return True

    @property
    def route_revalidate(self) -> float | None:
        return self.lifetime.revalidate

    def limit(self, lifetime: Lifetime) -> None:
        if self.phase is Phase.HANDLER:
            self.at_most = self.at_most.lowered(lifetime)

    def require_operation(self, api: str) -> NoReturn:
        self.misuse(api)

    def record_foreign_access(self, api: str) -> None:
        self.refuse_in_function(api)

    def record_effect(self, api: str) -> None:
        self.misuse(api)

    def record_uncached(self, api: str) -> None:
        """Nothing to do: the function's own result is stored, with the lifetime of the data that it used."""

    def record_short_lived(self, function: str) -> None:
        self.short_lived = self.short_lived or function

    def refuse_in_function(self, api: str) -> None:
        if self.phase is Phase.HANDLER:  # a task that outlives the function can't change its result
            self.misuse(api)

    def end_prerender(self, use: DynamicUse) -> None:
        """Nothing to do: the function's result is stored, so its inputs end no render."""

    def misuse(self, api: str) -> NoReturn:
        """Refuse request data, or an effect: the result serves every caller (R5.24, R5.32).

        Raises:
            UsageError: always.
        """
        place = self.place()
        error = UsageError(
            f"{f'{place}: ' if place else ''}{api} inside of the cached function {self.function}: its result serves "
            "other requests, too; call it outside, and pass what the function needs as an argument."
        )
        if self.misused is None:
            self.misused = error
        raise error
