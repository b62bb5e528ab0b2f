"""Send the requests of fetch(): clients, limits of time and size, and the credentials and headers that clients add."""

from __future__ import annotations

import asyncio
import functools
import random
import time
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import httpx2

from millpond.cache.fetching.content.decoding import decoded
from millpond.cache.fetching.loop_clients import client_of_loop
from millpond.routes.results.decoded import as_decoded
from millpond.routes.results.passed_on import redacted

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Sequence

    from millpond.cache.fetching.upstream_calls import UpstreamCalls

Redirect: TypeAlias = Literal["follow", "manual", "error"]
"""What becomes of a redirect, as in the fetch standard: another request, the caller's answer, or an error."""

_NO_AUTH = httpx2.Auth()
"""Replaces the client's auth, which `send` applies itself."""

_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "QUERY"})
"""Methods that may be sent again when it isn't known whether they have arrived (RFC 9110 §9.2.2, RFC 10008 §2)."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
"""Seconds before a request is sent again; each pause is up to twice as long as the one before."""


class Limits(NamedTuple):
    """The limits for one answer of an upstream."""

    seconds: float | None
    """For the complete answer, including redirects; None: no limit."""
    max_bytes: int
    """For its body, with those of the redirects to it, as received and as decoded (`cache.max_fetch_bytes`)."""
    retries: int = 0
    """How often an idempotent request is sent again whose connection fails before there is an answer."""


def no_cookies() -> CookieJar:
    """A cookie jar that keeps nothing: a cookie for one visitor must not be sent with another visitor's request."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


def shared_client() -> httpx2.AsyncClient:
    """The client of this event loop, created on first use. Each loop has its own, as connections belong to a loop."""
    return client_of_loop(lambda: httpx2.AsyncClient(cookies=no_cookies(), verify=_authorities()))


@functools.cache
def _authorities() -> ssl.SSLContext:
    """The certificate authorities that the machine trusts: 20 ms to read, and the same for every event loop."""
    return httpx2.create_ssl_context()


async def send(
    client: httpx2.AsyncClient,
    request: httpx2.Request,
    limits: Limits,
    redirect: Redirect = "follow",
    calls: UpstreamCalls | None = None,
) -> httpx2.Response:
    """The complete answer. Its body is decoded, and its headers match the decoded body.

    Args:
        client: sends.
        request: what is sent first.
        limits: of time and size.
        redirect: what becomes of redirects.
        calls: counts each request that is sent; None: the application gives the answer itself, or there is none.

    Raises:
        httpx2.ReadTimeout: it took too long. The client's own timeouts only limit single reads, so an upstream that
            sends a byte now and then, or an answer made in process, would never reach them.
        httpx2.ReadError: it, or the answer of a redirect or of an auth challenge, exceeds `limits`.
        httpx2.HTTPError: the upstream can't be reached, or its body can't be decoded; or it redirects, which is an
            error by `redirect`.
    """
    async with _in_time(request, limits.seconds):
        return await _Sending(client, limits, redirect, calls).whole(request)


async def opened(
    client: httpx2.AsyncClient,
    request: httpx2.Request,
    limits: Limits,
    redirect: Redirect = "follow",
    calls: UpstreamCalls | None = None,
) -> httpx2.Response:
    """As `send`, but the body of the last answer hasn't been read, nor decoded: close it."""
    async with _in_time(request, limits.seconds):
        return await _Sending(client, limits, redirect, calls).opened(request)


@asynccontextmanager
async def _in_time(request: httpx2.Request, seconds: float | None) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise late(request, seconds) from None


def late(request: httpx2.Request, seconds: float | None) -> httpx2.ReadTimeout:
    """The error for an answer that took longer than `seconds`."""
    return httpx2.ReadTimeout(f"no complete answer within {seconds or 0:g} s", request=request)


