"""Request data by function call: headers(), cookies(), connection(), draft_mode()."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from millpond.render.request.cookies import Cookies
from millpond.render.request.mappings import watched
from millpond.render.request.reader import refuse_elsewhere, refuse_in_fill
from millpond.render.scope import required

if TYPE_CHECKING:
    from collections.abc import Generator

    from millpond.render.scope import OperationScope, Scope


@watched
class RequestHeaders(Headers):
    """What `headers()` returns: read-only. May be awaited, to no effect."""

    def record_access(self, key: object) -> None:
        if Headers.__len__(self):  # none are there under force-static
            refuse_elsewhere("headers()", key)  # somebody may have come by what another scope was given

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

    Makes a GET live (R3.9).

    Raises:
        StaticOnlyError: in a live GET of a route with `dynamic = "error"` (R2.17).
        UsageError: outside of a handler.
    """
    scope = required("headers()").require_operation("headers()")
    scope.require_live("headers()")
    return RequestHeaders(raw=_visible_headers(scope))


def _visible_headers(scope: OperationScope) -> list[tuple[bytes, bytes]]:
    if scope.has_empty_request or scope.request is None:
        return []
    return list(scope.request.scope["headers"])


def cookies() -> Cookies:
    """The cookies of the current request, and the way to set some with its answer. `await` before it is optional.

    Makes a GET live (R3.9); under `force-static` there are none.

    Raises:
        StaticOnlyError: in a live GET of a route with `dynamic = "error"` (R2.17).
        UsageError: outside of a handler.
    """
    scope = required("cookies()").require_operation("cookies()")
    scope.require_live("cookies()")
    return Cookies(scope)


def connection() -> Connection:
    """Say that what follows needs a real request: makes a GET live where it is *called* (R10.3).

    Raises:
        StaticOnlyError: in a live GET of a route with `dynamic = "error"` (R2.17).
        UsageError: outside of a handler.
    """
    required("connection()").require_operation("connection()").require_live("connection()")
    return Connection()


class DraftMode:
    """What `draft_mode()` returns. May be awaited, to no effect."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def __await__(self) -> Generator[None, None, DraftMode]:
        return self
        yield

    @property
    def is_enabled(self) -> bool:
        """Whether this request is an editor's. Reading it keeps a GET static: it is false there (R3.9)."""
        return self._scope.is_draft

    def enable(self) -> None:
        """Send the cookie that turns draft mode on for this browser. Makes a GET live (R10.1)."""
        self._turn("draft_mode().enable()", enabled=True)

    def disable(self) -> None:
        """Take the cookie away. Makes a GET live (R10.1)."""
        self._turn("draft_mode().disable()", enabled=False)

    def _turn(self, api: str, *, enabled: bool) -> None:
        refuse_in_fill(api)
        scope = self._scope.require_operation(api)
        scope.record_effect(api)  # also under force-static (R3.13): a cookie for everybody can't be meant
        scope.set_draft(api, enabled=enabled)


def draft_mode() -> DraftMode:
    """Draft mode: an editor's browser sees every route rendered afresh, past all caches (R10.1, D14).

    Raises:
        UsageError: outside of a handler.
    """
    return DraftMode(required("draft_mode()"))
