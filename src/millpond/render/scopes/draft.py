"""Draft mode: the state of one request, and the cookie that carries it from request to request (R10.1)."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

DRAFT_COOKIE = "__prerender_bypass"


@dataclass(slots=True)
class DraftState:
    """Whether a request is an editor's, and how its answer turns draft mode on or off."""

    enabled: bool = False
    secret: str = ""
    """The value of the cookie: the build's preview id."""
    secure: bool = True
    """Whether browsers send the cookie over TLS only; false in development."""

    def set_cookie(self, *, enabled: bool) -> str:
        """The Set-Cookie value that gives the browser the cookie, or takes it away."""
        carrier = Response()
        carrier.set_cookie(
            DRAFT_COOKIE,
            self.secret if enabled else "",
            max_age=None if enabled and self.secret else 0,
            secure=self.secure,
            httponly=True,
            samesite="none" if self.secure else "lax",
        )
        return carrier.headers["set-cookie"]
