"""A live run: one operation for one request."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from millpond.errors import Place, UnsendableError
from millpond.policy.http.headers import live_headers
from millpond.policy.request.media_types import accept_query
from millpond.render.base_exceptions import as_exception, is_cancellation
from millpond.render.renderer import OPERATION, SERVER
from millpond.render.request.client_messages import CLIENT_MESSAGES, ClientMessages
from millpond.render.request.tracked_asgi_scope import guarded
from millpond.render.scopes.current_scope import enter, leave
from millpond.render.scopes.draft import DraftState
from millpond.serve.answered import CLIENT_CLOSED
from millpond.serve.sending import LiveSend

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from millpond.policy.decision import Decision
    from millpond.render.after import AfterCallbacks
    from millpond.render.renderer import Renderer
    from millpond.render.target import Target
    from millpond.routes.route_contract import Operation
    from millpond.serve.answered import Answered
    from millpond.serve.watched.live_watch import LiveWatch

log = logging.getLogger("millpond.serve")

DISPATCHED = "millpond.dispatched"
"""The key of an ASGI scope under which the router's place finds what answers, once a request was matched before."""

ANSWER_ENDPOINT = "millpond.answer_endpoint"
"""The key of an ASGI scope under which the place of an endpoint with `@static` finds what answers there."""

Way = Callable[["ASGIApp", "Scope", "Receive", "Send"], Awaitable[None]]
"""How a request gets from the dispatcher to what answers it live: at once, or by the middleware stack."""


class LiveRequest(NamedTuple):
    """A request that is to be run live."""

    target: Target
    operation: Operation | None
    """None: the route has none for the request's method."""
    decision: Decision
    """Why it is."""
    draft: bool
    answered: Answered
    way: Way


class LiveRun:
    """The operation that answers one request."""

    __slots__ = ("operation", "request", "runner")

    def __init__(self, runner: LiveRunner, request: LiveRequest, operation: Operation) -> None:
        self.runner, self.request, self.operation = runner, request, operation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the operation inside of the middleware for renders."""
        await self.through(self.runner.stack, scope, receive, send)

    async def through(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Have `app` answer, and check what it sends.

        Raises:
            UnsendableError: what was answered can't be sent; the message says which handler's it is.
            Exception: what the handler raised.
        """
        answered = self.request.answered
        is_outermost = send is answered  # then it need not see each message
        sending = self._sending(scope, answered.send if is_outermost else send)
        method, target = scope["method"], self.request.target
        try:
            await app(scope, receive, sending)
        except UnsendableError as error:
            raise UnsendableError(
                f"{self.operation.place}: the answer of {method} {target.readable} can't be sent: {error}"
            ) from None
        except ClientDisconnect:  # while it was sending its body
            log.info("%s %s: the client went away before the body's end", method, target.label)
            answered.status = CLIENT_CLOSED
        except Exception:
            raise
        except BaseException as error:  # a redirect() in a streamed body, say, comes too late to be an answer
            if is_cancellation(error):
                raise
            raise as_exception(error, f"{method} {target.label} ({target.route.source})") from error
        finally:
            if is_outermost:
                sending.tell(answered)
        if sending.lost:
            self.runner.warn_of_lost_body(self, method, sending)

    def _sending(self, scope: Scope, send: Send) -> LiveSend:
        route, decision = self.request.target.route, self.request.decision
        varies = None if self.request.target.variant is None else route.variation
        return LiveSend(
            send,
            scope["method"],
            decision,
            fronted=self.runner.fronted,
            name=route.source,
            accepted=route.accepted_queries,
            vary=() if varies is None else varies.vary,
        )


