"""fetch(): upstream data, from the data cache if the rules allow it (5.1)."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import httpx2

from millpond.cache.active_application import cache_of
from millpond.cache.data import MAX_FETCH_BYTES, DataRead, Filled, error_of
from millpond.cache.fetch_chain import FetchChain, chain_to, waited_for_by
from millpond.cache.fetching.own_routes import client_of_own, is_own
from millpond.cache.fetching.upstream import Limits, credentials, hooked, send, shared_client, whole_answer
from millpond.cache.given_tags import usable_tags
from millpond.cache.told import FillFailure, OwnAnswer, Told
from millpond.errors import UsageError
from millpond.messages import at
from millpond.policy.fetch_plan import CacheOption, FetchCall, FetchConflict, FetchPlan, FetchSurroundings, plan_fetch
from millpond.policy.freshness import Reader
from millpond.policy.key import data_key
from millpond.policy.lifetime import Lifetime
from millpond.render.scopes.scope import current
from millpond.routes.results.passed_on import redacted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from millpond.cache.data import DataCache
    from millpond.policy.entry import Entry
    from millpond.render.scopes.scope import Scope

log = logging.getLogger("millpond.fetch")

DEFAULT_TIMEOUT = 30.0
"""Seconds for one complete answer of an upstream."""

_STORED_STATUS = 200
_NOT_IN_KEY = frozenset({"traceparent", "tracestate"})  # they differ for each request, but don't affect the answer
_OF_THE_CLIENT = frozenset({"accept-encoding", "connection", "content-length", "host", "user-agent"})
_OF_ONE_CALLER = frozenset({b"set-cookie", b"set-cookie2"})  # a stored answer serves other callers, too


async def fetch(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    json: Any = None,
    content: bytes | str | None = None,
    timeout: float | None = DEFAULT_TIMEOUT,  # noqa: ASYNC109 - it is passed to the client, for one answer
    cache: CacheOption | None = None,
    revalidate: float | Literal[False] | None = None,
    tags: Iterable[str] = (),
    client: httpx2.AsyncClient | None = None,
) -> httpx2.Response:
    """Fetch data from an upstream, or from the data cache if the rules allow it.

    The lifetime and tags of a cached answer also apply to the answer that is being rendered (R4.17, R6.3). An uncached
    call ends a static render (R3.9). Only status 200 is stored (R5.11). Concurrent calls with the same key share one
    request.

    The body is decoded, and the headers match the decoded body: they have no `content-encoding`, `content-length` or
    `transfer-encoding`. Stored answers have no `set-cookie`, as a cookie belongs to one caller. A handler may return
    the answer as it is, to pass it on.

    Args:
        url: an absolute URL; or a path of this application, which answers it in process (D19).
        method: the HTTP method.
        headers: request headers.
        json: a body to send as JSON.
        content: a body to send unchanged.
        timeout: seconds for the complete answer; None: no limit.
        cache: "force-cache" or "no-store"; None: the rules of `fetch_cache` and of the compat version (R5.6).
        revalidate: seconds after which the data is stale; False: never; 0: uncached (R5.2).
        tags: names for invalidating the data, and every answer or result that uses it.
        client: the client to use instead of Millpond's own.

    Raises:
        UsageError: an option is invalid, or contradicts the route's `fetch_cache` (R5.2, R5.6).
        httpx2.HTTPError: the upstream can't be reached, takes too long, or sends more than `cache.max_fetch_bytes`.
    """
    scope = current()
    data = cache_of(scope)
    call = FetchCall(
        method=method.upper(),
        cache=_checked_cache(cache),
        revalidate=_checked_revalidate(revalidate),
        header_names=frozenset(name.lower() for name in headers or ()),
    )
    own = OwnAnswer() if is_own(url) else None
    sender = client or shared_client() if own is None else client_of_own(url, data, own)
    request = sender.build_request(
        call.method, url, headers=headers, json=json, content=content, timeout=httpx2.Timeout(timeout)
    )
    exchange = _Exchange(
        sender,
        request,
        Limits(timeout, MAX_FETCH_BYTES if data is None else data.max_fetch_bytes),
        () if own is None else chain_to(url, scope),
        own,
    )
    if scope is None or data is None or scope.is_draft:
        return await exchange.answer()  # outside of a handler, or in draft mode: uncached (R5.4)
    plan = _planned(call, request.url, scope, cache_components=data.cache_components)
    good_tags = usable_tags(tags, lambda: f"{at(scope.place())}fetch({redacted(request.url)})", log)
    scope.learn(Lifetime(plan.lowers), good_tags)
    if own is not None:
        own.wants_fresh = plan.cached or scope.wants_fresh_data
    if not plan.cached:
        return await exchange.heard_by(scope)
    return await _from_the_cache(exchange, call, plan, good_tags, scope, data)


class _Exchange(NamedTuple):
    """A request that is ready to be sent, to an upstream or to this application itself."""

    sender: httpx2.AsyncClient
    request: httpx2.Request
    limits: Limits
    chain: FetchChain
    """The answers of this application that will wait for this one."""
    own: OwnAnswer | None
    """Hears of the answer, if this application gives it."""

    async def answer(self) -> httpx2.Response:
        with waited_for_by(self.chain):
            return await send(self.sender, self.request, self.limits)

    async def heard_by(self, scope: Scope) -> httpx2.Response:
        """The answer; what it tells counts for `scope`, also if it fails."""
        try:
            return await self.answer()
        finally:
            if self.own is not None:
                _learn(scope, self.own.told())


async def _from_the_cache(
    exchange: _Exchange, call: FetchCall, plan: FetchPlan, tags: tuple[str, ...], scope: Scope, data: DataCache
) -> httpx2.Response:
    request, own = exchange.request, exchange.own
    key = _key(await hooked(exchange.sender, request), call.header_names, await _credentials(exchange.sender, request))
    for name in _NOT_IN_KEY:
        request.headers.pop(name, None)  # an upstream must not put one caller's trace into a shared answer

    async def fill(_: object) -> Filled:
        if own is None:
            return _filled(await exchange.answer(), plan, tags)
        with data.telling(key, own.told):
            return _of_own_data(_filled(await exchange.answer(), plan, tags), own.told())

    read = DataRead(data, key, f"{request.method} {redacted(request.url)}", _reader(plan, tags, scope), fill)
    return _response(await (data.obtain(read) if own is None else _obtained_of_own(data, read, scope)), request)


async def _obtained_of_own(data: DataCache, read: DataRead, scope: Scope) -> Entry:
    """An answer of this application. What it is made of counts for `scope`, too, whether there is an answer or not."""
    try:
        entry = await data.obtain(read)
    except FillFailure as failure:
        failed = failure
    except asyncio.CancelledError:
        told = data.told_so_far(read.key)
        if told is not None:
            _learn(scope, told)
        raise
    else:
        _learn(scope, Told(Lifetime(entry.revalidate, entry.expire), entry.tags))
        return entry
    _learn(scope, failed.told)
    raise error_of(failed)  # outside of `except`: the error keeps its own context


def _learn(scope: Scope, told: Told) -> None:
    scope.learn(told.lifetime, told.tags)


def _of_own_data(filled: Filled, told: Told) -> Filled:
    tags = (*filled.tags, *(tag for tag in told.tags if tag not in filled.tags))
    return filled._replace(lifetime=filled.lifetime.lowered(told.lifetime), tags=tags)


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


def _reader(plan: FetchPlan, tags: tuple[str, ...], scope: Scope) -> Reader:
    own = dict(scope.own_invalidations)
    return Reader(plan.revalidate, (*tags, *scope.own_tags), own, scope.wants_fresh_data)


def _key(request: httpx2.Request, given: frozenset[str], credentials: bytes) -> str:
    """Method, URL, headers in any order and case, and body (R5.18), plus the credentials of the URL or client."""
    usual = {
        **shared_client().headers,
        "host": request.url.netloc.decode("ascii"),
        "content-length": request.headers.get("content-length"),
    }
    # A client may set its own Host or User-Agent, for which the upstream answers differently.
    left_out = _NOT_IN_KEY | {name for name in _OF_THE_CLIENT - given if request.headers.get(name) == usual.get(name)}
    headers = sorted(
        name.lower() + b"\0" + value
        for name, value in request.headers.raw
        if name.lower().decode("latin-1") not in left_out
    )
    url = str(request.url.copy_with(fragment=None))
    return data_key("fetch", request.method.encode(), url.encode(), request.content, credentials, *headers)


async def _credentials(client: httpx2.AsyncClient, request: httpx2.Request) -> bytes:
    added = await credentials(client, request)
    if added is None:
        raise UsageError(
            f"fetch({redacted(request.url)}, client=…): what the client's auth adds isn't known beforehand, so "
            'answers for different users would be mixed up; give the header in headers, or cache="no-store".'
        )
    return added


def _filled(response: httpx2.Response, plan: FetchPlan, tags: tuple[str, ...]) -> Filled:
    return Filled(
        status=response.status_code,
        headers=tuple((name, value) for name, value in response.headers.raw if name not in _OF_ONE_CALLER),
        body=response.content,
        lifetime=Lifetime(plan.revalidate),
        tags=tags,
        storable=response.status_code == _STORED_STATUS,
    )


def _response(entry: Entry, request: httpx2.Request) -> httpx2.Response:
    return whole_answer(entry.status, entry.headers, entry.body, request)


def _checked_cache(cache: CacheOption | None) -> CacheOption | None:
    if cache not in (None, "force-cache", "no-store"):
        raise UsageError(f'fetch(cache={cache!r}): the options are "force-cache" and "no-store".')
    return cache


def _checked_revalidate(revalidate: float | Literal[False] | None) -> float | Literal[False] | None:
    number = isinstance(revalidate, int | float) and revalidate is not True
    if revalidate is None or revalidate is False or (number and 0 <= revalidate < math.inf):
        return revalidate
    if revalidate == math.inf:  # as in cache_life (R5.1)
        return False
    raise UsageError(f"fetch(revalidate={revalidate!r}): give seconds, 0 or more, or False for no limit.")
