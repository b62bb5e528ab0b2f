"""The outermost layer of an application: tells how each request of a client was answered."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from millpond.serve.access.access_log import is_logged, log_request
from millpond.serve.access.asked import Asked
from millpond.serve.access.served_request import ServedRequest
from millpond.serve.answered import ANSWERED, CLIENT_CLOSED, CUT_OFF, GONE, REFUSED, Answered

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from millpond.telemetry.request_counts import RequestCounts


class TellingApp:
    """Tells how an application answers HTTP requests and handshakes of WebSockets.

    Where several stand around each other, as those of mounted applications do, the outermost tells.

    Args:
        app: what is told about.
        counts: where a request counts that gets to no application further in; None: nowhere.
    """

    def __init__(self, app: ASGIApp, counts: RequestCounts | None = None) -> None:
        self._app, self._counts = app, counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if ANSWERED in scope or not (self._counts or is_logged()) or scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        asked, started = Asked.of(scope) if is_logged() else None, time.perf_counter()
        is_http, is_head = scope["type"] == "http", scope.get("method") == "HEAD"  # middleware may change it
        answered = scope[ANSWERED] = Answered(send) if is_http else _Handshake(send, scope, asked, started)
        answered.counts = self._counts
        failure: BaseException | None = None
        try:
            await self._app(scope, receive, answered)
        except BaseException as error:
            failure = error
            raise
        finally:
            scope.pop(ANSWERED, None)
            if isinstance(answered, _Handshake):
                answered.tell(failure)
            else:
                tell(asked, answered, scope, time.perf_counter() - started, failure, is_head=is_head)
            failure = None  # its traceback refers to this frame


def tell(
    asked: Asked | None,
    answered: Answered,
    scope: Scope,
    seconds: float,
    failure: BaseException | None,
    *,
    is_head: bool,
) -> None:
    """Tell how an HTTP request was answered.

    Args:
        asked: the request as it came; None: it isn't logged, and only counts.
        answered: what was answered.
        scope: of the request.
        seconds: since it came.
        failure: what the application has raised.
        is_head: whether the request's method is HEAD.
    """
    refused, is_gone = scope.pop(REFUSED, None), scope.pop(GONE, False)
    status, sent = answered.status, 0 if is_head else answered.sent
    is_complete = answered.is_complete and not is_gone
    if refused is not None:
        status, sent, is_complete = refused, 0, True
    elif status is None:
        status, is_complete = _status_without_answer(scope, failure), True
    _count(answered, status, scope)
    if asked is not None:
        log_request(ServedRequest(asked, status, answered.decision, seconds, sent, is_complete))


def _count(answered: Answered, status: int, scope: Scope) -> None:
    """Count a client's request, once."""
    if answered.counts is not None:
        route = answered.route or _declared(scope)
        answered.counts.tally(route, status, answered.decision).count += 1


def _declared(scope: Scope) -> str:
    """The path of the route in code that answered, as it was declared; "" where none did."""
    path = getattr(scope.get("route"), "path", "")
    return path if isinstance(path, str) else ""


def _status_without_answer(scope: Scope, failure: BaseException | None) -> int:
    """What a client got of an application that has sent nothing: 500, which a server sends then, if it is still there.

    Without an error it has gone: what waits for a client returns when there is none any more.
    """
    if isinstance(failure, asyncio.CancelledError):
        return 503 if scope.pop(CUT_OFF, False) else CLIENT_CLOSED
    return CLIENT_CLOSED if failure is None else 500


class _Handshake(Answered):
    """The answer to a WebSocket's handshake, told as soon as it is accepted: the connection may last for days."""

    __slots__ = ("_asked", "_is_told", "_scope", "_started")

    def __init__(self, send: Send, scope: Scope, asked: Asked | None, started: float) -> None:
        super().__init__(send)
        self._scope, self._asked, self._started, self._is_told = scope, asked, started, False

    async def __call__(self, message: Message) -> None:
        if self._is_told:
            await self.send(message)
            return
        await self.send(message)
        kind: str = message["type"]
        if kind in ("websocket.accept", "websocket.close"):
            self.status, self.is_complete = (101 if kind == "websocket.accept" else 403), True
            self.tell(None)
        elif kind == "websocket.http.response.start":
            self.status = message["status"]
        elif kind == "websocket.http.response.body":
            self.sent += len(message.get("body", b""))
            self.is_complete = not message.get("more_body", False)

    def tell(self, failure: BaseException | None) -> None:
        """Tell the answer, unless that was done; `failure`: what the application has raised."""
        if self._is_told:
            return
        self._is_told = True
        status = self.status or (CLIENT_CLOSED if isinstance(failure, asyncio.CancelledError) else 500)
        seconds = time.perf_counter() - self._started
        is_complete = self.status is None or self.is_complete
        _count(self, status, self._scope)
        if self._asked is not None:
            log_request(ServedRequest(self._asked, status, None, seconds, self.sent, is_complete))