class _Sending:
    """One call of an upstream: its redirects, its auth challenges and its retries.

    httpx2 would read the bodies of redirects and auth challenges completely, whatever their size. So the client sends
    single requests only; redirects are followed, and its `auth` is applied, here, within the limits.
    """

    def __init__(
        self, client: httpx2.AsyncClient, limits: Limits, redirect: Redirect, calls: UpstreamCalls | None
    ) -> None:
        self._client, self._max_bytes, self._redirect, self._calls = client, limits.max_bytes, redirect, calls
        self._retries, self._pause = limits.retries, _FIRST_PAUSE
        self._began = time.perf_counter()
        self._whole: httpx2.Response | None = None
        """What has been read last."""

    async def whole(self, request: httpx2.Request) -> httpx2.Response:
        return await self._read(await self.opened(request))

    async def opened(self, request: httpx2.Request) -> httpx2.Response:
        """The answer before its body; what came before it is its `history`."""
        auth = _auth_of(self._client, request)
        former: list[httpx2.Response] = []
        flow = auth.async_auth_flow(request)
        answer: httpx2.Response | None = None
        try:
            request = await anext(flow)
            while True:
                answer = await self._followed(request, former)
                if auth.requires_response_body:
                    answer = await self._read(answer)
                try:
                    request = await flow.asend(answer)
                except StopAsyncIteration:
                    done, answer = answer, None
                    return done
                former = [*former, await self._read(answer)]
        finally:
            if answer is not None:
                await answer.aclose()
            await flow.aclose()

    async def _followed(self, request: httpx2.Request, former: list[httpx2.Response]) -> httpx2.Response:
        while True:
            if len(former) > self._client.max_redirects:
                raise httpx2.TooManyRedirects("Exceeded maximum allowed redirects.", request=request)
            answer = await self._single(request)
            answer.history = list(former)
            following = answer.next_request
            if not answer.has_redirect_location or self._redirect == "manual":
                return answer
            if self._redirect == "error" or following is None or following.url.scheme not in ("http", "https"):
                await answer.aclose()
                raise self._refused(answer)
            former = [*former, await self._read(answer)]
            self._carry(request, following, answer)
            request = following

    def _carry(self, request: httpx2.Request, following: httpx2.Request, redirect: httpx2.Response) -> None:
        """Let a redirected request have the credentials that the fetch standard gives it, beyond what httpx2 sees to.

        Those of a proxy don't go to another origin. A cookie that the call itself gives stays within its origin; httpx2
        only sends those of the client's jar, which have paths of their own.
        """
        if following.url.origin != request.url.origin:
            following.headers.pop("proxy-authorization", None)
        elif "cookie" in request.headers and "set-cookie" not in redirect.headers and not self._client.cookies:
            following.headers["cookie"] = request.headers["cookie"]

    def _refused(self, answer: httpx2.Response) -> httpx2.RequestError:
        if self._redirect == "follow":
            return httpx2.RemoteProtocolError("Invalid URL in location header.", request=answer.request)
        name = f"{answer.request.method} {redacted(answer.request.url)}"
        message = f'{name} answered {answer.status_code}, a redirect, which is an error by redirect="error"'
        return httpx2.RequestError(message, request=answer.request)

    async def _single(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request, and again if its connection fails and it may be repeated."""
        while True:
            self._began = time.perf_counter()
            try:
                return await self._counted(request)
            except (httpx2.NetworkError, httpx2.RemoteProtocolError):
                if self._retries <= 0 or request.method not in _IDEMPOTENT or not _is_held(request):
                    raise
            self._retries -= 1
            await asyncio.sleep(random.uniform(self._pause / 2, self._pause))  # noqa: S311 - only spreads callers
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)

    async def _counted(self, request: httpx2.Request) -> httpx2.Response:
        if self._calls is None:
            return await self._client.send(request, stream=True, auth=_NO_AUTH, follow_redirects=False)
        with self._calls.call(request) as called:
            answer = await self._client.send(request, stream=True, auth=_NO_AUTH, follow_redirects=False)
            called.status = answer.status_code
            return answer

    async def _read(self, answer: httpx2.Response) -> httpx2.Response:
        """The answer with its whole body."""
        if answer is self._whole:  # an `auth` wanted to see it
            return answer
        before = sum(len(former.content) for former in answer.history)
        try:
            async with aclosing(decoded(answer, self._max_bytes, before)) as pieces:
                body = b"".join([piece async for piece in pieces])
        finally:
            await answer.aclose()
        headers = as_decoded(answer.headers.raw, head=answer.request.method == "HEAD")
        whole = whole_answer(answer.status_code, headers, body, answer.request)
        whole.extensions = {name: value for name, value in answer.extensions.items() if name != "network_stream"}
        whole.default_encoding = answer.default_encoding
        whole.history, whole.next_request = answer.history, answer.next_request
        whole.elapsed = timedelta(seconds=time.perf_counter() - self._began)
        self._whole = whole
        return whole


def _auth_of(client: httpx2.AsyncClient, request: httpx2.Request) -> httpx2.Auth:
    if client.auth is not None:
        return client.auth
    url = request.url
    return httpx2.BasicAuth(url.username, url.password) if url.username or url.password else _NO_AUTH


def _is_held(request: httpx2.Request) -> bool:
    """Whether the body is in memory, so that it can be sent again."""
    try:
        return request.content is not None
    except httpx2.RequestNotRead:
        return False


def whole_answer(
    status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes, request: httpx2.Request
) -> httpx2.Response:
    """An answer for the caller of fetch(), with exactly these headers."""
    answer = httpx2.Response(status, headers=list(headers), content=body, request=request)
    if all(name != b"content-length" for name, _ in headers):
        answer.headers.pop("content-length", None)  # httpx2 adds it; it would be wrong if a handler changes the body
    return answer


async def hooked(client: httpx2.AsyncClient, request: httpx2.Request) -> httpx2.Request:
    """A copy of the request after the client's event hooks, which often add a token; `request` stays unchanged."""
    hooks = client.event_hooks["request"]
    if not hooks:
        return request
    seen = httpx2.Request(request.method, request.url, headers=request.headers, content=request.content)
    for hook in hooks:
        await hook(seen)
    return seen


async def authenticated(client: httpx2.AsyncClient, request: httpx2.Request) -> httpx2.Request | None:
    """A copy of the request with all that the client's `auth` adds to it; `request` stays unchanged.

    None: that isn't known beforehand, as in a scheme that needs a challenge from the server first.
    """
    if client.auth is None:
        return request
    flow = client.auth.async_auth_flow(
        httpx2.Request(request.method, request.url, headers=request.headers, content=request.content)
    )
    try:
        first = await anext(flow)
    finally:
        await flow.aclose()
    adds_nothing = "authorization" not in first.headers and first.headers.raw == request.headers.raw
    if adds_nothing or first.url != request.url:
        return None
    await first.aread()
    return first
