"""What a GET of one path returns, and why: the facts that `millpond explain` prints."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rich.filesize import decimal
from starlette.routing import Match

from millpond.cli.facts.configured_routes import why_endpoint
from millpond.cli.facts.declared_routes import WEBSOCKET, declared_route, redirected_path
from millpond.cli.facts.stored_answer import stored_answer
from millpond.messages import one_of
from millpond.policy.http.headers import has
from millpond.policy.request.path_spelling import decoded
from millpond.policy.variants.variation import NoVariant
from millpond.prerender.build_manifest import plans_of
from millpond.prerender.fingerprints.shared_answers import shared_fingerprints
from millpond.prerender.frozen_inputs import remedies
from millpond.prerender.plan import plan_table, plan_taking, unbuilt_plans
from millpond.render.candidacy import query_candidacy
from millpond.render.target import Target
from millpond.routes.endpoints.matched_path import matched_path
from millpond.routes.public.public_file import METHODS, PublicFile
from millpond.serve.configured.redirects import Redirects
from millpond.serve.matching.base_path import OUTSIDE, enter_base_path
from millpond.serve.matching.matcher import EarlyAnswer, Matcher
from millpond.serve.matching.request_path import below_root

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millpond.app import Millpond
    from millpond.cli.facts.declared_routes import DeclaredRoute
    from millpond.config import RevalidateEndpointConfig
    from millpond.policy.entry import Headers
    from millpond.prerender.build_manifest import BuildManifest
    from millpond.prerender.plan import Plan

_REFUSALS = {
    400: "its percent-encoding is malformed",
    414: "the path is longer than [server] max_path_bytes or max_path_segments allow",
}


@dataclass(slots=True)
class Explanation:
    """The outcome for one path. `status` is set only if no route runs."""

    path: str
    status: int | None = None
    location: str | None = None
    route: str | None = None
    file: str | None = None
    params: dict[str, str | int | float | list[str]] = field(default_factory=dict)
    variant: str | None = None
    """The host and the values that are part of the key; None: nothing is."""
    methods: list[str] = field(default_factory=list)
    mode: str | None = None
    rule: str = ""
    """What the mode means for this path, as a sentence."""
    why: str | None = None
    place: str | None = None
    frozen: list[str] = field(default_factory=list)
    """Inputs that the build's answer keeps until the next build: its own, and those of the functions that it called."""
    refreshed: list[str] = field(default_factory=list)
    """Inputs that each render reads again."""
    remedies: list[str] = field(default_factory=list)
    """How to make a render read the frozen inputs again."""
    cache: dict[str, Any] | None = None
    """What the cache would answer, and by what that is known; None for a live path."""
    declined: list[str] = field(default_factory=list)
    """Routes that match the path but decline it."""
    nearest: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


async def explain_path(
    app: Millpond, manifest: BuildManifest | None, given: str, now: float, headers: Headers = ()
) -> Explanation:
    """The explanation of `given`, a path or a URL, at `now` (seconds since the epoch).

    Args:
        app: the application.
        manifest: of its build; None: there is none.
        given: what is asked for.
        now: seconds since the epoch.
        headers: of the request, with names in lower case; a host among them counts, and else that of a URL.

    Raises:
        BuildError: the build is damaged.
        Exception: what `generate_static_params` raised, if there is no build.
    """
    path, host, notes = _path_of(given)
    explanation = Explanation(path, notes=notes)
    asgi: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": decoded(path.encode("ascii")),
        "raw_path": path.encode("ascii"),
        "headers": [*([(b"host", host.encode("idna"))] if host and not has(headers, b"host") else []), *headers],
    }
    if app.config.base_path:
        enter_base_path(asgi, "", app.config.base_path)
        if asgi[OUTSIDE]:
            explanation.notes.append(f'it is outside of base_path = "{app.config.base_path}"')
            return _unmatched(explanation, app, asgi)
    ready_path = app.config.server.ready_path
    if ready_path is not None and below_root(asgi) == ready_path.encode("ascii"):
        return _probe(explanation, ready_path)
    redirect = Redirects(app.config).of(asgi)
    if redirect is not None:
        explanation.status, explanation.location = redirect.status, redirect.location
        explanation.rule = f"redirect to {redirect.location}: [[redirects]] has one for {redirect.source}"
        return explanation
    shared = shared_fingerprints(manifest, app.config.cache)
    plans = plans_of(manifest, app.own_routes, shared) if manifest else await _unbuilt(app)
    endpoints = {each.path: each for each in app.config.revalidate_endpoint}
    matcher = Matcher(plan_table(plans), app.config, endpoints.keys(), public=app.published.files)
    if (endpoint := matcher.endpoint_of(asgi)) is not None:
        return _webhook(explanation, endpoints[endpoint])
    matched = matcher.match(asgi)
    if isinstance(matched, EarlyAnswer):
        return _refused(explanation, matched)
    if isinstance(matched, PublicFile):
        return _as_it_is(explanation, matched)
    explanation.declined = [_declined(plan) for plan in matcher.declining(asgi)]
    if matched is None:
        taking = plan_taking(plans, matched_path(asgi))
        if taking is None:
            return _unmatched(explanation, app, asgi)
        plan, taken = taking
        target = Target.of(plan.route, taken.segments, taken.params, fingerprint=plan.fingerprint)
    else:
        plan, target = matched.plan, matched.target
    return _of_variant(explanation, app, manifest, plan, target, now, asgi["headers"])


