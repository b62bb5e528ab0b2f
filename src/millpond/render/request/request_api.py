"""Request data by function call: headers(), cookies(), connection(), draft_mode()."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import Response

from millpond.policy.draft_mode import DRAFT_COOKIE
from millpond.render.request.cookies import Cookies
from millpond.render.request.mappings import watched
from millpond.render.request.reader import refuse_elsewhere, refuse_in_fill
from millpond.render.scope import required

if TYPE_CHECKING:
    from collections.abc import Generator

    from millpond.render.scope import Scope


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
    scope = required("headers()")
    scope.require_live("headers()")
    return RequestHeaders(raw=_visible_headers(scope))


def _visible_headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    if scope.stubbed or scope.request is None:
        return []
    return list(scope.request.scope["headers"])


def cookies() -> Cookies:
    """The cookies of the current request, and the way to set some with its answer. `await` before it is optional.

    Makes a GET live (R3.9); under `force-static` there are none.

    Raises:
        StaticOnlyError: in a live GET of a route with `dynamic = "error"` (R2.17).
        UsageError: outside of a handler.
    """
    scope = required("cookies()")
    scope.require_live("cookies()")
    return Cookies(scope)


def connection() -> Connection:
    """Say that what follows needs a real request: makes a GET live where it is *called* (R10.3).

    Raises:
        StaticOnlyError: in a live GET of a route with `dynamic = "error"` (R2.17).
        UsageError: outside of a handler.
    """
    required("connection()").require_live("connection()")
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
        return self._scope.draft.enabled

    def enable(self) -> None:
        """Send the cookie that turns draft mode on for this browser. Makes a GET live (R10.1)."""
        self._end_static("draft_mode().enable()")
        self._send_cookie(self._scope.draft.secret)
        self._scope.draft.enabled = True

    def disable(self) -> None:
        """Take the cookie away. Makes a GET live (R10.1)."""
        self._end_static("draft_mode().disable()")
        self._send_cookie(None)
        self._scope.draft.enabled = False

    def _end_static(self, api: str) -> None:
        refuse_in_fill(api)
        if self._scope.is_prerender:  # also under force-static (R3.13): a cookie for everybody can't be meant
            self._scope.end(api)

    def _send_cookie(self, secret: str | None) -> None:
        secure = self._scope.draft.secure
        carrier = Response()
        carrier.set_cookie(
            DRAFT_COOKIE,
            secret or "",
            max_age=None if secret else 0,
            secure=secure,
            httponly=True,
            samesite="none" if secure else "lax",
        )
        self._scope.send_cookie(carrier.headers["set-cookie"])


def draft_mode() -> DraftMode:
    """Draft mode: an editor's browser sees every route rendered afresh, past all caches (R10.1, D14).

    Raises:
        UsageError: outside of a handler.
    """
    return DraftMode(required("draft_mode()"))
