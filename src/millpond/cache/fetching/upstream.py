"""Send the requests of fetch(): clients, limits of time and size, and the credentials and headers that clients add."""

from __future__ import annotations

import asyncio
import functools
import time
import weakref
from contextlib import aclosing
from datetime import timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, NamedTuple

import httpx2

from millpond.cache.fetching.decoding import decoded
from millpond.routes.results.decoded import as_decoded

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, httpx2.AsyncClient] = weakref.WeakKeyDictionary()

_NO_AUTH = httpx2.Auth()
"""Replaces the client's auth, which `send` applies itself."""


class Limits(NamedTuple):
    """The limits for one answer of an upstream."""

    seconds: float | None
    """For the complete answer, including redirects; None: no limit."""
    max_bytes: int
    """For its body, as received and as decoded (`cache.max_fetch_bytes`)."""


def no_cookies() -> CookieJar:
    """A cookie jar that keeps nothing: a cookie for one visitor must not be sent with another visitor's request."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


def shared_client() -> httpx2.AsyncClient:
    """The client of this event loop, created on first use. Each loop has its own, as connections belong to a loop."""
    loop = asyncio.get_running_loop()
    client = _clients.get(loop)
    if client is None:
        client = _clients[loop] = httpx2.AsyncClient(cookies=no_cookies(), verify=_authorities())
    return client


@functools.cache
def _authorities() -> ssl.SSLContext:
    """The certificate authorities that the machine trusts: 20 ms to read, and the same for every event loop."""
    return httpx2.create_ssl_context()


async def close_client() -> None:
    """Close this loop's client, if there is one."""
    client = _clients.pop(asyncio.get_running_loop(), None)
    if client is not None:
        await client.aclose()


async def send(client: httpx2.AsyncClient, request: httpx2.Request, limits: Limits) -> httpx2.Response:
    """The complete answer, with redirects followed. Its body is decoded, and its headers match the decoded body.

    Raises:
        httpx2.ReadTimeout: it took too long. The client's own timeouts only limit single reads, so an upstream that
            sends a byte now and then, or an answer made in process, would never reach them.
        httpx2.ReadError: it, or the answer of a redirect or of an auth challenge, exceeds `limits`.
        httpx2.HTTPError: the upstream can't be reached, or its body can't be decoded.
    """
    try:
        async with asyncio.timeout(limits.seconds) as limit:
            return await _authenticated(client, request, limits.max_bytes)
    except TimeoutError:
        if not limit.expired():
            raise
        raise httpx2.ReadTimeout(f"no complete answer within {limits.seconds:g} s", request=request) from None


# httpx2 would read the bodies of redirects and auth challenges completely, whatever their size. So the client sends
# single requests only, and the functions below follow redirects and apply its auth within the limits.


async def _authenticated(client: httpx2.AsyncClient, request: httpx2.Request, max_bytes: int) -> httpx2.Response:
    """Apply the client's `auth`, which may send several requests."""
    former: list[httpx2.Response] = []
    flow = _auth_of(client, request).async_auth_flow(request)
    try:
        request = await anext(flow)
        while True:
            answer = await _followed(client, request, former, max_bytes)
            try:
                request = await flow.asend(answer)
            except StopAsyncIteration:
                return answer
            former = [*former, answer]
    finally:
        await flow.aclose()


def _auth_of(client: httpx2.AsyncClient, request: httpx2.Request) -> httpx2.Auth:
    if client.auth is not None:
        return client.auth
    url = request.url
    return httpx2.BasicAuth(url.username, url.password) if url.username or url.password else _NO_AUTH


async def _followed(
    client: httpx2.AsyncClient, request: httpx2.Request, former: list[httpx2.Response], max_bytes: int
) -> httpx2.Response:
    while True:
        if len(former) > client.max_redirects:
            raise httpx2.TooManyRedirects("Exceeded maximum allowed redirects.", request=request)
        answer = await _answer(client, request, max_bytes)
        answer.history = list(former)
        if answer.next_request is None:
            return answer
        former = [*former, answer]
        request = answer.next_request


async def _answer(client: httpx2.AsyncClient, request: httpx2.Request, max_bytes: int) -> httpx2.Response:
    """Send one request, and read the answer."""
    began = time.perf_counter()
    answer = await client.send(request, stream=True, auth=_NO_AUTH, follow_redirects=False)
    if answer.has_redirect_location and answer.next_request is None:
        await answer.aclose()
        raise httpx2.RemoteProtocolError("Invalid URL in location header.", request=request)
    try:
        async with aclosing(decoded(answer, max_bytes)) as pieces:
            body = b"".join([piece async for piece in pieces])
    finally:
        await answer.aclose()
    headers = as_decoded(answer.headers.raw, head=request.method == "HEAD")
    whole = whole_answer(answer.status_code, headers, body, answer.request)
    whole.extensions = {name: value for name, value in answer.extensions.items() if name != "network_stream"}
    whole.default_encoding = answer.default_encoding
    whole.elapsed, whole.next_request = timedelta(seconds=time.perf_counter() - began), answer.next_request
    return whole


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


async def credentials(client: httpx2.AsyncClient, request: httpx2.Request) -> bytes | None:
    """The Authorization header that the client's `auth` adds to the request; b"" if the client has no `auth`.

    None: it isn't known beforehand, as in a scheme that needs a challenge from the server first.
    """
    if client.auth is None:
        return b""
    flow = client.auth.async_auth_flow(
        httpx2.Request(request.method, request.url, headers=request.headers, content=request.content)
    )
    try:
        first = await anext(flow)
    finally:
        await flow.aclose()
    if first.url != request.url:
        return None
    added = first.headers.get("authorization")
    return None if added is None else added.encode("latin-1")