async def _unbuilt(app: Millpond) -> list[Plan]:
    return await unbuilt_plans(app.own_routes, app.config.compat, cache_components=app.config.cache_components)


def _path_of(given: str) -> tuple[str, str, list[str]]:
    """The encoded path of a path or URL, the URL's host, and notes about what was removed from it."""
    scheme, found, rest = given.partition("://")
    host = ""
    if found and scheme.isalpha():
        host = re.split("[/?#]", rest, maxsplit=1)[0]
        given = rest[len(host) :]
    path = re.split("[?#]", given, maxsplit=1)[0]
    notes = []
    if path != given:
        notes.append("the query is ignored: it selects another answer only if the route has cache_query")
    return quote(path if path.startswith("/") else f"/{path}", safe="/%!$&'()*+,;=:@~"), host, notes


def _refused(explanation: Explanation, refused: EarlyAnswer) -> Explanation:
    explanation.status, explanation.location = refused
    if refused.location is not None:
        explanation.rule = f"redirect to {refused.location}: the canonical URL, slashes included"
    else:
        explanation.rule = f"no route is called: {_REFUSALS[refused.status]}"
    return explanation


def _webhook(explanation: Explanation, endpoint: RevalidateEndpointConfig) -> Explanation:
    explanation.route, explanation.methods, explanation.mode, explanation.status = endpoint.path, ["POST"], "live", 405
    explanation.rule = f"405 for GET: the configuration's {why_endpoint(endpoint)} takes POST"
    return explanation


def _probe(explanation: Explanation, path: str) -> Explanation:
    explanation.route, explanation.methods, explanation.mode = path, ["GET", "HEAD"], "live"
    explanation.rule = "200 while requests may be sent, else 503: the configuration's [server] ready_path"
    return explanation


def _as_it_is(explanation: Explanation, found: PublicFile) -> Explanation:
    explanation.file, explanation.mode, explanation.methods = found.file, "file", list(METHODS)
    explanation.rule = f"{found.file} as it is, {decimal(found.size)}"
    if found.codings:
        beside = one_of(found.compressed(coding).name for coding in found.codings)
        explanation.rule += f"; compressed, to clients that accept it: {beside}"
    return explanation


def _declined(plan: Plan) -> str:
    why = "dynamic_params = False, and generate_static_params doesn't list the path"
    return f"{plan.route.pattern} ({plan.route.place('dynamic_params')}): {why}"


def _of_variant(
    explanation: Explanation,
    app: Millpond,
    manifest: BuildManifest | None,
    plan: Plan,
    target: Target,
    now: float,
    headers: Sequence[tuple[bytes, bytes]],
) -> Explanation:
    """The answer for the host and the values of the headers; of a host that isn't named, the first that is listed."""
    variation = plan.route.variation
    if variation is None or not plan.caches(target.path):
        return _answered(explanation, app, manifest, plan, target, now)
    named = variation.named(headers)
    try:
        variant = variation.variant_of(variation.selection.of(named))
    except NoVariant as refused:
        explanation.route, explanation.file, explanation.status = plan.route.pattern, plan.route.source, refused.status
        explanation.rule = f"no route is called: {refused.reason}"
        if variation.hosts:
            explanation.rule += f"; hosts lists {', '.join(variation.hosts)}"
        return explanation
    if len(named) > len(headers):
        explanation.notes.append(
            f"the host is part of the key: this is the answer for {variant.host}; name another by --host"
        )
    explanation.variant = variant.text
    return _answered(explanation, app, manifest, plan, target.with_variant(variant), now)


def _answered(
    explanation: Explanation, app: Millpond, manifest: BuildManifest | None, plan: Plan, target: Target, now: float
) -> Explanation:
    route = plan.route
    explanation.route, explanation.file = route.pattern, route.source
    explanation.params, explanation.methods = dict(target.shown_params), route.methods
    explanation.why = plan.why.text
    explanation.place = None if plan.why.place is None else str(plan.why.place)
    if "QUERY" in route.operations:
        queried = query_candidacy(route)
        stored = "stored, with the body as part of the key" if queried.static else "run for each request"
        explanation.notes.append(f"QUERY is {stored}: {queried.why}")
    if "GET" not in route.operations:
        explanation.mode, explanation.status = "live", 405
        explanation.rule = f"405 for GET, with Allow: {route.allow}"
    elif plan.declines(target.path):
        explanation.mode, explanation.status = "static", 404
        explanation.rule = "404: dynamic_params=False, and params doesn't list the path"
    elif plan.caches(target.path):
        explanation.cache = stored_answer(app, manifest, target, now)
        fresh = explanation.cache["revalidate"] if explanation.cache["stored"] else bool(route.config.revalidate)
        explanation.mode = "fresh" if fresh else "static"
        explanation.rule = _stored_rule(explanation, listed=_is_built(manifest, target))
        if manifest is not None:
            _add_inputs(explanation, manifest, target, cache_components=app.config.cache_components)
    else:
        explanation.mode = "live"
        explanation.rule = "run for each request"
        if plan.static:
            explanation.rule += ": the build didn't render this path, and another path of the route is live"
    return explanation


