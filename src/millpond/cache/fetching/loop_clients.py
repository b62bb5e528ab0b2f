"""The client of each event loop, as connections belong to a loop. Nothing here needs httpx2: few processes fetch."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, httpx2.AsyncClient] = weakref.WeakKeyDictionary()


def client_of_loop(make: Callable[[], httpx2.AsyncClient]) -> httpx2.AsyncClient:
    """The client of the running event loop, made by the first call."""
    loop = asyncio.get_running_loop()
    client = _clients.get(loop)
    if client is None:
        client = _clients[loop] = make()
    return client


async def close_client() -> None:
    """Close this loop's client, if there is one."""
    client = _clients.pop(asyncio.get_running_loop(), None)
    if client is not None:
        await client.aclose()
