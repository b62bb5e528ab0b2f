"""The dashboard as an ASGI application: who may see it, which page is asked for, and what no page may do."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse

from millpond.config.telemetry.dashboard_config import DASHBOARD_PATH
from millpond.dashboard.access.operator_names import OperatorNames
from millpond.dashboard.access.sessions import SECURE_COOKIE, SESSION_SECONDS, OperatorSession, Sessions, shortened
from millpond.dashboard.acting.acts import Acts
from millpond.dashboard.acting.confirm_page import Confirm
from millpond.dashboard.acting.crons_page import Crons
from millpond.dashboard.pages.advice_page import AdvicePage
from millpond.dashboard.pages.dashboard_page import Viewer
from millpond.dashboard.pages.hosts_page import Hosts
from millpond.dashboard.pages.login import login_page
from millpond.dashboard.pages.overview import Overview
from millpond.dashboard.pages.timeline import Timeline
from millpond.dashboard.rendering import STATIC, parts_of, rendered
from millpond.dashboard.routed.routes_page import RoutesPage
from millpond.dashboard.stored.census import Counted
from millpond.dashboard.stored.data_page import DataPage
from millpond.dashboard.stored.entries_page import EntriesPage
from millpond.dashboard.stored.tags_page import TagsPage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from starlette.types import Receive, Scope, Send

    from millpond.dashboard.operated import Operated
    from millpond.dashboard.pages.dashboard_page import DashboardPage

log = logging.getLogger("millpond.dashboard")

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; connect-src 'self'; script-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-robots-tag": "noindex",
}
LIVE_SECONDS = 2.0
"""Between two looks at whether a part of a page has changed."""
_MAX_FORM_BYTES = 16 * 1024
_TRIES, _TRIES_SECONDS = 10, 600.0
"""Wrong secrets of one process, and in which time; then nobody can log in until it has passed."""


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Dashboard:
    """Answers requests below `DASHBOARD_PATH`.

    Args:
        operated: the application that it is about.
        secret: who knows it may see the dashboard; None: everybody may, as in development on one's own machine.
        pages: by their names in paths.
        live_seconds: between two looks at what has changed.
    """

    def __init__(
        self,
        operated: Operated,
        secret: bytes | None,
        pages: Mapping[str, DashboardPage] | None = None,
        live_seconds: float = LIVE_SECONDS,
    ) -> None:
        self._operated, self._live_seconds = operated, live_seconds
        self._sessions = None if secret is None else Sessions(secret, operated.clock)
        self._names = OperatorNames(operated.config.dashboard)
        self._pages: Mapping[str, DashboardPage] = pages_of(operated) if pages is None else pages
        self._failed: list[float] = []
        """When a wrong secret was given."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; its path is `DASHBOARD_PATH` or below, after `root_path`."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except _Refused as refusal:
            response = PlainTextResponse(str(refusal), refusal.status)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        root: str = request.scope.get("root_path", "")
        name = request.url.path.removeprefix(root).removeprefix(DASHBOARD_PATH).strip("/")
        if name.startswith("static/"):
            return _static(name.removeprefix("static/"))
        base = root + DASHBOARD_PATH
        if name == "login":
            return await self._login(request, base)
        session = self._session(request)
        if self._sessions is not None and session is None:
            if request.method not in ("GET", "HEAD"):
                raise _Refused(403, "Log in first.")
            return RedirectResponse(f"{base}/login", 303)
        viewer = Viewer(base, session, self._operated)
        if name == "logout":
            return await self._logout(request, viewer)
        if name == "live":
            return self._live(request, viewer)
        first, _, rest = name.partition("/")
        page = self._pages.get(first)
        if page is None:
            raise _Refused(404, "There is no such page.")
        if request.method == "POST":
            return await self._act(request, page, viewer, rest)
        if request.method not in ("GET", "HEAD"):
            raise _Refused(405, "Only GET and POST are allowed here.")
        found = await page.context(viewer, rest, dict(request.query_params))
        if found is None:
            raise _Refused(404, "There is no such page.")
        return rendered(page.template_for(rest), {**await self._frame(viewer, first, rest), **found})

    async def _frame(self, viewer: Viewer, name: str, rest: str) -> dict[str, Any]:
        """What all templates get: where the page is, and whether there is one that asks before something is done."""
        frame = await asyncio.to_thread(viewer.frame, name)  # it reads a week of events
        return {**frame, "below": rest, "acts": "confirm" in self._pages}

    async def _login(self, request: Request, base: str) -> Response:
        if self._sessions is None:
            return RedirectResponse(base, 303)
        secure = request.url.scheme == "https"
        name = self._names.told(request.headers)
        page = partial(login_page, self._operated.site, base, asks_name=name is None)
        if name == "":
            return page("", secure=secure, unnamed=self._operated.config.dashboard.user_header or "", status=403)
        if request.method != "POST":
            return page(self._sessions.login_token(), secure=secure)
        form = await _form(request)
        if not secure:
            return page(self._sessions.login_token(), secure=False, status=400)
        if not self._sessions.is_login_token(form.get("csrf", "")):
            raise _Refused(403, "The form is too old, or from another site. Go back, reload the page, and try again.")
        now = self._operated.clock()
        self._failed = [at for at in self._failed if now - at < _TRIES_SECONDS]
        if len(self._failed) >= _TRIES:
            return page("", secure=True, locked=True, status=429)
        name = shortened(form.get("name", "") if name is None else name)
        is_secret = self._sessions.is_secret(form.get("secret", ""))
        if not is_secret or not self._names.admits(name):
            self._failed.append(now)
            left, token = _TRIES - len(self._failed), self._sessions.login_token()
            return page(token, secure=True, tries_left=left, unknown=name if is_secret else "", status=401)
        log.info("%s has logged in", name)
        cookie, _ = self._sessions.begun(name)
        response = RedirectResponse(base, 303)
        response.set_cookie(
            SECURE_COOKIE, cookie, int(SESSION_SECONDS), path="/", secure=True, httponly=True, samesite="strict"
        )
        return response

    async def _logout(self, request: Request, viewer: Viewer) -> Response:
        if request.method != "POST":
            raise _Refused(405, "Logging out is a POST.")
        await self._checked_form(request, viewer)
        response = RedirectResponse(f"{viewer.base}/login", 303)
        response.delete_cookie(SECURE_COOKIE, path="/", secure=True, httponly=True, samesite="strict")
        return response

    async def _act(self, request: Request, page: DashboardPage, viewer: Viewer, rest: str) -> Response:
        form = await self._checked_form(request, viewer)
        where = await page.act(viewer, rest, form)
        if where is None:
            raise _Refused(405, "Nothing can be sent to this page.")
        return RedirectResponse(f"{viewer.base}/{where}", 303)

    async def _checked_form(self, request: Request, viewer: Viewer) -> dict[str, str]:
        form, session = await _form(request), viewer.session
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise _Refused(403, "The form is from another site.")
        if self._sessions is None and not _is_own(request.headers.get("origin"), request.headers.get("host")):
            raise _Refused(403, "The form is from another site.")  # where there are no tokens; a proxy may change Host
        if self._sessions is not None and (session is None or not Sessions.is_token(session, form.get("csrf", ""))):
            raise _Refused(403, "The form is too old, or from another site. Go back, reload the page, and try again.")
        return form

    def _session(self, request: Request) -> OperatorSession | None:
        cookie = request.cookies.get(SECURE_COOKIE)
        known = None if self._sessions is None or cookie is None else self._sessions.known(cookie)
        if known is None:
            return None
        told = self._names.told(request.headers)
        name = known.name if told is None else shortened(told)
        return known._replace(name=name) if told != "" and self._names.admits(name) else None

    def _live(self, request: Request, viewer: Viewer) -> Response:
        first, _, rest = request.query_params.get("page", "").partition("/")
        page = self._pages.get(first)
        if page is None:
            raise _Refused(404, "There is no such page.")
        stream = self._changes(request, page, viewer, first, rest)
        return StreamingResponse(stream, media_type="text/event-stream", headers={"x-accel-buffering": "no"})

    async def _changes(
        self, request: Request, page: DashboardPage, viewer: Viewer, name: str, rest: str
    ) -> AsyncIterator[bytes]:
        """The parts of a page that have changed, as server-sent events named by the ids of the parts."""
        sent: dict[str, str] = {}
        yield b"retry: 5000\n\n"
        while self._is_welcome(viewer) and not await request.is_disconnected():
            found = await page.context(viewer, rest, {})
            if found is None:
                return
            for part, html in parts_of(
                page.template_for(rest), {**await self._frame(viewer, name, rest), **found}
            ).items():
                if sent.get(part) != html:
                    if part in sent or part == "updated":
                        data = "\n".join(f"data: {line}" for line in html.splitlines())
                        yield f"event: {part}\n{data}\n\n".encode()
                    sent[part] = html
            await asyncio.sleep(self._live_seconds)

    def _is_welcome(self, viewer: Viewer) -> bool:
        return self._sessions is None or (viewer.session is not None and self._operated.clock() < viewer.session.ends)


def pages_of(operated: Operated) -> Mapping[str, DashboardPage]:
    """All pages, by their names in paths."""
    acts, counted = Acts(operated), Counted()
    return {
        "": Overview(),
        "routes": RoutesPage(),
        "entries": EntriesPage(),
        "tags": TagsPage(counted),
        "data": DataPage(counted),
        "advice": AdvicePage(),
        "timeline": Timeline(),
        "crons": Crons(acts),
        "hosts": Hosts(),
        "confirm": Confirm(acts),
    }


def _is_own(origin: str | None, host: str | None) -> bool:
    return origin is None or origin.partition("://")[2] == host


def _static(name: str) -> Response:
    found = STATIC.get(name)
    if found is None:
        raise _Refused(404, "There is no such file.")
    content, kind = found
    return Response(content, media_type=kind, headers={"cache-control": "public, max-age=31536000, immutable"})


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form; of several with one name the last one counts."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _MAX_FORM_BYTES:
            raise _Refused(413, f"The form is over {_MAX_FORM_BYTES} bytes.")
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise _Refused(415, "Only forms are understood here.")
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=100))
    except (ValueError, UnicodeDecodeError):
        raise _Refused(400, "The form can't be read.") from None