def _add_inputs(explanation: Explanation, manifest: BuildManifest, target: Target, *, cache_components: bool) -> None:
    """Add the inputs that the build observed for this path, and for the functions that its route calls."""
    record = next(record for record in manifest.routes if record.origin == target.route.origin)
    variant = explanation.variant or ""
    path = next((path for path in record.paths if (path.path, path.variant) == (target.path, variant)), None)
    inputs = [record.inputs[number] for number in path.inputs] if path is not None else []
    explanation.frozen = [f"{found}{', declared' if found.declared else ''}" for found in inputs if not found.refreshed]
    explanation.refreshed = [str(found) for found in inputs if found.refreshed]
    for function in manifest.functions:
        if path is not None and record.pattern in function.routes:
            explanation.frozen += [f"{found} in {function.label}" for found in function.inputs if not found.refreshed]
            explanation.refreshed += [f"{found} in {function.label}" for found in function.inputs if found.refreshed]
    silent = [found for found in inputs if found.silent]
    if silent:
        explanation.remedies = remedies(silent, cache_components=cache_components)


def _is_built(manifest: BuildManifest | None, target: Target) -> bool:
    """Whether the build has rendered a target, or whether one would, where there is none."""
    variant = "" if target.variant is None else target.variant.text
    if manifest is None:
        variation = target.route.variation
        return variation is None or target.variant in variation.known(variation.combinations)
    records = (record for record in manifest.routes if record.origin == target.route.origin)
    return any(path.path == target.path and path.variant == variant for record in records for path in record.paths)


def _stored_rule(explanation: Explanation, *, listed: bool) -> str:
    first = "rendered at build" if listed else "rendered at its first request, and stored"
    again = "; when it goes stale, rendered again in the background" if explanation.mode == "fresh" else ""
    whom = "everybody" if explanation.variant is None else f"everybody with {explanation.variant}"
    return f"one answer for {whom}: {first}{again}"


def _declared_answer(explanation: Explanation, route: DeclaredRoute | None, match: Match) -> Explanation:
    """No route file has the path, and the application has a route of its own that does."""
    explanation.mode = "live"
    whose = "FastAPI's own" if route is not None and route.is_fastapis else "declared in code"
    explanation.rule = f"run for each request by FastAPI: no route file matches, a route that is {whose} does"
    if match is Match.PARTIAL:
        explanation.status = 405
        explanation.rule = "405 for GET: the route that is declared in code has other methods"
    return _with_route(explanation, route)


def _with_route(explanation: Explanation, route: DeclaredRoute | None) -> Explanation:
    if route is not None:
        explanation.route, explanation.file, explanation.methods = route.path, route.file, route.methods
        explanation.why = None if route.is_fastapis else route.why
        explanation.place = None if route.place is None else str(route.place)
    return explanation


def _other_than_get(
    explanation: Explanation, app: Millpond, asgi: dict[str, Any], *, is_mounted: bool
) -> Explanation | None:
    """A path that a GET of it doesn't reach: it is a WebSocket's, or that of a route with another slash."""
    socket, match = declared_route(app, {**asgi, "type": "websocket"})
    if match is not Match.NONE and socket is not None and socket.methods == [WEBSOCKET]:
        explanation.status, explanation.rule = 404, "404 for GET: the path is a WebSocket's"
        return _with_route(explanation, socket)
    location = None if is_mounted else redirected_path(app, asgi)
    if location is None:
        return None
    explanation.status, explanation.location = 307, quote(location, safe="/%!$&'()*+,;=:@~")
    explanation.rule = f"redirect to {explanation.location}: FastAPI's redirect_slashes"
    return explanation


def _unmatched(explanation: Explanation, app: Millpond, asgi: dict[str, Any]) -> Explanation:
    route, match = (None, Match.NONE) if asgi.get(OUTSIDE) else declared_route(app, asgi)
    is_mounted = route is not None and route.is_mounted
    if not asgi.get(OUTSIDE) and (match is Match.NONE or is_mounted):
        other = _other_than_get(explanation, app, asgi, is_mounted=is_mounted)
        if other is not None:
            return other
    if match is not Match.NONE:
        return _declared_answer(explanation, route, match)
    explanation.status = 404
    explanation.rule = "every matching route declines the path" if explanation.declined else "no route matches the path"
    patterns = [route.pattern for route in app.own_routes]
    explanation.nearest = difflib.get_close_matches(explanation.path, patterns, n=3, cutoff=0.3)
    return explanation
