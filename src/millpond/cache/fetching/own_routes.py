"""fetch() of the application's own paths: answered in process, without a port (D19)."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import httpx2

from millpond.cache.fetching.content.decoding import too_large
from millpond.cache.fetching.upstream import no_cookies, shared_client
from millpond.cache.told import OWN_ANSWER
from millpond.errors import UsageError
from millpond.render.renderer import SERVER
from millpond.render.scopes.current_scope import detached

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Send
    from starlette.types import Scope as ASGIScope

    from millpond.cache.data import DataCache
    from millpond.cache.fetching.upstream_calls import UpstreamCalls
    from millpond.cache.told import OwnAnswer

ORIGIN = httpx2.URL(f"http://{SERVER[0]}:{SERVER[1]}")


def is_own(url: str) -> bool:
    """Whether it is a path of this application."""
    return url.startswith("/") and not url.startswith("//")


def client_of_own(transport: OwnTransport) -> httpx2.AsyncClient:
    """A client for the application's own paths. It opens no connections, so it needn't be closed."""
    return httpx2.AsyncClient(transport=transport, base_url=ORIGIN, cookies=no_cookies())


def application_for(url: str, cache: DataCache | None) -> ASGIApp:
    """What answers the path.

    Raises:
        UsageError: no application runs here that could.
    """
    if cache is None or cache.application is None:
        raise UsageError(f'fetch("{url}"): a path needs a running application; outside of one, give an absolute URL.')
    return cache.application


class OwnTransport(httpx2.AsyncBaseTransport, ABC):
    """Calls the application for one call of fetch(); redirects to other hosts go to the shared client.

    Another host must not lead back inside: requests from there come below the user's middleware, which may be what
    asks for credentials.
    """

    def __init__(self, application: ASGIApp, calls: UpstreamCalls | None = None) -> None:
        self.application, self._calls = application, calls
        self._has_left = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        self._has_left = self._has_left or (url.scheme, url.host, url.port) != (ORIGIN.scheme, ORIGIN.host, ORIGIN.port)
        return await (self._outside(request) if self._has_left else self._inside(request))

    async def _outside(self, request: httpx2.Request) -> httpx2.Response:
        if self._calls is None:
            return await _sent_outside(request)
        with self._calls.call(request) as called:
            answer = await _sent_outside(request)
            called.status = answer.status_code
            return answer

    @abstractmethod
    async def _inside(self, request: httpx2.Request) -> httpx2.Response:
        """The application's answer."""


async def _sent_outside(request: httpx2.Request) -> httpx2.Response:
    answer = await shared_client().send(request, stream=True)
    return httpx2.Response(
        answer.status_code, headers=answer.headers.raw, stream=answer.stream, extensions=answer.extensions
    )


class InProcessTransport(OwnTransport):
    """Calls the application, and waits for its whole answer.

    Args:
        application: answers.
        answer: hears what the answer tells of itself.
        max_bytes: the longest body.
        calls: counts the requests that redirects lead to other hosts.
    """

    def __init__(
        self, application: ASGIApp, answer: OwnAnswer, max_bytes: int, calls: UpstreamCalls | None = None
    ) -> None:
        super().__init__(application, calls)
        self._answer, self._max_bytes = answer, max_bytes

    async def _inside(self, request: httpx2.Request) -> httpx2.Response:
        """Call the application. httpx2 buffers all that an application sends, so the size is limited here."""
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

            scope[OWN_ANSWER] = self._answer
            with detached():  # the call is a request of its own, which its handler may read
                # A task begins with an empty stack: a chain of fetches must not reach the recursion limit.
                await asyncio.ensure_future(self.application(scope, receive, counted))
            if refused:  # the application has handled the error as its own
                raise refused[0]
            if not whole:
                raise httpx2.RemoteProtocolError(
                    f"{request.url.path} failed before its answer was complete", request=request
                )

        return await httpx2.ASGITransport(bounded).handle_async_request(request)
