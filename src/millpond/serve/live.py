"""A live run: one operation for one request, through the inner application."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect
from starlette.responses import Response

from millpond.errors import Place, UnsendableError
from millpond.render.base_exceptions import is_cancellation
from millpond.render.renderer import OPERATION, SERVER
from millpond.render.request.client_messages import CLIENT_MESSAGES, ClientMessages
from millpond.render.request.tracked_asgi_scope import guarded
from millpond.render.scopes.draft import DraftState
from millpond.render.scopes.scope import enter, leave
from millpond.serve.sending import LiveSend, send_plain

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from millpond.policy.decision import Decision
    from millpond.render.after import AfterCallbacks
    from millpond.render.renderer import Renderer
    from millpond.render.target import Target

log = logging.getLogger("millpond.serve")

_CLIENT_CLOSED = 499
"""nginx's status, for the access log: the client has gone before it got an answer."""


@dataclass(frozen=True, slots=True)
class LiveRunner:
    """Runs operations for the request that asked."""

    renderer: Renderer
    after_callbacks: AfterCallbacks
    draft_secret: str
    secure_cookies: bool
    fronted: bool = False
    """There are caches in front (`[cdn]`)."""
    _warned: set[Place] = field(default_factory=set)
    """Handlers whose bodies were dropped with a warning, as their status forbids one."""

    async def run(
        self, target: Target, asgi: Scope, receive: Receive, send: Send, decision: Decision, *, draft: bool
    ) -> int:
        """Answer with the operation of the request's method; returns the status that was sent.

        HEAD falls to GET where the file has no HEAD of its own (R1.22), OPTIONS has an automatic answer (R1.23),
        and any other method that is missing is 405 (R1.24).
        """
        route = target.route
        method = route.method_for(asgi["method"])
        operation = route.operations.get(method)
        if operation is None:
            status = 204 if method == "OPTIONS" else 405
            answer: ASGIApp = Response(status_code=status, headers={"allow": route.allow})
            inner = {**asgi, **self._scope_additions(target, asgi), OPERATION: answer}
            return await self._through(inner, target, receive, self._sending(send, asgi, target, decision))
        state = DraftState(draft, self.draft_secret, self.secure_cookies)
        scope = self.renderer.live_scope(target, method, asgi, state)
        if method in ("GET", "HEAD"):
            receive = _without_body(receive)  # R1.29
        messages = ClientMessages(receive)
        if scope.has_empty_request:
            scope.asgi = asgi = _stub(asgi)
        token = enter(scope)
        try:
            ran = operation.api_route
            inner = {**asgi, **self._scope_additions(target, asgi), **guarded(asgi)}
            inner.update(route=ran, endpoint=ran.endpoint)
            inner[OPERATION], inner[CLIENT_MESSAGES] = ran.runs, messages
            return await self._through(inner, target, messages.receive, self._sending(send, asgi, target, decision))
        finally:
            leave(token)
            self.after_callbacks.begin(scope)

    def _sending(self, send: Send, asgi: Scope, target: Target, decision: Decision) -> LiveSend:
        return LiveSend(send, asgi["method"], decision, fronted=self.fronted, name=target.route.file.file)

    def _scope_additions(self, target: Target, asgi: Scope) -> dict[str, Any]:
        """What every operation finds in its ASGI scope."""
        return {"path_params": dict(target.params), "state": {**asgi.get("state", {}), **self.renderer.state}}

    async def _through(self, asgi: Scope, target: Target, receive: Receive, send: LiveSend) -> int:
        try:
            await self.renderer.app(asgi, receive, send)
        except UnsendableError as error:
            place, method = _place(target, asgi["method"]), asgi["method"]
            log.error("%s: the answer of %s %s can't be sent: %s", place, method, target.readable, error)
            if send.status is None:
                await send_plain(send, 500)
        except ClientDisconnect:  # while it was sending its body
            log.info("%s %s: the client went away before the body's end", asgi["method"], target.label)
            return _CLIENT_CLOSED
        except BaseException as error:  # a redirect() in a streamed body, say, comes too late to be an answer
            if is_cancellation(error):
                raise
            log.exception("%s %s (%s) raised", asgi["method"], target.label, target.route.file.file)
            if send.status is None:
                await send_plain(send, 500)
        if send.lost and (place := _place(target, asgi["method"])) not in self._warned:
            self._warned.add(place)
            log.warning(
                "%s: the answer of %s %s has the status %d, which allows no body, and had one: it is left out. "
                "Return Response(status_code=%d).",
                place,
                asgi["method"],
                target.readable,
                send.status,
                send.status,
            )
        return send.status or 500


def _place(target: Target, method: str) -> Place:
    """Where the operation that answers is defined."""
    operations = target.route.operations
    operation = operations.get(method) or operations.get("GET")
    return Place(target.route.file.file) if operation is None else operation.place


def _without_body(receive: Receive) -> Receive:
    """Hide the body of a GET or HEAD; a disconnect still comes through."""
    is_sent = False

    async def bodyless() -> Message:
        nonlocal is_sent
        if not is_sent:
            is_sent = True
            return {"type": "http.request", "body": b"", "more_body": False}
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return message
            await asyncio.sleep(0)  # a `receive` in tests may never wait, as a server's does

    return bodyless


def _stub(asgi: Scope) -> dict[str, Any]:
    """The request as a `force-static` GET sees it where it runs for each request (R2.16, R3.12)."""
    kept = {name: value for name, value in asgi.items() if name not in ("session", "auth", "user")}
    return {**kept, "headers": [], "query_string": b"", "server": SERVER, "scheme": "http", "client": None}
