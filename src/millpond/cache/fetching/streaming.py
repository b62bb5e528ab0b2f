"""fetch.stream(): an upstream's answer piece by piece, as it comes."""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from time import perf_counter
from typing import TYPE_CHECKING, Any

import httpx2

from millpond.cache.active_application import cache_of
from millpond.cache.data import MAX_FETCH_BYTES
from millpond.cache.fetch_chain import chain_to, waited_for_by
from millpond.cache.fetching.content.decoding import decoded
from millpond.cache.fetching.exchange import learn
from millpond.cache.fetching.outgoing import Body, checked_retries, checked_timeout, redirect_of
from millpond.cache.fetching.own_routes import application_for, client_of_own, is_own
from millpond.cache.fetching.own_stream import StreamingTransport
from millpond.cache.fetching.upstream import Limits, opened, shared_client
from millpond.cache.fetching.upstream_calls import upstream_calls
from millpond.cache.told import OwnAnswer
from millpond.errors import UsageError
from millpond.messages import at
from millpond.policy.segment import FetchCache
from millpond.render.scopes.current_scope import current
from millpond.routes.results.decoded import as_decoded
from millpond.routes.results.passed_on import redacted

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from millpond.cache.fetching.outgoing import Files, FormData
    from millpond.cache.fetching.upstream import Redirect
    from millpond.render.scopes.scope import Scope

DEFAULT_SILENCE = 30.0
"""Seconds until an answer begins, and the longest time in which nothing comes."""


@asynccontextmanager
async def stream(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    json: Any = None,
    content: bytes | str | None = None,
    data: FormData | None = None,
    files: Files | None = None,
    timeout: float | None = DEFAULT_SILENCE,  # noqa: ASYNC109 - for each wait, not for the block
    redirect: Redirect | None = None,
    retries: int = 0,
    client: httpx2.AsyncClient | None = None,
) -> AsyncIterator[httpx2.Response]:
    """Open an upstream's answer and read it piece by piece: for proxies, server-sent events and large files.

    It is an async context manager. The answer has its status and headers, and its body has not been read:
    `aiter_bytes()` gives each piece as it comes, decoded, and `aiter_lines()` each line. The size isn't limited. The
    connection is closed at the end of the block, also if the task is cancelled because a client has gone.

    The call is never cached, and ends a static render (R3.9).

    Args:
        url: an absolute URL; or a path of this application, which answers it in process (D19).
        method: the HTTP method.
        headers: request headers.
        json: a body to send as JSON.
        content: a body to send unchanged.
        data: the fields of a form, by name.
        files: files to upload, by the name of their field.
        timeout: seconds until the answer begins, and the longest time in which nothing comes; None: no limit.
        redirect: as in `fetch`.
        retries: as in `fetch`; nothing is sent again once the answer has begun.
        client: the client to use instead of Millpond's own.

    Raises:
        UsageError: an option is invalid, or the route's `fetch_cache` is "only-cache".
        httpx2.HTTPError: the upstream can't be reached, is silent too long, or breaks off.
    """
    scope = current()
    cache = cache_of(scope)
    own = OwnAnswer(wants_fresh=scope is not None and scope.wants_fresh_data) if is_own(url) else None
    max_bytes = MAX_FETCH_BYTES if cache is None else cache.max_fetch_bytes
    limits = Limits(checked_timeout(timeout), max_bytes, checked_retries(retries))
    way = redirect_of(redirect, client if own is None else None)
    body = Body(json, content, data, files).checked()
    calls = None if cache is None else upstream_calls(cache)
    if own is None:
        sender = client or shared_client()
    else:
        sender = client_of_own(StreamingTransport(application_for(url, cache), own, calls))
    request = body.request(sender, method, url, headers, timeout)
    chain = () if own is None else chain_to(url, scope)
    if scope is not None:
        _note(scope, request.url)
    began = perf_counter()
    try:
        with waited_for_by(chain):
            answer = await opened(sender, request, limits, way, calls if own is None else None)
        async with aclosing(answer):
            streamed = _streamed(answer, timeout, timedelta(seconds=perf_counter() - began))
            async with aclosing(streamed):
                yield streamed
    finally:
        if own is not None and scope is not None:  # a cached function's result is made of it
            learn(scope, own.told())


def _note(scope: Scope, url: httpx2.URL) -> None:
    """Raises UsageError: the route refuses uncached calls (R5.6); DynamicAccess: in a shared render."""
    if scope.segment.fetch_cache is FetchCache.ONLY_CACHE:
        raise UsageError(
            f'{at(scope.place())}fetch.stream() in a route with fetch_cache = "only-cache" ({redacted(url)}): a '
            "stream is never cached; remove one of them."
        )
    scope.record_uncached("fetch.stream()")


def _streamed(answer: httpx2.Response, seconds: float | None, elapsed: timedelta) -> httpx2.Response:
    headers = as_decoded(answer.headers.raw, head=answer.request.method == "HEAD")
    extensions = {name: value for name, value in answer.extensions.items() if name != "network_stream"}
    body = _Body(answer, seconds)
    streamed = httpx2.Response(
        answer.status_code, headers=headers, stream=body, request=answer.request, extensions=extensions
    )
    streamed.default_encoding = answer.default_encoding
    streamed.history, streamed.next_request, streamed.elapsed = answer.history, answer.next_request, elapsed
    return streamed


class _Body(httpx2.AsyncByteStream):
    """The decoded body, with a limit for each time that nothing comes."""

    def __init__(self, answer: httpx2.Response, seconds: float | None) -> None:
        self._answer, self._seconds = answer, seconds
        self._pieces: AsyncGenerator[bytes] = decoded(answer, sys.maxsize)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            try:
                async with asyncio.timeout(self._seconds) as limit:
                    piece = await anext(self._pieces)
            except StopAsyncIteration:
                return
            except TimeoutError:
                if not limit.expired():
                    raise
                message = f"nothing came for {self._seconds or 0:g} s"
                raise httpx2.ReadTimeout(message, request=self._answer.request) from None
            yield piece

    async def aclose(self) -> None:
        try:
            await self._pieces.aclose()
        finally:
            await self._answer.aclose()
