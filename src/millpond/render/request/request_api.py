"""Request data by function call: headers(), cookies(), connection(), draft_mode()."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from millpond.render.request.access import refuse_in_function, refuse_in_shared_work
from millpond.render.request.cookies import Cookies
from millpond.render.request.tracked_mappings import tracked
from millpond.render.scopes.current_scope import current, required

if TYPE_CHECKING:
    from collections.abc import Generator

    from millpond.render.scopes.scope import OperationScope, Scope


@tracked
class RequestHeaders(Headers):
    """What `headers()` returns: read-only. Awaiting it has no effect."""

    def __init__(self, raw: list[tuple[bytes, bytes]], scope: OperationScope) -> None:
        super().__init__(raw=raw)
        self._scope = scope

    def record_access(self, key: object) -> None:
        scope = self._scope
        if scope.has_keys:
            if not scope.is_keyed("headers()", key):
                scope.require_live("headers()")
            if scope.request is None:  # made up: nothing in it is a visitor's
                refuse_in_function("headers()", key)
                return
        if Headers.__len__(self):  # under force-static there is nothing to protect
            refuse_in_shared_work("headers()", key)  # the reader may belong to another run

    def __await__(self) -> Generator[None, None, RequestHeaders]:
        return self
        yield


class Connection:
    """What `connection()` returns: awaiting it does nothing more."""

    def __await__(self) -> Generator[None, None, None]:
        return None
        yield


def headers() -> RequestHeaders:
    """The headers of the current request; empty under `force-static`. `await` before it is optional.

    Makes a GET live (R3.9); but headers that `cache_vary` names are part of the key, and can be read by a static one.

    Raises:
        StaticOnlyError: in a live GET of a route with `dynamic = "error"` (R2.17).
        UsageError: outside of a handler.
    """
    scope = required("headers()").require_operation("headers()")
    if not scope.has_keys:
        scope.require_live("headers()")
    return RequestHeaders(_visible_headers(scope), scope)


def _visible_headers(scope: OperationScope) -> list[tuple[bytes, bytes]]:
    if scope.has_empty_request or scope.request is None:
        variant = scope.target.variant
        return [] if variant is None else list(variant.headers)
    with scope.unnoted():  # each is noted when it is read
        return list(scope.request.scope["headers"])


def cookies() -> Cookies:
    """The cookies of the current request; it can also set some with the answer. `await` before it is optional.

    Makes a GET live (R3.9); under `force-static` there are none. Cookies that `cache_vary` names are part of the key,
    and can be read by a static GET.

    Raises:
        StaticOnlyError: in a live GET of a route with `dynamic = "error"` (R2.17).
        UsageError: outside of a handler.
    """
    scope = required("cookies()").require_operation("cookies()")
    if not scope.has_keys:
        scope.require_live("cookies()")
    return Cookies(scope)


def connection() -> Connection:
    """Declare that what follows needs a real request; calling it makes a GET live (R10.3).

    Raises:
        StaticOnlyError: in a live GET of a route with `dynamic = "error"` (R2.17).
        UsageError: outside of a handler.
    """
    required("connection()").require_operation("connection()").require_live("connection()")
    return Connection()


def io() -> Connection:
    """Declare that what follows is to be done for each request: it reads the clock, say, or a database driver that
    doesn't wait, and needs no request.

    With Cache Components calling it makes a GET live (R10.3). Everywhere else it does nothing: in cached functions,
    whose result is kept anyway, in live runs, without Cache Components, and outside of handlers. So a library may call
    it. `await` before it is optional.
    """
    scope = current()
    if scope is not None:
        scope.record_io("io()")
    return Connection()


class DraftMode:
    """What `draft_mode()` returns. Awaiting it has no effect."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def __await__(self) -> Generator[None, None, DraftMode]:
        return self
        yield

    @property
    def is_enabled(self) -> bool:
        """Whether this request is an editor's. A GET that reads it stays static, and sees False (R3.9)."""
        return self._scope.is_draft

    def enable(self) -> None:
        """Turn draft mode on for this browser, by a cookie. Makes a GET live (R10.1).

        Raises:
            UsageError: inside of a cached function, or in an `after` callback.
        """
        self._turn("draft_mode().enable()", enabled=True)

    def disable(self) -> None:
        """Turn draft mode off for this browser. Makes a GET live (R10.1).

        Raises:
            UsageError: as `enable`.
        """
        self._turn("draft_mode().disable()", enabled=False)

    def _turn(self, api: str, *, enabled: bool) -> None:
        refuse_in_function(api)
        scope = self._scope.require_operation(api)
        scope.record_effect(api)  # also under force-static (R3.13): nobody means a cookie for everybody
        scope.set_draft(api, enabled=enabled)


def draft_mode() -> DraftMode:
    """Draft mode: an editor's browser sees every route rendered afresh, past all caches (R10.1, D14).

    Raises:
        UsageError: outside of a handler.
    """
    scope = required("draft_mode()")
    scope.require_answer("draft_mode()")
    return DraftMode(scope)
