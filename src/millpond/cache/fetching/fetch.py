"""fetch(): upstream data, from the data cache if the rules allow it (5.1)."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast

from millpond.cache.active_application import cache_of
from millpond.cache.data import MAX_FETCH_BYTES, checked_soft_timeout
from millpond.cache.fetch_chain import chain_to
from millpond.cache.fetching.cached_fetch import CachedFetch
from millpond.cache.fetching.exchange import Exchange
from millpond.cache.fetching.outgoing import (
    Body,
    checked_cache,
    checked_retries,
    checked_revalidate,
    checked_timeout,
    redirect_of,
)
from millpond.cache.fetching.own_routes import InProcessTransport, application_for, client_of_own, is_own
from millpond.cache.fetching.streaming import stream
from millpond.cache.fetching.upstream import Limits, shared_client
from millpond.cache.fetching.upstream_calls import upstream_calls
from millpond.cache.given_tags import usable_tags
from millpond.cache.told import OwnAnswer
from millpond.errors import UsageError
from millpond.messages import at
from millpond.policy.fetch_plan import CacheOption, FetchCall, FetchConflict, FetchPlan, FetchSurroundings, plan_fetch
from millpond.policy.lifetime import Lifetime
from millpond.render.scopes.current_scope import current
from millpond.routes.results.passed_on import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import httpx2

    from millpond.cache.fetching.outgoing import Files, FormData
    from millpond.cache.fetching.upstream import Redirect
    from millpond.policy.fetch_plan import RevalidateOption
    from millpond.render.scopes.scope import Scope

log = logging.getLogger("millpond.fetch")

DEFAULT_TIMEOUT = 30.0
"""Seconds for one complete answer of an upstream."""


P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class _WithStream(ABC, Generic[P, R_co]):
    """What type checkers take `fetch` for: a function that has another one as its attribute."""

    stream = staticmethod(stream)

    @abstractmethod
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...


def _with_stream(function: Callable[P, R_co]) -> _WithStream[P, R_co]:
    """Give a function its `stream`. It stays a function, so that tests can replace it by a mock that is awaited."""
    vars(function)["stream"] = stream
    return cast("_WithStream[P, R_co]", function)


@_with_stream
async def fetch(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    json: Any = None,
    content: bytes | str | None = None,
    data: FormData | None = None,
    files: Files | None = None,
    timeout: float | None = DEFAULT_TIMEOUT,  # noqa: ASYNC109 - callers that share a call have their own
    redirect: Redirect | None = None,
    retries: int = 0,
    cache: CacheOption | None = None,
    revalidate: RevalidateOption | None = None,
    tags: Iterable[str] = (),
    client: httpx2.AsyncClient | None = None,
    soft_timeout: float | None = None,
) -> httpx2.Response:
    """Fetch data from an upstream, or from the data cache if the rules allow it.

    The lifetime and tags of a cached answer also apply to the answer that is being rendered (R4.17, R6.3). An uncached
    call ends a static render (R3.9). Only status 200 is stored (R5.11). Concurrent calls with the same key share one
    request, and each keeps its own timeout.

    The body is decoded, and the headers match the decoded body: they have no `content-encoding`, `content-length` or
    `transfer-encoding`. Stored answers have no `set-cookie`, as a cookie belongs to one caller. A handler may return
    the answer as it is, to pass it on.

    Args:
        url: an absolute URL; or a path of this application, which answers it in process (D19).
        method: the HTTP method.
        headers: request headers.
        json: a body to send as JSON.
        content: a body to send unchanged.
        data: the fields of a form, by name, to send as a body; with `files`, as parts of it.
        files: files to upload, by the name of their field; such a call is never cached.
        timeout: seconds for the complete answer; None: no limit.
        redirect: "follow", "manual" (the redirect itself is the answer) or "error"; None: the `client` that is given
            decides by its `follow_redirects`; without one they are followed.
        retries: how often an idempotent call is sent again, within `timeout`, if its connection fails before the
            answer begins; up to 10.
        cache: "force-cache" or "no-store"; None: the rules of `fetch_cache` and of the compat version (R5.6).
        revalidate: seconds after which the data is stale; False: never; 0: uncached (R5.2); "upstream": what the
            answer's `Cache-Control`, `Expires` and `Age` say (RFC 9111).
        tags: names for invalidating the data, and every answer or result that uses it.
        client: the client to use instead of Millpond's own.
        soft_timeout: seconds that a render waits for fresh data where stale data may be used; the call goes on, and its
            answer is stored. math.inf: no limit but `timeout`; None: `cache.soft_timeout`.

    Raises:
        UsageError: an option is invalid, or contradicts the route's `fetch_cache` (R5.2, R5.6).
        httpx2.HTTPError: the upstream can't be reached, takes too long, sends more than `cache.max_fetch_bytes`, or
            redirects against `redirect="error"`.
    """
    scope = current()
    cached_data = cache_of(scope)
    soft_timeout = checked_soft_timeout(soft_timeout, "fetch")
    call = FetchCall(
        method=method.upper(),
        cache=checked_cache(cache),
        revalidate=checked_revalidate(revalidate),
        header_names=frozenset(name.lower() for name in headers or ()),
        uploads=files is not None,
    )
    max_bytes = MAX_FETCH_BYTES if cached_data is None else cached_data.max_fetch_bytes
    limits = Limits(checked_timeout(timeout), max_bytes, checked_retries(retries))
    body = Body(json, content, data, files).checked()
    own = OwnAnswer() if is_own(url) else None
    way = redirect_of(redirect, client if own is None else None)
    calls = None if cached_data is None else upstream_calls(cached_data)
    if own is None:
        sender = client or shared_client()
    else:
        sender = client_of_own(InProcessTransport(application_for(url, cached_data), own, max_bytes, calls))
    request = body.request(sender, call.method, url, headers, timeout)
    chain = () if own is None else chain_to(url, scope)
    exchange = Exchange(sender, request, limits, way, chain, own, calls if own is None else None)
    if scope is None or cached_data is None or scope.is_draft:
        return await exchange.answer()  # outside of a handler, or in draft mode: uncached (R5.4)
    plan = _planned(call, request.url, scope, cache_components=cached_data.cache_components)
    good_tags = usable_tags(tags, lambda: f"{at(scope.place())}fetch({redacted(request.url)})", log)
    scope.learn(Lifetime(plan.lowers), good_tags)
    if own is not None:
        own.wants_fresh = plan.cached or scope.wants_fresh_data
    if not plan.cached:
        return await exchange.heard_by(scope)
    ones_own = client is not None and own is None
    soft = cached_data.soft_timeout if soft_timeout is None else soft_timeout
    return await CachedFetch(exchange, call, plan, good_tags, scope, cached_data, ones_own, soft).answer()


def _planned(call: FetchCall, url: httpx2.URL, scope: Scope, *, cache_components: bool) -> FetchPlan:
    around = FetchSurroundings(
        compat=scope.compat,
        segment=scope.segment,
        route_revalidate=scope.route_revalidate,
        prerendering=scope.keeps_bare_fetches,
        cache_components=cache_components,
    )
    try:
        plan = plan_fetch(call, around)
    except FetchConflict as conflict:
        raise UsageError(f"{at(scope.place())}{conflict} ({redacted(url)})") from None
    if plan.warning is not None:
        log.warning("%sfetch(%s): %s", at(scope.place()), redacted(url), plan.warning)
    if plan.ends_static:
        scope.record_uncached(f"fetch() uncached ({plan.why})")
    return plan
