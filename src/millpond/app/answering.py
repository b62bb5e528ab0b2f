"""From a client's request to what answers it: past the middleware stack where nobody is in it, or through it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from millpond.app.operating.operators import Operators
from millpond.cache.rendering.render_failure import FAILURE
from millpond.internals import fastapi_names, starlette_names
from millpond.render.request.tracked_asgi_scope import guarded
from millpond.serve.access.access_log import is_logged
from millpond.serve.access.asked import LONGEST_PATH, Asked, shown
from millpond.serve.access.telling_app import TellingApp, tell
from millpond.serve.answered import ANSWERED, Answered
from millpond.serve.fronted.telling_caches import TellingCaches
from millpond.serve.layers.short_cut import ShortCut, raising
from millpond.serve.live import DISPATCHED, at_once
from millpond.serve.matching.base_path import OUTSIDE, follow_into_base_path
from millpond.serve.matching.rewriting import note_arrival
from millpond.serve.outermost.coding_app import CodingApp, CodingSend, coding_send
from millpond.serve.outermost.layers import with_configured_headers
from millpond.serve.prepared import HIT
from millpond.serve.readiness.ready_path import ReadyPath
from millpond.serve.sending import pass_on

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

    from millpond.app.runtime import Runtime
    from millpond.app.unseen import Unseen
    from millpond.config import Config
    from millpond.internals.starlette_names import LayeredFastAPI
    from millpond.render.middleware_boundary import RenderMiddleware
    from millpond.serve.dispatch import HitAnswer
    from millpond.stores.contract import Store
    from millpond.telemetry.counting import Counting

    Start = Callable[[Scope], Awaitable[Runtime]]


_UNMEASURED = "millpond.unmeasured"
"""The key of a scope that says that FastAPI's telemetry was told to look away on the way to the router."""


