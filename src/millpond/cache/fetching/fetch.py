"""fetch(): upstream data, from the data cache where the rules allow it (5.1)."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any, Literal

import httpx2

from millpond.cache.active_application import cache_of
from millpond.cache.data import MAX_FETCH_BYTES, DataRead, Filled
from millpond.cache.fetch_chain import chain_to, waited_for_by
from millpond.cache.fetching.own_routes import client_of_own, is_own
from millpond.cache.fetching.upstream import Limits, credentials, hooked, send, shared_client, whole_answer
from millpond.cache.fetching.upstream import close_client as close_client
from millpond.cache.given_tags import usable_tags
from millpond.errors import UsageError, at
from millpond.policy.fetch_plan import CacheOption, FetchCall, FetchConflict, FetchPlan, FetchSurroundings, plan_fetch
from millpond.policy.freshness import Reader
from millpond.policy.key import data_key
from millpond.policy.lifetime import Lifetime
from millpond.render.scopes.scope import current
from millpond.routes.results.passed_on import redacted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from millpond.policy.entry import Entry
    from millpond.render.scopes.scope import Scope

log = logging.getLogger("millpond.fetch")

DEFAULT_TIMEOUT = 30.0
"""Seconds for one upstream answer."""

_STORED_STATUS = 200
_NOT_IN_KEY = frozenset({"traceparent", "tracestate"})  # they differ on each request, and change no answer
_OF_THE_CLIENT = frozenset({"accept-encoding", "connection", "content-length", "host", "user-agent"})
_OF_ONE_CALLER = frozenset({b"set-cookie", b"set-cookie2"})  # what is stored answers others, too


async def fetch(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    json: Any = None,
    content: bytes | str | None = None,
    timeout: float | None = DEFAULT_TIMEOUT,  # noqa: ASYNC109 - it is the client's, for one answer
    cache: CacheOption | None = None,
    revalidate: float | Literal[False] | None = None,
    tags: Iterable[str] = (),
    client: httpx2.AsyncClient | None = None,
) -> httpx2.Response:
    """Ask an upstream, or the data cache where the rules allow it.

    A cached answer's lifetime and tags become those of the answer that is being made (R4.17, R6.3); an uncached
    call ends a static render (R3.9). Only status 200 is stored (R5.11). Several calls for one key are one.

    The body is decoded, and the headers are those of the decoded body: without `content-encoding`, `content-length` and
    `transfer-encoding`. What is stored has no `set-cookie`: a cookie is one caller's. A handler may return the answer
    as it is, to pass it on.

    Args:
        url: an absolute URL; or a path of this application, which is answered in process (D19).
        method: the HTTP method.
        headers: request headers.
        json: a body to send as JSON.
        content: a body to send as it is.
        timeout: seconds for the whole answer; None: no limit.
        cache: "force-cache" or "no-store"; None: the rules of `fetch_cache` and of the compat version (R5.6).
        revalidate: seconds after which the data is stale; False: never; 0: uncached (R5.2).
        tags: names under which the data, and what uses it, can be invalidated.
        client: in place of Millpond's own.

    Raises:
        UsageError: an option has no meaning, or contradicts the route's `fetch_cache` (R5.2, R5.6).
        httpx2.HTTPError: the upstream can't be reached, takes too long, or answers more than `cache.max_fetch_bytes`.
    """
    scope = current()
    own = is_own(url)
    call = FetchCall(
        method=method.upper(),
        cache=_checked_cache(cache),
        revalidate=_checked_revalidate(revalidate),
        header_names=frozenset(name.lower() for name in headers or ()),
    )
    store = cache_of(scope)
    sender = client_of_own(url, store) if own else client or shared_client()
    request = sender.build_request(
        call.method, url, headers=headers, json=json, content=content, timeout=httpx2.Timeout(timeout)
    )
    chain = chain_to(url, scope) if own else ()
    limits = Limits(timeout, MAX_FETCH_BYTES if store is None else store.max_fetch_bytes)

    async def answer() -> httpx2.Response:
        with waited_for_by(chain):
            return await send(sender, request, limits)

    if scope is None or store is None or scope.is_draft:
        return await answer()  # outside of a handler, or for an editor: uncached (R5.4)
    plan = _planned(call, request.url, scope, cache_components=store.cache_components)
    good_tags = usable_tags(tags, lambda: f"{at(scope.place())}fetch({redacted(request.url)})", log)
    scope.learn(Lifetime(plan.lowers), good_tags)
    if not plan.cached:
        return await answer()
    key = _key(await hooked(sender, request), call.header_names, await _credentials(sender, request))
    for name in _NOT_IN_KEY:
        request.headers.pop(name, None)  # the answer is everybody's: an upstream mustn't put one caller's trace in it

    async def fill(_: object) -> Filled:
        return _filled(await answer(), plan, good_tags)

    name = f"{request.method} {redacted(request.url)}"
    read = DataRead(store, key, name, _reader(plan, good_tags, scope), fill)
    return _response(await store.obtain(read), request)


def _planned(call: FetchCall, url: httpx2.URL, scope: Scope, *, cache_components: bool) -> FetchPlan:
    around = FetchSurroundings(
        compat=scope.compat,
        segment=scope.segment,
        route_revalidate=scope.route_revalidate,
        prerendering=scope.is_prerender and scope.for_build,
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
    """Method, URL, headers in any order and case, and body (R5.18); credentials of URL and client count as a header."""
    usual = {
        **shared_client().headers,
        "host": request.url.netloc.decode("ascii"),
        "content-length": request.headers.get("content-length"),
    }
    # A client may have a Host or a User-Agent of its own, and an upstream another answer for it.
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
            f"fetch({redacted(request.url)}, client=…): what the client's auth adds can't be told beforehand, so "
            'that answers for different users would be one; give the header in headers, or cache="no-store".'
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
