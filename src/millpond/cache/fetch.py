"""fetch(): upstream data, from the data cache where the rules allow it (5.1)."""

from __future__ import annotations

import asyncio
import logging
import weakref
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import httpx2

from millpond.cache.active import cache_of
from millpond.cache.data import DataCache, Filled, Read
from millpond.errors import UsageError
from millpond.policy.fetching import CacheOption, FetchCall, FetchConflict, FetchPlan, FetchSurroundings, plan_fetch
from millpond.policy.key import data_key
from millpond.policy.lifetime import Lifetime
from millpond.policy.tags import checked_tags
from millpond.render.run import SERVER
from millpond.render.scope import Phase, Purpose, Scope, current

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.types import ASGIApp

    from millpond.policy.entry import Entry

log = logging.getLogger("millpond.fetch")

DEFAULT_TIMEOUT = 30.0
"""Seconds for one upstream answer."""

_LONGEST_WAY = 16
"""How many of the application's own answers may be made of one another."""

_ORIGIN = f"http://{SERVER[0]}:{SERVER[1]}"
_STORED_STATUS = 200
_NOT_IN_KEY = frozenset({"traceparent", "tracestate"})  # they differ on each request, and change no answer
_OF_THE_CLIENT = frozenset({"accept-encoding", "connection", "content-length", "host", "user-agent"})
_DECODED = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})  # describe bytes as they came

