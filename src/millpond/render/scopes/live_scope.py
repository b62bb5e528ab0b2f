"""The scope of a live run: an operation runs for the one request that asked, which may be an editor's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from starlette.requests import Request

from millpond.policy.compat import Compat
from millpond.policy.http.cookie_value import decoded
from millpond.render.scopes.draft import DraftState
from millpond.render.scopes.scope import OperationScope, Phase
from millpond.render.scopes.set_cookies import SetCookies
from millpond.render.scopes.told_read import told_call

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from starlette.responses import Response

    from millpond.render.scopes.dynamic_use import DynamicUse


@dataclass(slots=True, kw_only=True, eq=False)
class LiveScope(OperationScope):
    """Everything is allowed, but what `dynamic = "error"` refuses, and hardly anything has consequences."""

    for_others: ClassVar[bool] = False

    asgi: MutableMapping[str, Any]
    """The request as the operation sees it."""
    visitors: MutableMapping[str, Any] | None = None
    """The whole request, for guards, where the operation sees an empty one."""
    draft: DraftState = field(default_factory=DraftState)
    handled: Mapping[str, Any] | None = None
    """The request's scope as FastAPI has it, which middleware may have copied; None before its handler begins."""
    _used_request: bool = False
    """In 14 a bare fetch is uncached once the handler has read request data (R5.10)."""
    _set_cookies: SetCookies = field(default_factory=SetCookies)
    _request: Request | None = None

    @property
    def request(self) -> Request:
        if self.visitors is not None and not self.has_empty_request:
            return Request(self.visitors)
        if self._request is None:
            self._request = Request(self.asgi)
        return self._request

    @property
    def visible_cookies(self) -> dict[str, str]:
        with self.unnoted():  # what is read of these is noted by whoever shows them
            brought = {name: decoded(value) for name, value in self.request.cookies.items()}
        values = {**brought, **self._set_cookies.written}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def is_draft(self) -> bool:
        return self.draft.enabled

    @property
    def for_build(self) -> bool:
        return False

    @property
    def is_prerender(self) -> bool:
        return False

    @property
    def wants_fresh_data(self) -> bool:
        return False

    @property
    def tracks_request(self) -> bool:
        return self.compat is Compat.V14

    @property
    def route_revalidate(self) -> float | None:
        if self.method != "GET" or self._used_request or self.phase is Phase.AFTER:
            return 0
        return None if self.segment.revalidate is False else self.segment.revalidate

    @property
    def has_ended(self) -> bool:
        return False

    def record_access(self, api: str) -> None:
        self._used_request = True
        self.note(told_call(api))

    def record_foreign_access(self, api: str) -> None:
        """Whatever comes of it goes to this visitor alone."""

    def record_effect(self, api: str) -> None:
        """It takes effect once for each request, as the handler means it."""
        self.note(api)

    def record_io(self, api: str) -> None:
        self.note(api)

    def record_uncached(self, api: str) -> None:
        """The answer isn't stored."""

    def record_short_lived(self, function: str) -> None:
        """The answer isn't stored."""

    def refuse_in_function(self, api: str) -> None:
        """No cached function runs here."""

    def end_prerender(self, use: DynamicUse) -> None:
        """There is no prerender to end."""

    def operation_began(self, asgi: Mapping[str, Any]) -> None:
        self.handled = asgi

    def operation_raised(self) -> None:
        """Exception handlers may read the request."""

    def _handlers_cookies(self, api: str) -> SetCookies:
        self.note(api)
        return self._set_cookies

    def set_draft(self, api: str, *, enabled: bool) -> None:
        self.answer_cookies(api).add(self.draft.set_cookie(enabled=enabled))
        self.draft.enabled = enabled

    def add_cookies(self, response: Response) -> None:
        self._set_cookies.apply(response)
