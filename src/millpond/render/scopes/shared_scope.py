"""The scope of a shared render: a GET runs for everybody, at build or while serving, with a request that is made up."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, NoReturn

from millpond.errors import Place, UsageError
from millpond.render.scopes.dynamic_use import DynamicAccess, DynamicUse
from millpond.render.scopes.scope import OperationScope, Phase
from millpond.routes.options.guards import running_guard

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.responses import Response

    from millpond.routes.options.guards import Guard


class MiddlewareSource(NamedTuple):
    """A middleware of the user's around renders, as messages name it."""

    name: str
    place: Place | None


_running_middleware: ContextVar[MiddlewareSource | None] = ContextVar("millpond_running_middleware", default=None)


@contextmanager
def middleware_running(middleware: MiddlewareSource | None) -> Iterator[None]:
    """Within the block `middleware` runs; None: the operation does."""
    token = _running_middleware.set(middleware)
    try:
        yield
    finally:
        _running_middleware.reset(token)


@dataclass(slots=True, kw_only=True, eq=False)
class SharedScope(OperationScope):
    """Reading request data ends the run, since its answer would be one request's own."""

    for_others: ClassVar[bool] = True

    method: str = "GET"
    at_build: bool
    """Or while serving."""
    cache_components: bool = False
    static_promise: Place | None = None
    """Where `ensure_static()` was called."""
    dynamic_use: DynamicUse | None = None
    """The first use that made the answer dynamic."""
    use_after_error: DynamicUse | None = None
    """The first use since the operation raised. It ends nothing, as error trackers read the whole request for their
    reports; but if an exception handler then makes an answer that would be kept, it counts."""
    operation_reached: bool = False
    """Whether the operation was called: what middleware answers in its place isn't the route's answer."""
    answer_complete: bool = False
    """Whether the whole answer was sent: middleware can't change it any more."""
    answer_headers: list[tuple[bytes, bytes]] | None = None
    """The headers of the answer, as it has passed the middleware for renders so far; None before it has begun."""
    innermost_middleware: MiddlewareSource | None = None
    """The innermost that the request has reached."""
    takes_stale: bool = False
    """Whether it is the second run, in which stale data stands in for an upstream's error."""
    stale_withheld: bool = False
    """Whether the handler was told of an upstream's error though there is stale data, so that it may decide."""
    _operation_raised: bool = False

    @property
    def request(self) -> None:
        return None

    @property
    def visible_cookies(self) -> dict[str, str]:
        return {} if self.target.variant is None else self.target.variant.cookies

    @property
    def is_draft(self) -> bool:
        return False

    @property
    def for_build(self) -> bool:
        return self.at_build

    @property
    def is_prerender(self) -> bool:
        return self.phase is Phase.HANDLER

    @property
    def wants_fresh_data(self) -> bool:
        return self.is_prerender

    @property
    def takes_stale_data(self) -> bool:
        return self.takes_stale or not self.is_prerender

    @property
    def tracks_request(self) -> bool:
        return not self.has_empty_request

    @property
    def query_is_key(self) -> bool:
        """Not for guards: a token may be revoked."""
        return bool(self.segment.cache_query) and self._guard() is None

    def is_keyed(self, api: str, key: object) -> bool:
        """Not for guards, as with the query."""
        return OperationScope.is_keyed(self, api, key) and self._guard() is None

    @property
    def body_is_key(self) -> bool:
        """Not for guards, as with the query."""
        return self.target.content is not None and self._guard() is None

    @property
    def route_revalidate(self) -> float | None:
        return self.lifetime.revalidate if self.is_prerender else 0

    @property
    def has_ended(self) -> bool:
        return self.dynamic_use is not None

    def record_access(self, api: str) -> None:
        if not self.is_prerender:
            return
        if self.has_empty_request:
            if self._guard() is not None:
                self.end(api)  # whom it lets through, an empty request can't tell
            return
        if self._operation_raised:
            self._record_after_error(api)
        else:
            self.end(api)

    def promise_static(self) -> None:
        if self.is_prerender:
            self.static_promise = self.static_promise or self.place()

    def record_io(self, api: str) -> None:
        if self.cache_components:
            self.record_access(api)

    def record_foreign_access(self, api: str) -> None:
        """A visitor's request isn't empty, so `force-static` makes no difference."""
        if not self.is_prerender:
            return
        if self._operation_raised:
            self._record_after_error(api)
        elif not self.answer_complete:
            self.end(api)

    def record_effect(self, api: str) -> None:
        if self.is_prerender:
            self.end(api)

    def record_uncached(self, api: str) -> None:
        self.record_access(api)

    def record_short_lived(self, function: str) -> None:
        self.record_access(f"{function} is short-lived")

    def refuse_in_function(self, api: str) -> None:
        """No cached function runs here."""

    def end_prerender(self, use: DynamicUse) -> None:
        if self.is_prerender:
            self._end_with(use)

    def end(self, api: str) -> NoReturn:
        """End the render: because of `api`, its answer would be one request's own.

        Raises:
            DynamicAccess: always.
        """
        self._end_with(self._use_of(api))

    def operation_began(self, asgi: Mapping[str, Any]) -> None:
        del asgi
        self.operation_reached = True

    def operation_raised(self) -> None:
        self._operation_raised = True

    def _handlers_cookies(self, api: str) -> NoReturn:
        where = self.place()
        raise UsageError(
            f"{f'{where}: ' if where else ''}{api} in a static {self.method}: "
            "its answer is stored and sent to everybody; "
            'set cookies in a live route (dynamic = "force-dynamic") or in a POST.'
        )

    def set_draft(self, api: str, *, enabled: bool) -> None:
        del enabled
        self.answer_cookies(api)

    def add_cookies(self, response: Response) -> None:
        """Nobody could set any."""

    def _guard(self) -> Guard | None:
        """The listed dependency that runs here."""
        return running_guard(self.target.operation.guards)

    def _record_after_error(self, api: str) -> None:
        self.use_after_error = self.use_after_error or self._use_of(api)

    def _end_with(self, use: DynamicUse) -> NoReturn:
        if self.dynamic_use is None:
            self.dynamic_use = use
        raise DynamicAccess(use)

    def _use_of(self, api: str) -> DynamicUse:
        place, middleware = self.place(), _running_middleware.get()
        guard = self._guard()
        if guard is not None:
            if place is not None and place.file == guard.place.file:
                return DynamicUse(api, place, guard.name)
            where = "" if place is None else f" ({place})"
            return DynamicUse(f"{api} in {guard.name}{where}", guard.place, guard.name)
        if place is None and middleware is not None:  # a library's middleware reads: no line of the user's code runs
            return DynamicUse(f"{api} in {middleware.name}", middleware.place)
        return DynamicUse(api, place)