@dataclass(frozen=True, slots=True)
class LiveRunner:
    """Runs operations for the request that asked."""

    renderer: Renderer
    stack: ASGIApp
    """Runs the operation of a scope, inside of the middleware for renders."""
    after_callbacks: AfterCallbacks
    draft_secret: str = field(repr=False)
    secure_cookies: bool
    fronted: bool = False
    """There are caches in front (`[cdn]`)."""
    watch: LiveWatch | None = None
    """Counts what GETs read; None: nothing is counted."""
    _warned: set[Place] = field(default_factory=set)
    """Handlers whose bodies were dropped with a warning, as their status forbids one."""

    async def run(self, request: LiveRequest, asgi: Scope, receive: Receive, send: Send) -> None:
        """Answer with the operation of the request's method.

        HEAD falls to GET where the file has no HEAD of its own (R1.22), OPTIONS has an automatic answer (R1.23),
        and any other method that is missing is 405 (R1.24).

        Raises:
            Exception: what the handler raised, for the application's exception handlers.
        """
        target, operation = request.target, request.operation
        if operation is None:
            await self._answer_without(request, asgi, receive, send)
            return
        method = operation.method
        state = DraftState(request.draft, self.draft_secret, self.secure_cookies)
        scope = self.renderer.live_scope(target, method, asgi, state)
        watched = None
        if self.watch is not None and asgi["method"] == "GET":
            watched = self.watch.begun(asgi, scope, target.route.pattern)
        if method in ("GET", "HEAD") and operation.hides_body:
            receive = _without_body(receive)  # R1.29
        messages = ClientMessages(receive)
        visible = asgi.setdefault("state", {})  # middleware further out sees what the handler keeps there
        if self.renderer.state:
            visible.update({**self.renderer.state, **visible})
        if target.variant is not None and method == "GET":  # the handler sees here what a static one sees
            asgi["headers"] = target.variant.normalised(asgi["headers"])
        if scope.has_empty_request:
            scope.visitors = {**asgi, **guarded(asgi)}
            scope.asgi = asgi = _stub(asgi, target)
        asgi.update(guarded(asgi))
        asgi[OPERATION], asgi[CLIENT_MESSAGES] = operation.app, messages
        token = enter(scope)
        try:
            await request.way(LiveRun(self, request, operation), asgi, messages.receive, send)
        finally:
            leave(token)
            if watched is not None and self.watch is not None:
                self.watch.ended(watched)
            if scope.counted_again is not None:
                scope.counted_again.finish(has_background=scope.has_background)
            if request.answered.own_answer is not None:
                request.answered.own_answer.learn(scope.lifetime, scope.tags)
            asgi.pop(CLIENT_MESSAGES, None)  # a server's `receive` refers to the scope: see `Answering`
            self.after_callbacks.begin(scope)

    async def _answer_without(self, request: LiveRequest, asgi: Scope, receive: Receive, send: Send) -> None:
        """Raises HTTPException: 405, for the application's exception handlers."""
        allow, accepted = {"allow": request.target.route.allow}, request.target.route.accepted_queries
        if accepted:
            allow["accept-query"] = accept_query(accepted).decode("ascii")
        if asgi["method"] != "OPTIONS":  # caches may store a 405 that says nothing about it (RFC 9110 §15.1)
            headers = live_headers([], request.decision, fronted=self.fronted)
            told = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
            raise HTTPException(405, headers={**allow, **told})
        name = request.target.route.source
        sending = LiveSend(send, "OPTIONS", request.decision, fronted=self.fronted, name=name)
        await Response(status_code=204, headers=allow)(asgi, receive, sending)

    def warn_of_lost_body(self, run: LiveRun, method: str, sending: LiveSend) -> None:
        """Warn, once for each handler, about a body that wasn't sent, as the answer's status allows none."""
        place = run.operation.place
        if place in self._warned:
            return
        self._warned.add(place)
        log.warning(
            "%s: the answer of %s %s has the status %d, which allows no body, and had one: it is left out. "
            "Return Response(status_code=%d).",
            place,
            method,
            run.request.target.readable,
            sending.status,
            sending.status,
        )


async def at_once(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """The way where FastAPI's router stands: nothing comes in between any more."""
    await app(scope, receive, send)


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


def _stub(asgi: Scope, target: Target) -> dict[str, Any]:
    """The request as a `force-static` GET sees it where it runs for each request (R2.16, R3.12)."""
    kept = {name: value for name, value in asgi.items() if name not in ("session", "auth", "user")}
    headers = [] if target.variant is None else list(target.variant.headers)
    return {**kept, "headers": headers, "query_string": b"", "server": SERVER, "scheme": "http", "client": None}
