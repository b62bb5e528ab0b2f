"""One request to a cache and its answer, bounded in time and size."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx2

from millpond.purge.purger import Answer

if TYPE_CHECKING:
    from millpond.purge.purger import Call

MOST_BYTES = 64 * 1024
"""What is read of an answer's body."""


class Unanswered(Exception):
    """There is no answer that could be used; the message says why."""


def new_client() -> httpx2.AsyncClient:
    """A client as `fetch` has one, certificates checked and the environment's proxies used; it follows nothing."""
    return httpx2.AsyncClient(follow_redirects=False)


async def exchange(client: httpx2.AsyncClient, call: Call, seconds: float) -> Answer:
    """Send `call`; the whole answer must have come within `seconds`.

    Raises:
        Unanswered: it didn't, or the cache can't be reached, or it talks without end.
    """
    headers = {"user-agent": "millpond", "accept-encoding": "identity", **call.headers}
    try:
        async with (
            asyncio.timeout(seconds),
            client.stream(call.method, call.url, headers=headers, content=call.body) as response,
        ):
            body = b""
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise Unanswered(f"its answer is over {MOST_BYTES} bytes")
            return Answer(response.status_code, response.headers, body)
    except (TimeoutError, httpx2.TimeoutException):
        raise Unanswered(f"no answer within {seconds:g} s") from None
    except httpx2.HTTPError as error:
        raise Unanswered(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__) from None