class Answering:
    """Answers the HTTP requests and WebSockets of one application.

    Args:
        app: the application.
        whole: FastAPI's own way, through the middleware stack; it ends in `at_the_router`.
        config: what it says about every answer is done here, outside of everything else.
        here: the runtime of the running event loop; None before its start.
        start: starts it.
        is_unseen: whether anything in the stack has to see requests.
        render_middleware: what stands around live runs, so that these need the stack.
        counting: where clients' requests count; None: nowhere.
        development: whether the application runs in `millpond dev`.

    Raises:
        ConfigError: operators are to see something, and a package for that is missing.
    """

    def __init__(
        self,
        app: LayeredFastAPI,
        whole: ASGIApp,
        config: Config,
        here: Callable[[], Runtime | None],
        start: Start,
        is_unseen: Unseen,
        render_middleware: Sequence[RenderMiddleware],
        counting: Counting | None,
        *,
        development: bool,
    ) -> None:
        self._app, self._whole, self._here, self._start = app, whole, here, start
        self._is_unseen, self._render_middleware = is_unseen, render_middleware
        self._base_path = config.base_path
        self._codings, self._varies = config.live_codings, config.cdn is not None
        self._counts = counts = None if counting is None else counting.requests
        surrogates = None if config.cdn is None else config.cdn.surrogates()
        self.caches = None if surrogates is None else TellingCaches(app, surrogates, is_unseen.may_read_queries)
        """Has answers that don't come from the cache tell caches in front; None: there are none."""
        configured = with_configured_headers(self._answer, config, self.caches)
        http: ASGIApp = self._answer
        if configured != self._answer:
            http = TellingApp(CodingApp(configured, self._codings, varies=self._varies), counts)
        if counting is not None:
            http = Operators(config, counting, self._running, development=development).in_front_of(http)
        ready_path = config.server.ready_path
        self.http = http if ready_path is None else ReadyPath(http, ready_path, self._store)
        """Answers HTTP requests."""
        self.websocket = TellingApp(whole, counts)
        """Answers WebSockets."""

    async def _running(self, scope: Scope) -> Runtime:
        """Raises MillpondError: the application can't start."""
        return self._here() or await self._start(scope)

    async def _store(self, scope: Scope) -> Store:
        """Raises MillpondError: the application can't start."""
        return (await self._running(scope)).responses.store

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        runtime = self._here() or await self._start(scope)
        outer: Answered | None = scope.get(ANSWERED)
        if is_unseen := self._is_unseen():
            hit = runtime.dispatcher.hit(scope)
            if hit is not None:
                status, start, body, path = hit
                await send(start)
                await send(body)
                if outer is not None:  # the dispatcher has told it
                    outer.counts = self._counts
                    return
                tally = path.tally
                if tally is not None and tally[0] == status:
                    tally[1].count += 1
                else:
                    runtime.dispatcher.hits.count(path, status)
                if is_logged():
                    answered = Answered.whole(send, status, HIT, len(body["body"]))
                    tell(Asked.of(scope), answered, scope, time.perf_counter() - started, None, is_head=False)
                return
        if self.caches is not None:
            send = self.caches.around(scope, send)
        if is_unseen:
            answer = self._answer_by_all if self._render_middleware else self._answer_shortly
        else:
            note_arrival(scope)
            if fastapi_names.TELEMETRY_KEY not in scope and not self._is_unseen.is_measured():
                # Else FastAPI looks for providers of telemetry at each request, which takes as long as a hit.
                scope[fastapi_names.TELEMETRY_KEY], scope[_UNMEASURED] = None, True
            answer = self._answer_by_all
            if outer is None and self._counts is None and not is_logged():
                await self._answer_untold(runtime, scope, receive, self._coding(scope, send))
                return
        runtime.data.is_asked = True
        asked = Asked.of(scope) if outer is None and is_logged() else None  # middleware may change the path
        coding = self._coding(scope, send)
        answered = scope[ANSWERED] = Answered(coding)
        answered.counts, is_head = self._counts, scope["method"] == "HEAD"
        failure: BaseException | None = None
        try:
            await answer(runtime, scope, receive, answered)
        except BaseException as error:
            failure = error
            self._note_failure(runtime, error, answered, scope)
            raise
        finally:
            # A server's `send` refers to the scope: left in there, it would be garbage that only the collector frees.
            scope.pop(ANSWERED, None)
            if isinstance(coding, CodingSend) and coding.sent is not None:
                answered.sent = coding.sent
            if outer is not None:  # of the layers around this, or of another Millpond in which this is mounted
                scope[ANSWERED] = outer
                outer.told_by(answered)
            elif asked is not None or self._counts is not None:
                tell(asked, answered, scope, time.perf_counter() - started, failure, is_head=is_head)
            failure = None  # its traceback refers to this frame

    def _coding(self, scope: Scope, send: Send) -> CodingSend | Send:
        return coding_send(scope, send, self._codings, varies=self._varies)

    @staticmethod
    def _note_failure(runtime: Runtime, error: BaseException, answered: Answered, scope: Scope) -> None:
        """Note what a live handler has raised; a shared render has noted it itself."""
        if runtime.failures is not None and isinstance(error, Exception) and FAILURE not in vars(error):
            path = shown(scope["path"], LONGEST_PATH)
            runtime.failures.failed(error, route=answered.route, path=path, served="500")

    async def _answer_untold(self, runtime: Runtime, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer through the middleware stack, where nobody hears what was answered."""
        runtime.data.is_asked = True
        try:
            await self._whole(scope, receive, send)
        finally:
            scope.pop(ANSWERED, None)

    async def _answer_by_all(self, runtime: Runtime, scope: Scope, receive: Receive, answered: Answered) -> None:
        """Answer through the middleware stack."""
        del runtime
        await self._whole(scope, receive, answered)

    async def _answer_shortly(self, runtime: Runtime, scope: Scope, receive: Receive, answered: Answered) -> None:
        """Answer without the middleware stack, in which nothing is that would have to see it; errors need the stack."""
        app = scope["app"] = self._app
        scope.setdefault("router", app.router)  # below a mount it is the parent's, which makes URLs for all
        scope.setdefault(fastapi_names.TELEMETRY_KEY, None)
        way = ShortCut(starlette_names.stack_of(app))
        try:
            await runtime.dispatcher.answer(scope, receive, answered, way)
        except Exception as error:
            if way.is_taken or answered.status is not None:
                raise
            await way.the_whole_way(raising(error), scope, receive, answered)

    async def at_the_router(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What stands in front of FastAPI's router, inside of all middleware."""
        runtime = self._here() or await self._start(scope)
        follow_into_base_path(scope, self._base_path)
        if scope["type"] == "websocket":
            if scope.get(OUTSIDE):
                await send({"type": "websocket.close", "code": 1000, "reason": ""})  # as Starlette's router
                return
            scope.update(guarded(scope))
            await pass_on(runtime.dispatcher.declared, scope, receive, send)
            return
        if scope.pop(_UNMEASURED, False):
            scope.pop(fastapi_names.TELEMETRY_KEY, None)  # applications that are mounted here may have their own
        dispatched: ASGIApp | None = scope.pop(DISPATCHED, None)
        if dispatched is not None:
            await dispatched(scope, receive, send)
            return
        scope.setdefault(ANSWERED, Answered(send))
        scope.setdefault("router", self._app.router)
        await runtime.dispatcher(scope, receive, send, at_once)

    def hit(self, scope: Scope) -> HitAnswer | None:
        """A hit, for the innermost place of the user's middleware; None: it isn't one."""
        runtime = self._here()
        return None if runtime is None else runtime.dispatcher.hit(scope)
