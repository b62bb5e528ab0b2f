"""fetch.stream() of the application's own paths: answered in process, piece by piece."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx2

from millpond.cache.fetching.own_routes import OwnTransport
from millpond.cache.told import OWN_ANSWER
from millpond.render.scopes.current_scope import detached

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp, Message
    from starlette.types import Scope as ASGIScope

    from millpond.cache.fetching.upstream_calls import UpstreamCalls
    from millpond.cache.told import OwnAnswer


class StreamingTransport(OwnTransport):
    """Calls the application, and gives its answer piece by piece.

    Args:
        application: answers.
        answer: hears what the answer tells of itself.
        calls: counts the requests that redirects lead to other hosts.
    """

    def __init__(self, application: ASGIApp, answer: OwnAnswer, calls: UpstreamCalls | None = None) -> None:
        super().__init__(application, calls)
        self._answer = answer

    async def _inside(self, request: httpx2.Request) -> httpx2.Response:
        call = _Call(self.application, request, await request.aread(), self._answer)
        try:
            return await call.begun()
        except BaseException:
            await call.aclose()
            raise


class _Call(httpx2.AsyncByteStream):
    """One request, and the body of its answer. The application waits while a piece hasn't been taken."""

    def __init__(self, application: ASGIApp, request: httpx2.Request, body: bytes, answer: OwnAnswer) -> None:
        self._request, self._sent, self._answer = request, body, answer
        self._received = False
        self._closed = asyncio.Event()
        self._messages: asyncio.Queue[Message] = asyncio.Queue(maxsize=1)
        with detached():  # the call is a request of its own, which its handler may read
            self._task = asyncio.ensure_future(application(self._scope(), self._receive, self._messages.put))

    async def begun(self) -> httpx2.Response:
        """The answer before its body."""
        message = await self._next()
        return httpx2.Response(message["status"], headers=list(message.get("headers", [])), stream=self)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._next()
            more = message.get("more_body", False)
            if message.get("body"):
                yield message["body"]

    async def aclose(self) -> None:
        self._closed.set()
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait((self._task,))
        if not self._task.cancelled():
            self._task.exception()  # it has been logged, or was raised to whom it concerns

    async def _next(self) -> Message:
        """The next message of the application.

        Raises:
            httpx2.RemoteProtocolError: it has ended before its answer was complete.
        """
        message = asyncio.ensure_future(self._messages.get())
        try:
            await asyncio.wait((message, self._task), return_when=asyncio.FIRST_COMPLETED)
            if message.done():
                return message.result()
            if not self._messages.empty():
                return self._messages.get_nowait()
        finally:
            message.cancel()
        error = None if self._task.cancelled() else self._task.exception()
        raise error or httpx2.RemoteProtocolError(
            f"{self._request.url.path} failed before its answer was complete", request=self._request
        )

    async def _receive(self) -> Message:
        if self._received:
            await self._closed.wait()
            return {"type": "http.disconnect"}
        self._received = True
        return {"type": "http.request", "body": self._sent, "more_body": False}

    def _scope(self) -> ASGIScope:
        request, url = self._request, self._request.url
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "scheme": url.scheme,
            "path": url.path,
            "raw_path": url.raw_path.partition(b"?")[0],
            "query_string": url.query,
            "server": (url.host, url.port),
            "client": ("127.0.0.1", 123),
            "root_path": "",
            OWN_ANSWER: self._answer,
        }
