"""Sending what fetch() asks for: clients, time limits, and what a client adds to a request by itself."""

from __future__ import annotations

import asyncio
import weakref
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2

_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, httpx2.AsyncClient] = weakref.WeakKeyDictionary()


def no_cookies() -> CookieJar:
    """A jar that keeps nothing: a cookie that an upstream sets for one visitor must not go with another's request."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


def shared_client() -> httpx2.AsyncClient:
    """One client for each event loop, made where it is first needed: connections belong to a loop."""
    loop = asyncio.get_running_loop()
    client = _clients.get(loop)
    if client is None:
        client = _clients[loop] = httpx2.AsyncClient(cookies=no_cookies())
    return client


async def close_client() -> None:
    """Close this loop's client, if there is one."""
    client = _clients.pop(asyncio.get_running_loop(), None)
    if client is not None:
        await client.aclose()


async def send(client: httpx2.AsyncClient, request: httpx2.Request, timeout: float | None) -> httpx2.Response:  # noqa: ASYNC109 - it is fetch()'s
    """The whole answer, redirects followed, within `timeout` seconds.

    Raises:
        httpx2.ReadTimeout: it took longer. The client's own limits are for single reads, so an upstream that sends a
            byte now and then, or an answer made in process, would never meet one.
        httpx2.HTTPError: the upstream can't be reached.
    """
    try:
        async with asyncio.timeout(timeout) as limit:
            response = await client.send(request, follow_redirects=True)
            await response.aread()
            return response
    except TimeoutError:
        if not limit.expired():
            raise
        raise httpx2.ReadTimeout(f"no whole answer within {timeout:g} s", request=request) from None


async def credentials(client: httpx2.AsyncClient, request: httpx2.Request) -> bytes | None:
    """The Authorization that the client's `auth` puts on the request when it is sent; b"" when it has none.

    None: it can't be told beforehand, as with a scheme that asks the server first.
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
