"""The scope in which a route's paths are listed: `generate_static_params` runs for nobody's request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NoReturn

from millpond.errors import UsageError
from millpond.messages import at
from millpond.render.scopes.scope import Scope

if TYPE_CHECKING:
    from millpond.render.scopes.dynamic_use import DynamicUse


@dataclass(slots=True, kw_only=True, eq=False)
class ListingScope(Scope):
    """Data is cached by the rules of the route (R5.9); there is no request, and nothing that could be invalidated."""

    for_others: ClassVar[bool] = True

    lister: str
    """What messages call the function."""
    for_build: bool
    """Whether a build lists the paths, rather than a server without one."""

    @property
    def path(self) -> str:
        return ""

    @property
    def own_tags(self) -> tuple[str, ...]:
        return ()

    @property
    def host(self) -> None:
        """The paths are those of all hosts."""
        return

    @property
    def is_draft(self) -> bool:
        return False

    @property
    def is_prerender(self) -> bool:
        return False

    @property
    def keeps_bare_fetches(self) -> bool:
        return self.for_build

    @property
    def wants_fresh_data(self) -> bool:
        return True

    @property
    def route_revalidate(self) -> float | None:
        revalidate = self.segment.revalidate
        return None if revalidate is False else revalidate

    def require_operation(self, api: str) -> NoReturn:
        self._refuse(api)

    def require_answer(self, api: str) -> None:
        self._refuse(api)

    def record_foreign_access(self, api: str) -> None:
        self._refuse(api)

    def record_effect(self, api: str) -> None:
        raise UsageError(
            f"{at(self.place())}{api} in {self.lister}, which lists the paths to render: it would reach nobody. Call "
            "it where the data is changed, or run `millpond revalidate` after the deploy."
        )

    def record_uncached(self, api: str) -> None:
        """What is listed isn't stored."""

    def record_short_lived(self, function: str) -> None:
        """As above."""

    def refuse_in_function(self, api: str) -> None:
        """No cached function runs here."""

    def end_prerender(self, use: DynamicUse) -> None:
        """There is no prerender to end."""

    def _refuse(self, api: str) -> NoReturn:
        raise UsageError(
            f"{at(self.place())}{api} works while a route handler runs, and none does here: {self.lister} lists the "
            "paths to render, for nobody's request."
        )