_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, httpx2.AsyncClient] = weakref.WeakKeyDictionary()


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

    Args:
        url: an absolute URL; or a path of this application, which is answered in process (DESIGN D19).
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
        httpx2.HTTPError: the upstream can't be reached, or takes too long.
    """
    scope = current()
    own = url.startswith("/") and not url.startswith("//")
    call = FetchCall(
        method=method.upper(),
        cache=_checked_cache(cache),
        revalidate=_checked_revalidate(revalidate),
        header_names=frozenset(name.lower() for name in headers or ()),
    )
    store = cache_of(scope)
    sender = _in_process(_application(url, store)) if own else client or _shared_client()
    request = sender.build_request(
        call.method, url, headers=headers, json=json, content=content, timeout=_limit(timeout)
    )
    way = _way_to(url, scope) if own else ()
    if scope is None or store is None or scope.draft.enabled:
        return await _send(sender, request, way)  # outside of a handler, or for an editor: uncached (R5.4)
    plan = _planned(call, url, scope)
    good_tags, complaints = checked_tags(tags)
    for complaint in complaints:
        log.warning("%sfetch(%s): %s", _where(scope), url, complaint)
    _contribute(scope, plan, good_tags)
    if not plan.cached:
        return await _send(sender, request, way)

    async def fill() -> Filled:
        return _filled(await _send(sender, request, way), plan, tuple(good_tags))

    entry = await store.obtain(_read(request, headers, plan, tuple(good_tags), scope), fill)
    return _response(entry, request)


def _planned(call: FetchCall, url: str, scope: Scope) -> FetchPlan:
    around = FetchSurroundings(
        compat=scope.compat,
        segment=scope.segment,
        route_revalidate=scope.route_revalidate,
        prerendering=scope.purpose is Purpose.BUILD and scope.phase is Phase.HANDLER,
    )
    try:
        plan = plan_fetch(call, around)
    except FetchConflict as conflict:
        raise UsageError(f"{_where(scope)}{conflict} ({url})") from None
    if plan.warning is not None:
        log.warning("%sfetch(%s): %s", _where(scope), url, plan.warning)
    if plan.ends_static and scope.watched:
        scope.touch(f"fetch() uncached ({plan.why})")
    return plan


def _contribute(scope: Scope, plan: FetchPlan, tags: list[str]) -> None:
    """What the call brings for the answer that is being made."""
    if scope.phase is Phase.HANDLER:
        if plan.lowers is not None:
            scope.lifetime = scope.lifetime.lowered(Lifetime(plan.lowers))
        scope.tags.update(dict.fromkeys(tags))


def _read(
    request: httpx2.Request, given: Mapping[str, str] | None, plan: FetchPlan, tags: tuple[str, ...], scope: Scope
) -> Read:
    return Read(
        key=_key(request, frozenset(name.lower() for name in given or ())),
        name=f"{request.method} {request.url}",
        revalidate=plan.revalidate,
        tags=(*tags, *scope.own_tags),
        own_invalidations=scope.own_invalidations,
        waits=scope.watched or scope.purpose is Purpose.FILL,
    )


def _key(request: httpx2.Request, given: frozenset[str]) -> str:
    """Method, URL, headers in any order and case, and body (R5.18); credentials of the URL count as a header."""
    left_out = _NOT_IN_KEY | (_OF_THE_CLIENT - given)
    headers = sorted(
        name.lower() + b"\0" + value
        for name, value in request.headers.raw
        if name.lower().decode("latin-1") not in left_out
    )
    url = request.url.copy_with(fragment=None)
    return data_key("fetch", request.method.encode(), str(url).encode(), request.content, *headers)


def _filled(response: httpx2.Response, plan: FetchPlan, tags: tuple[str, ...]) -> Filled:
    return Filled(
        status=response.status_code,
        headers=tuple((name.lower(), value) for name, value in response.headers.raw if name.lower() not in _DECODED),
        body=response.content,
        lifetime=Lifetime(plan.revalidate),
        tags=tags,
        storable=response.status_code == _STORED_STATUS,
    )


def _response(entry: Entry, request: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(entry.status, headers=list(entry.headers), content=entry.body, request=request)


async def _send(client: httpx2.AsyncClient, request: httpx2.Request, way: _Way) -> httpx2.Response:
    token = _way.set(way)
    try:
        response = await client.send(request, follow_redirects=True)
        await response.aread()
    finally:
        _way.reset(token)
    return response


def _limit(timeout: float | None) -> httpx2.Timeout:
    return httpx2.Timeout(timeout)


def _where(scope: Scope) -> str:
    place = scope.place()
    return f"{place}: " if place is not None else ""


def _checked_cache(cache: CacheOption | None) -> CacheOption | None:
    if cache not in (None, "force-cache", "no-store"):
        raise UsageError(f'fetch(cache={cache!r}): the options are "force-cache" and "no-store".')
    return cache


def _checked_revalidate(revalidate: float | Literal[False] | None) -> float | Literal[False] | None:
    number = isinstance(revalidate, int | float) and revalidate is not True
    if revalidate is None or revalidate is False or (number and 0 <= revalidate < float("inf")):
        return revalidate
    raise UsageError(f"fetch(revalidate={revalidate!r}): give seconds, 0 or more, or False for no limit.")


def _application(url: str, store: DataCache | None) -> ASGIApp:
    if store is None or store.application is None:
        raise UsageError(f'fetch("{url}"): a path needs the application that has it; outside of it give a whole URL.')
    return store.application


class _Step(NamedTuple):
    """An answer of this application that is being made, and needs another."""

    path: str
    shared: bool
    """Others wait for it, too."""


_Way = tuple[_Step, ...]
_way: ContextVar[_Way] = ContextVar("millpond_fetch_way", default=())


def _way_to(url: str, scope: Scope | None) -> _Way:
    """The answers that wait for this one.

    Raises:
        UsageError: one of them is what is asked for, and would wait for itself; or there is no end of them.
    """
    way = _way.get()
    if scope is not None:
        way = (*way, _Step(scope.path, scope.watched))
    path = url.partition("?")[0].rstrip("/") or "/"
    if len(way) > _LONGEST_WAY or _Step(path, shared=True) in way:
        circle = " → ".join([*(step.path for step in way[-4:]), path])
        raise UsageError(f'fetch("{url}") goes in a circle: {circle}; read the data directly.')
    return way


def _in_process(application: ASGIApp) -> httpx2.AsyncClient:
    """A client without connections: nothing of it needs to be closed."""
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(application), base_url=_ORIGIN)


def _shared_client() -> httpx2.AsyncClient:
    """One client for each event loop, made where it is first needed: connections belong to a loop."""
    loop = asyncio.get_running_loop()
    client = _clients.get(loop)
    if client is None:
        client = _clients[loop] = httpx2.AsyncClient()
    return client


async def close_client() -> None:
    """Close this loop's client, if there is one."""
    client = _clients.pop(asyncio.get_running_loop(), None)
    if client is not None:
        await client.aclose()
