"""Why a GET is live: what `millpond build` would say of it."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from starlette.routing import Match

from millpond.errors import UsageError
from millpond.policy.http.storing import storable_status
from millpond.prerender.plan import plan_taking
from millpond.render.candidacy import ModeReason, query_candidacy
from millpond.render.scopes.dynamic_use import NotStatic
from millpond.render.target import Target
from millpond.routes.endpoints.matched_path import matched_path
from millpond.routes.operation import OperationRoute
from millpond.routes.public.public_file import PublicFile
from millpond.serve.matching.base_path import OUTSIDE
from millpond.serve.matching.matcher import EarlyAnswer, Matched

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Scope

    from millpond.app import Millpond
    from millpond.app.runtime import Runtime


async def why_live(pond: Millpond, runtime: Runtime, scope: Scope) -> ModeReason | None:
    """Why the GET of a scope is live; None: it is static or fresh. If only a render can tell, one is made.

    Raises:
        UsageError: no route answers it.
        Exception: what the handler raised in that render.
    """
    matched = None if scope.get(OUTSIDE) else runtime.dispatcher.matcher.match(scope)
    if isinstance(matched, EarlyAnswer):
        where = f"is redirected to {matched.location}" if matched.location else f"is answered {matched.status}"
        raise UsageError(f"{scope['path']} {where}: no route runs.")
    if isinstance(matched, PublicFile):
        raise UsageError(f"{scope['path']} is the file {matched.file}: no route runs.")
    if matched is None:
        matched = endpoint_matched(runtime, scope)
    if matched is None:
        return _declared(pond, scope)
    matched = with_variant(matched, scope["headers"])
    return known_reason(pond, runtime, matched) or await _tried(runtime, matched.target)


def with_variant(matched: Matched, headers: Iterable[tuple[bytes, bytes]]) -> Matched:
    """What a request asks for, host and values included; of a host that it doesn't name, the first that is listed."""
    target, variation = matched.target, matched.target.route.variation
    if variation is None:
        return matched
    variant = variation.live_variant_of(variation.selection.of(variation.named(headers)))
    return matched._replace(target=target.with_variant(variant))


def endpoint_matched(runtime: Runtime, scope: Scope) -> Matched | None:
    """The endpoint with `@static` to which FastAPI gives a request."""
    taking = plan_taking(runtime.dispatcher.endpoint_plans.values(), matched_path(scope))
    if taking is None or scope.get(OUTSIDE):
        return None
    plan, taken = taking
    query_string = scope.get("query_string", b"")
    return Matched(plan, Target.of(plan.route, taken.segments, taken.params, query_string, plan.fingerprint))


def known_reason(pond: Millpond, runtime: Runtime, matched: Matched, method: str = "GET") -> ModeReason | None:
    """Why a GET, or a QUERY, is live, if that is known without a render."""
    plan, target, _ = matched
    if pond.development:
        return ModeReason("in development nothing is cached")
    if method == "QUERY":
        chosen = query_candidacy(plan.route)
        return None if chosen.static else chosen.why
    if plan.caches(target.path):
        use = runtime.responses.live_use(target.key)
        return None if use is None else ModeReason(use.api, use.place)
    if plan.static:
        return ModeReason("the build didn't render this path, and another path of the route is live")
    return plan.why


async def _tried(runtime: Runtime, target: Target) -> ModeReason | None:
    responses = runtime.responses
    try:
        rendered = await responses.clean.begin(lambda: responses.renders.regenerate(target))
    except NotStatic as ended:
        return ModeReason(ended.use.api, ended.use.place)
    if storable_status(rendered.status):
        return None
    return ModeReason(f"answered {rendered.status}", target.route.operations["GET"].place)


def _declared(pond: Millpond, scope: Scope) -> ModeReason:
    for route in [] if scope.get(OUTSIDE) else pond.routes:
        if not isinstance(route, OperationRoute) and route.matches(scope)[0] is Match.FULL:
            return ModeReason("declared on the application, in no route file")
    patterns = [route.pattern for route in pond.own_routes]
    nearest = difflib.get_close_matches(scope["path"], patterns, n=3, cutoff=0.3)
    others = f"; there is {', '.join(nearest)}" if nearest else ""
    raise UsageError(f"no route answers {scope['path']}{others}.")
