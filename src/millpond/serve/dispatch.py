"""The way in: matches a request to a route, and answers it from the cache or by a live run."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from millpond.cache.responses import RenderFailed
from millpond.policy.decision import Action, Decision, Reason
from millpond.policy.draft_mode import is_draft
from millpond.policy.http.reply import NO_NEGOTIATION
from millpond.render.scopes.dynamic_use import NotStatic
from millpond.render.target import Target
from millpond.routes.path import canonical
from millpond.serve.hits import Hits, access, log_access
from millpond.serve.prepared import HIT
from millpond.serve.request_path import EarlyAnswer, segments_of, without_base_path
from millpond.serve.sending import pass_on, send_cached, send_plain

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from millpond.cache.responses import Responses
    from millpond.config import Config
    from millpond.policy.freshness import Clock
    from millpond.policy.http.reply import Negotiation
    from millpond.prerender.plan import Plan
    from millpond.routes.table import Table
    from millpond.serve.hits import CachedPath
    from millpond.serve.live import LiveRunner
    from millpond.serve.match_cache import MatchCache
    from millpond.serve.revalidation import RevalidateEndpoint

_LIVE = Decision(Action.LIVE, Reason.LIVE_ROUTE)
_NOTHING: tuple[CachedPath | None, Negotiation] = (None, NO_NEGOTIATION)
_DRAFT = Decision(Action.BYPASS, Reason.DRAFT)
_TURNED_DYNAMIC = Decision(Action.LIVE, Reason.TURNED_DYNAMIC)


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Answers a request: from the cache, by a live run, or with the inner application's own routes."""

    table: Table[Plan]
    responses: Responses
    live: LiveRunner
    inner: ASGIApp
    config: Config
    clock: Clock
    hits: Hits
    """Paths that were answered from the cache, which need no matching."""
    match_cache: MatchCache
    endpoint: RevalidateEndpoint | None = None
    live_decision: Decision = _LIVE
    """The decision of live answers: because of the route, or because nothing is cached in development."""

    async def __call__(self, asgi: Scope, receive: Receive, send: Send) -> None:
        if asgi["type"] != "http":
            await pass_on(self.inner, asgi, receive, send)
            return
        started = time.perf_counter()
        decision: Decision | None
        cached_path, negotiation = self.hits.lookup(asgi) or _NOTHING
        prepared = None if cached_path is None else self.hits.prepared(cached_path)
        representation = None if prepared is None else prepared.representation(negotiation)
        if prepared is None or representation is None:
            status, decision = await self._answer(asgi, receive, send)
        else:
            status, decision = representation.status, HIT
            await send(
                {"type": "http.response.start", "status": status, "headers": representation.headers(prepared.volatile)}
            )
            await send({"type": "http.response.body", "body": b"" if asgi["method"] == "HEAD" else representation.body})
        if access.isEnabledFor(logging.INFO):
            log_access(asgi["method"], asgi["path"], status, decision, time.perf_counter() - started)

    async def _answer(self, asgi: Scope, receive: Receive, send: Send) -> tuple[int | None, Decision | None]:
        found = self.match_cache.get(asgi)
        if found is not None:
            return await self._answer_route(*found, asgi, receive, send)
        segments = segments_of(asgi, self.config)
        if isinstance(segments, EarlyAnswer):
            location = [(b"location", segments.location.encode("latin-1"))] if segments.location else None
            await send_plain(send, segments.status, location)
            return segments.status, None
        if self.endpoint is not None and segments is not None and canonical(segments) == self.endpoint.path:
            return await self.endpoint(asgi, receive, send), None
        found = self._find(segments, asgi.get("query_string", b"")) if segments is not None else None
        if found is None:
            await pass_on(self.inner, asgi, receive, send)
            return None, None
        self.match_cache.remember(asgi, *found)
        return await self._answer_route(*found, asgi, receive, send)

    def _find(self, segments: list[str], query: bytes) -> tuple[Plan, Target] | None:
        """The first match that doesn't decline (R1.9, R1.10)."""
        for match in self.table.match(segments):
            target = Target.of(match.route.route, segments, match.params, query)
            if not match.route.declines(target.path):
                return match.route, target
        return None

    async def _answer_route(
        self, plan: Plan, target: Target, asgi: Scope, receive: Receive, send: Send
    ) -> tuple[int, Decision]:
        draft = is_draft(asgi["headers"], self.live.draft_secret)
        decision = self.live_decision
        if target.route.method_for(asgi["method"]) == "GET" and plan.caches(target.path):
            if not draft:
                try:
                    cached = self.responses.hit(target.key)
                    if cached is not None:
                        self.hits.learn(asgi, target)
                    else:
                        cached = await self.responses.answer(target)
                    return await send_cached(asgi, send, cached, self.clock(), self.hits.surrogates), cached.decision
                except RenderFailed:
                    await send_plain(send, 500)
                    return 500, Decision(Action.MISS, Reason.COLD, status=500)
                except NotStatic:
                    decision = _TURNED_DYNAMIC
            else:
                decision = _DRAFT
        asgi = without_base_path(asgi, self.config.base_path)
        return await self.live.run(target, asgi, receive, send, decision, draft=draft), decision
