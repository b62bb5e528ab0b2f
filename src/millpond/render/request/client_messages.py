"""What the client of a live run sends: its body, and its disconnect. Two readers can wait side by side.

ASGI has one `receive` for both. A streaming response of Starlette's calls it until the disconnect comes, while a
generator may still be reading the body: what one of them receives, the other never sees.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from starlette.responses import Response

from millpond.errors import UnreadBodyError
from millpond.messages import at
from millpond.render.scopes.current_scope import current

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

CLIENT_MESSAGES = "millpond.client_messages"
"""The key of an ASGI scope under which a live run's ClientMessages are found."""

BUFFER_BYTES = 64 * 1024
"""Bytes of a body that are buffered for its reader, while somebody waits for the disconnect."""

READ_SECONDS = 30.0
"""How long a full buffer waits for the handler to read, before the rest of the body is dropped."""

_DISCONNECT: Message = {"type": "http.disconnect"}


class ClientMessages:
    """The messages of one client, for a reader of the body and one who waits for the disconnect.

    Args:
        receive: the server's.
        buffer_bytes: see `BUFFER_BYTES`.
        read_seconds: see `READ_SECONDS`.
    """

    __slots__ = (
        "_body_complete",
        "_buffer",
        "_buffer_bytes",
        "_buffered",
        "_disconnected",
        "_dropped",
        "_read",
        "_read_seconds",
        "_receive",
        "_sending",
        "_turn",
    )

    def __init__(
        self, receive: Receive, *, buffer_bytes: int = BUFFER_BYTES, read_seconds: float = READ_SECONDS
    ) -> None:
        self._receive, self._buffer_bytes, self._read_seconds = receive, buffer_bytes, read_seconds
        self._turn = asyncio.Lock()
        """Held while the server's `receive` runs: servers allow one call at a time."""
        self._buffer: deque[Message] = deque()
        """Parts of the body that came while somebody waited for the disconnect."""
        self._buffered = 0
        """Bytes in the buffer."""
        self._read = asyncio.Event()
        """Set when something is taken out of the buffer."""
        self._disconnected = self._dropped = self._sending = False
        self._body_complete = False
        """Whether the last part of the body was buffered."""

    async def receive(self) -> Message:
        """The next part of the body, or the disconnect.

        Raises:
            UnreadBodyError: the handler left the body unread for too long, and what came meanwhile was dropped.
        """
        if self._buffer:
            return self._next()
        async with self._turn:
            if self._buffer:
                return self._next()
            if self._dropped:
                raise UnreadBodyError(self._lost())
            return _DISCONNECT if self._disconnected else self._noted(await self._receive())

    def _lost(self) -> str:
        scope = current()
        return (
            f"{at(None if scope is None else scope.place())}the body of this request was left unread for "
            f"{self._read_seconds:g} s while it was answered, and is lost; read it earlier."
        )

    async def wait_for_disconnect(self) -> Message:
        """Return the disconnect when it comes; parts of the body that come before it are buffered for `receive`."""
        while not self._disconnected:
            if self._buffered >= self._buffer_bytes:
                await self._wait_for_room()
                continue
            async with self._turn:
                if not self._disconnected:
                    self._keep(self._noted(await self._receive()))
            await asyncio.sleep(0)  # the `receive` of a test client may never suspend, as a server's does
        return _DISCONNECT

    def tracking(self, send: Send) -> Send:
        """`send`, so that a handler that can't read because its client doesn't read the answer isn't blamed for it."""

        async def tracked(message: Message) -> None:
            self._sending = True
            try:
                await send(message)
            finally:
                self._sending = False

        return tracked

    def _noted(self, message: Message) -> Message:
        self._disconnected = self._disconnected or message["type"] == "http.disconnect"
        return message

    def _keep(self, message: Message) -> None:
        if self._disconnected or self._dropped or self._body_complete:
            return
        self._buffer.append(message)
        self._buffered += len(message.get("body", b""))
        self._body_complete = not message.get("more_body", False)

    def _next(self) -> Message:
        message = self._buffer.popleft()
        self._buffered -= len(message.get("body", b""))
        self._read.set()
        return message

    async def _wait_for_room(self) -> None:
        """Wait for the handler to read; without a limit, one that never reads would keep its run for ever."""
        self._read.clear()
        try:
            async with asyncio.timeout(self._read_seconds):
                await self._read.wait()
        except TimeoutError:
            if not self._sending:
                self._buffer.clear()
                self._buffered, self._dropped = 0, True


class DisconnectAwareResponse(Response):
    """A response that waits for the client's disconnect without taking parts of the body from their reader.

    It tells the inner response of an older ASGI version, in which responses listen for the disconnect. In newer ones
    `send` raises instead, which is too late for a response with nothing to send, and which not every server does that
    claims the newer version.
    """

    def __init__(self, response: Response, messages: ClientMessages) -> None:
        self._response, self._messages = response, messages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        messages = self._messages
        asgi = {**scope.get("asgi", {}), "spec_version": "2.3"}
        await self._response({**scope, "asgi": asgi}, messages.wait_for_disconnect, messages.tracking(send))


def disconnect_aware(response: Response, scope: Scope) -> Response:
    """The response as a live run sends it: a plain one is sent at once, any other listens for the disconnect."""
    messages: ClientMessages | None = scope.get(CLIENT_MESSAGES)
    if messages is None or type(response).__call__ is Response.__call__:
        return response
    return DisconnectAwareResponse(response, messages)
