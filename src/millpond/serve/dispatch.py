"""The way in: matches a request to a route, and answers it from the cache or by a live run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

from millpond.cache.rendering.render_failure import RenderFailed
from millpond.policy.decision import Action, Decision, Reason
from millpond.policy.draft_mode import is_draft
from millpond.policy.http.reply import NO_NEGOTIATION
from millpond.policy.lifetime import FOREVER
from millpond.policy.variants.variation import NoVariant
from millpond.prerender.plan import Plan
from millpond.render.candidacy import ModeReason
from millpond.render.request.tracked_asgi_scope import guarded, plain_value
from millpond.render.scopes.dynamic_use import NotStatic
from millpond.render.target import Target
from millpond.routes.public.public_file import PublicFile
from millpond.serve.answered import ANSWERED, CLIENT_CLOSED, Answered
from millpond.serve.fronted.same_for_all import SAME_FOR_ALL
from millpond.serve.live import ANSWER_ENDPOINT, LiveRequest, at_once
from millpond.serve.matching.base_path import OUTSIDE
from millpond.serve.matching.matcher import EarlyAnswer, Matched
from millpond.serve.prepared import HIT
from millpond.serve.queries import QUERY, ClientGone, Queries
from millpond.serve.sending import pass_on, send_cached, send_plain
from millpond.serve.span import Tracing
from millpond.serve.told_route import tell_route, told_route
from millpond.telemetry.invalidated import By, invalidated_by, request_id_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from millpond.cache.responses import Cached, Responses
    from millpond.policy.entry import Headers
    from millpond.policy.freshness import Clock
    from millpond.policy.http.reply import Negotiation
    from millpond.policy.variants.variation import Variation
    from millpond.routes.endpoints.endpoint_route import EndpointRoute
    from millpond.serve.hits import CachedPath, Hits
    from millpond.serve.live import LiveRunner, Way
    from millpond.serve.matching.match_cache import MatchCache
    from millpond.serve.matching.matcher import Matcher
    from millpond.serve.public.public_answers import PublicAnswers
    from millpond.serve.revalidation_endpoints import Endpoint

_ADDED_LATE = ModeReason("declared after the start")
_LIVE = Decision(Action.LIVE, Reason.LIVE_ROUTE)
_NOTHING: tuple[CachedPath | None, Negotiation] = (None, NO_NEGOTIATION)
_DRAFT = Decision(Action.BYPASS, Reason.DRAFT)
_TURNED_DYNAMIC = Decision(Action.LIVE, Reason.TURNED_DYNAMIC)
_FAILED = Decision(Action.MISS, Reason.COLD, status=500)


HitAnswer = tuple[int, "Message", "Message", "CachedPath"]
"""A hit, ready to be sent, as finding it needs no waiting: the status, the two messages of the answer, the path."""


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Answers a request: from the cache, by a live run, or with what is declared on the application itself."""

    matcher: Matcher
    responses: Responses
    live: LiveRunner
    declared: ASGIApp
    """Answers what no file route does."""
    endpoint_plans: Mapping[str, Plan]
    """Those of endpoints with `@static`, by their origins."""
    clock: Clock
    hits: Hits
    """Paths that were answered from the cache, which need no matching."""
    match_cache: MatchCache
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    """Those that invalidate, by their paths."""
    public: PublicAnswers | None = None
    """Answers with the files of `public/`; None where there is no such folder."""
    queries: Queries = field(default_factory=lambda: Queries(0, is_on=False))
    """Which answers to QUERY are stored."""
    live_decision: Decision = _LIVE
    """The decision of live answers: because of the route, or because nothing is cached in development."""
    tracing: Tracing = field(default_factory=Tracing)

    def hit(self, asgi: Scope) -> HitAnswer | None:
        """The answer to a path that was answered from the cache before, if its entry is still fresh; else None."""
        cached_path, negotiation = self.hits.lookup(asgi) or _NOTHING
        prepared = None if cached_path is None else self.hits.prepared(cached_path)
        representation = None if prepared is None else prepared.representation(negotiation)
        if cached_path is None or prepared is None or representation is None:
            return None
        if not (self.hits.has_socket and self._are_hits_untold):
            tell_route(asgi, cached_path.told, cached_path.target.params)
        answered: Answered | None = asgi.get(ANSWERED)
        if answered is not None:
            self._decide(asgi, cached_path.target, HIT, answered)
        elif self.tracing.is_on:  # somebody wraps the application
            self.tracing.tell(asgi, cached_path.target, HIT)
        status, body = representation.status, b"" if asgi["method"] == "HEAD" else representation.body
        headers = representation.headers(prepared.volatile)
        start = {"type": "http.response.start", "status": status, "headers": headers}
        return status, start, {"type": "http.response.body", "body": body}, cached_path

    async def __call__(self, asgi: Scope, receive: Receive, send: Send, way: Way) -> None:
        """Answer.

        Args:
            asgi: the request's scope, with an Answered.
            receive: receives the request's body.
            send: sends the answer.
            way: how the request gets to what answers it live.

        Raises:
            Exception: what the handler raised, for the application's exception handlers.
        """
        answered: Answered | None = asgi.get(ANSWERED)
        hit = self.hit(asgi) if answered is None or answered.own_answer is None else None
        if hit is None:
            await self.answer(asgi, receive, send, way)
        else:
            _, start, body, _ = hit
            await send(start)
            await send(body)

    async def answer(self, asgi: Scope, receive: Receive, send: Send, way: Way) -> None:
        """As a call, for a request that `hit` did nothing about."""
        found = self.match_cache.get(asgi)
        if found is None:
            matched = self.matcher.match(asgi)
            if isinstance(matched, EarlyAnswer):
                if matched.location is None:
                    raise HTTPException(matched.status)
                asgi[SAME_FOR_ALL] = True
                await send_plain(send, matched.status, [(b"location", matched.location.encode("latin-1"))])
                return
            if isinstance(matched, PublicFile):
                await self._answer_with_file(matched, asgi, receive, send)
                return
            if matched is None:
                await way(self._answer_declared, asgi, receive, send)
                return
            found = matched
            self.match_cache.remember(asgi, found)
        await self._answer_route(found, asgi, receive, send, way)

    async def _answer_with_file(self, file: PublicFile, asgi: Scope, receive: Receive, send: Send) -> None:
        if self.public is None:
            raise HTTPException(404)
        asgi[SAME_FOR_ALL] = True
        await self.public(file, asgi, receive, send)

    async def _answer_declared(self, asgi: Scope, receive: Receive, send: Send) -> None:
        if self.endpoints and (path := self.matcher.endpoint_of(asgi)) is not None:
            with invalidated_by(By("endpoint", request=request_id_in(asgi["headers"]))):
                await self.endpoints[path](asgi, receive, send)
            return
        if asgi.get(OUTSIDE):
            raise HTTPException(404)
        asgi.update(guarded(asgi))
        asgi[ANSWER_ENDPOINT] = self.answer_endpoint
        await pass_on(self.declared, asgi, receive, send)

    async def answer_endpoint(
        self, route: EndpointRoute, plain: ASGIApp, asgi: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer where FastAPI has matched an endpoint with `@static`.

        Args:
            route: the endpoint's.
            plain: FastAPI's own application, for other methods than GET.
            asgi: the request's scope.
            receive: receives the request's body.
            send: sends the answer.

        Raises:
            HTTPException: 404: the route is closed, and the path isn't listed.
            Exception: what the endpoint raised, for the application's exception handlers.
        """
        found = route.found(asgi)
        if found is None:
            await plain(asgi, receive, send)
            return
        plan = self.endpoint_plans.get(route.origin) or Plan(route, _ADDED_LATE)
        is_get = route.method_for(asgi["method"]) == "GET"
        if not is_get and not plan.closed:
            await plain(asgi, receive, send)
            return
        query_string = plain_value({**asgi}, "query_string")
        target = Target.of(route, found.segments, found.params, query_string, plan.fingerprint)
        if plan.declines(target.path) and not is_draft(asgi["headers"], self.live.draft_secret):
            raise HTTPException(404)
        if not is_get:
            await plain(asgi, receive, send)
            return
        asgi.setdefault(ANSWERED, Answered(send))
        await self._answer_route(Matched(plan, target), asgi, receive, send, at_once)

    async def _answer_route(self, found: Matched, asgi: Scope, receive: Receive, send: Send, way: Way) -> None:
        plan, target, _ = found
        answered: Answered = asgi[ANSWERED]
        route = target.route
        method, draft = route.method_for(asgi["method"]), is_draft(asgi["headers"], self.live.draft_secret)
        if method in ("GET", QUERY) and route.variation is not None:
            shared = not draft and (plan.caches(target.path) if method == "GET" else self.queries.stores(route))
            target = _variant_of(target, route.variation, plain_value({**asgi}, "headers"), shared=shared)
        operation = None
        if not (plan.static and method == "GET" and not draft and self._are_hits_untold and self._is_hit(plan, target)):
            operation = route.operations.get(method)
            tell_route(asgi, told_route(target, operation), target.params)
        if answered.own_answer is not None:  # told before anything can fail
            answered.own_answer.learn(FOREVER, target.own_tags)
        decision = self.live_decision
        cached = method == "GET" and plan.caches(target.path)
        if method == QUERY and operation is not None:
            try:
                query = await self.queries.asked(target, operation, asgi, receive, bypasses=draft)
            except ClientGone:
                answered.status = CLIENT_CLOSED
                return
            if query is not None:
                (target, receive), cached = query, True
        if method == "GET" and draft and plan.static and (plan.closed or cached):
            decision = _DRAFT
        elif cached:
            try:
                await self._answer_from_cache(target, asgi, send, answered)
                return
            except NotStatic:
                decision = _TURNED_DYNAMIC
        self._decide(asgi, target, decision, answered)
        await self.live.run(LiveRequest(target, operation, decision, draft, answered, way), asgi, receive, send)

    def _is_hit(self, plan: Plan, target: Target) -> bool:
        return plan.caches(target.path) and self.responses.hit(target.key) is not None

    @property
    def _are_hits_untold(self) -> bool:
        """Whether nobody is there to whom a hit would tell its route, whose file may not have been needed yet.

        That is so where the server itself may answer hits, and nothing traces them.
        """
        hits = self.hits
        return hits.has_socket and hits.at_socket and not self.tracing.is_on

    async def _answer_from_cache(self, target: Target, asgi: Scope, send: Send, answered: Answered) -> None:
        """Raises NotStatic: the route turned dynamic; Exception: what the handler raised in a render."""
        own = answered.own_answer
        waits = own is not None and own.wants_fresh
        found = self.responses.hit(target.key, waits=waits)
        if found is not None:
            self.responses.ahead(target, found.entry)
            if target.content is None and target.route.is_told_by_path:
                self.hits.learn(asgi, target)
        cached = found or await self._rendered(target, waits=waits)
        if isinstance(cached, RenderFailed):
            self._decide(asgi, target, _FAILED, answered)
            raise cached.error
        self._decide(asgi, target, cached.decision, answered)
        if own is not None:
            own.learn(cached.lifetime, cached.entry.tags)
        hits, claims = self.hits, self.hits.claims.of(target.route)
        await send_cached(asgi, send, cached, self.responses.coded, self.clock, hits.surrogates, claims)

    async def _rendered(self, target: Target, *, waits: bool) -> Cached | RenderFailed:
        try:
            return await self.responses.answer(target, waits=waits)
        except RenderFailed as failed:  # after which the stale answer that was to be replaced counts as fresh
            return (self.responses.hit(target.key) if waits else None) or failed

    def _decide(self, asgi: Scope, target: Target, decision: Decision, answered: Answered) -> None:
        """Note the decision before anything is sent: for the access log, and for the span of the request."""
        answered.decision, answered.route = decision, target.route.pattern
        if answered.is_clients:
            self.tracing.tell(asgi, target, decision)


def _variant_of(target: Target, variation: Variation, headers: Headers, *, shared: bool) -> Target:
    """What a request asks for, host and values included.

    Args:
        target: by its path and query.
        variation: of the route.
        headers: of the request.
        shared: whether it is answered for everybody, rather than live.

    Raises:
        HTTPException: 400 or 421: the request has no host that the route's answers can have.
    """
    selected = variation.selection.of(headers)
    if not shared:
        return target.with_variant(variation.live_variant_of(selected))
    try:
        return target.with_variant(variation.variant_of(selected))
    except NoVariant as refused:
        raise HTTPException(refused.status, refused.reason) from None
