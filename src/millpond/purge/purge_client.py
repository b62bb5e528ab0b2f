"""One request to a cache and its answer, bounded in time and size."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx2

from millpond.purge.purger import PurgeResponse

if TYPE_CHECKING:
    from millpond.purge.purger import PurgeRequest

MAX_RESPONSE_BYTES = 64 * 1024
"""Bytes of a response's body that are read."""


class NoResponse(Exception):
    """There is no usable response; the message says why."""


def new_client() -> httpx2.AsyncClient:
    """A client that follows no redirects; as for `fetch`, the environment names proxies."""
    return httpx2.AsyncClient(follow_redirects=False)


async def send_request(client: httpx2.AsyncClient, request: PurgeRequest, seconds: float) -> PurgeResponse:
    """Send `request`; the whole response must arrive within `seconds`.

    Raises:
        NoResponse: it doesn't, the cache can't be reached, or the response is too long.
    """
    headers = {"user-agent": "millpond", "accept-encoding": "identity", **request.headers}
    try:
        async with (
            asyncio.timeout(seconds),
            client.stream(request.method, request.url, headers=headers, content=request.body) as response,
        ):
            body = b""
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_RESPONSE_BYTES:
                    raise NoResponse(f"its answer is over {MAX_RESPONSE_BYTES} bytes")
            return PurgeResponse(response.status_code, response.headers, body)
    except (TimeoutError, httpx2.TimeoutException):
        raise NoResponse(f"no answer within {seconds:g} s") from None
    except httpx2.HTTPError as error:
        raise NoResponse(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__) from None
