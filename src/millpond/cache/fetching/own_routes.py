"""fetch() of the application's own paths: answered in process, without a port (D19)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2

from millpond.cache.fetching.decoding import too_large
from millpond.cache.fetching.upstream import no_cookies, shared_client
from millpond.errors import UsageError
from millpond.render.renderer import SERVER
from millpond.render.scopes.scope import detached

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Send
    from starlette.types import Scope as ASGIScope

    from millpond.cache.data import DataCache

_ORIGIN = httpx2.URL(f"http://{SERVER[0]}:{SERVER[1]}")


def is_own(url: str) -> bool:
    """Whether it is a path of this application."""
    return url.startswith("/") and not url.startswith("//")


def client_of_own(url: str, cache: DataCache | None) -> httpx2.AsyncClient:
    """A client without connections: nothing of it needs to be closed.

    Raises:
        UsageError: no application runs here whose path it could be.
    """
    if cache is None or cache.application is None:
        raise UsageError(f'fetch("{url}"): a path needs the application that has it; outside of it give a whole URL.')
    transport = _InProcess(cache.application, cache.max_fetch_bytes)
    return httpx2.AsyncClient(transport=transport, base_url=_ORIGIN, cookies=no_cookies())


class _InProcess(httpx2.AsyncBaseTransport):
    """The application's own answers; where they redirect to another host, that host's."""

    def __init__(self, application: ASGIApp, max_bytes: int) -> None:
        self._application, self._max_bytes = application, max_bytes

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        if (url.scheme, url.host, url.port) == (_ORIGIN.scheme, _ORIGIN.host, _ORIGIN.port):
            return await self._inside(request)
        answer = await shared_client().send(request, stream=True)
        return httpx2.Response(
            answer.status_code, headers=answer.headers.raw, stream=answer.stream, extensions=answer.extensions
        )

    async def _inside(self, request: httpx2.Request) -> httpx2.Response:
        """From the application; httpx2 keeps whatever an application sends, so what is too much isn't let through."""
        refused: list[httpx2.ReadError] = []

        async def bounded(scope: ASGIScope, receive: Receive, send: Send) -> None:
            size, whole = 0, False

            async def counted(message: Message) -> None:
                nonlocal size, whole
                size += len(message.get("body", b""))
                if size > self._max_bytes:
                    refused[:] = [too_large(request, self._max_bytes)]
                    raise refused[0]
                await send(message)
                whole = message["type"] == "http.response.body" and not message.get("more_body", False)

            with detached():  # what is asked for is a request of its own, and may be read where it is answered
                await self._application(scope, receive, counted)
            if refused:  # the application has taken it for its own error, and dealt with it
                raise refused[0]
            if not whole:
                raise httpx2.RemoteProtocolError(f"{request.url.path} failed in mid-answer", request=request)

        return await httpx2.ASGITransport(bounded).handle_async_request(request)
