"""What comes from the client of a live run: its body, and word that it has gone. Who wants one doesn't take the other.

ASGI has one `receive` for both. A streamed response of Starlette's listens for the disconnect by receiving until it
comes, beside a generator that may be reading the body: what the one receives, the other never sees.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from starlette.responses import Response

from millpond.errors import UnreadBodyError
from millpond.render.scope import current

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

INCOMING = "millpond.incoming"
"""The key of an ASGI scope under which a live run's Incoming is found."""

HELD = 64 * 1024
"""Bytes of a body that are held for who reads it, while somebody waits for the client to go."""

PATIENCE = 30.0
"""Seconds in which a handler that is answering takes something of a body that can't be held any longer."""

_DISCONNECT: Message = {"type": "http.disconnect"}


class Incoming:
    """The messages of one client, for two who receive side by side.

    Args:
        receive: the server's.
        held: see `HELD`.
        patience: see `PATIENCE`.
    """

    __slots__ = (
        "_ahead",
        "_dropped",
        "_gone",
        "_held",
        "_most",
        "_patience",
        "_receive",
        "_sending",
        "_taken",
        "_turn",
        "_whole",
    )

    def __init__(self, receive: Receive, *, held: int = HELD, patience: float = PATIENCE) -> None:
        self._receive, self._most, self._patience = receive, held, patience
        self._turn = asyncio.Lock()
        """Of who asks the server: it bears one at a time."""
        self._ahead: deque[Message] = deque()
        """Parts of the body that came while somebody waited for the client to go."""
        self._held = 0
        self._taken = asyncio.Event()
        self._gone = self._dropped = self._sending = False
        self._whole = False
        """Whether the end of the body is among what was kept: nothing of it comes after that."""

    async def receive(self) -> Message:
        """The next part of the body, or word that the client has gone.

        Raises:
            UnreadBodyError: the handler has left the body alone for too long, and what came meanwhile is lost.
        """
        if self._ahead:
            return self._next()
        async with self._turn:
            if self._ahead:
                return self._next()
            if self._dropped:
                raise UnreadBodyError(self._lost())
            return _DISCONNECT if self._gone else self._noted(await self._receive())

    def _lost(self) -> str:
        scope = current()
        place = None if scope is None else scope.place()
        return (
            f"{'' if place is None else f'{place}: '}the body of this request was left unread for {self._patience:g} s "
            "while it was answered, and is lost; read it earlier."
        )

    async def gone(self) -> Message:
        """Wait until the client has gone; what comes of its body meanwhile is for `receive`."""
        while not self._gone:
            if self._held >= self._most:
                await self._room()
                continue
            async with self._turn:
                if not self._gone:
                    self._keep(self._noted(await self._receive()))
            await asyncio.sleep(0)  # a server waits for its client; a `receive` in somebody's tests may never wait
        return _DISCONNECT

    def sending(self, send: Send) -> Send:
        """`send`, so that it is known when a handler can't read because its client doesn't."""

        async def noted(message: Message) -> None:
            self._sending = True
            try:
                await send(message)
            finally:
                self._sending = False

        return noted

    def _noted(self, message: Message) -> Message:
        self._gone = self._gone or message["type"] == "http.disconnect"
        return message

    def _keep(self, message: Message) -> None:
        if self._gone or self._dropped or self._whole:
            return
        self._ahead.append(message)
        self._held += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)

    def _next(self) -> Message:
        message = self._ahead.popleft()
        self._held -= len(message.get("body", b""))
        self._taken.set()
        return message

    async def _room(self) -> None:
        """Wait for the handler to take something of the body; one that doesn't want it would keep its run for ever."""
        self._taken.clear()
        try:
            async with asyncio.timeout(self._patience):
                await self._taken.wait()
        except TimeoutError:
            if not self._sending:
                self._ahead.clear()
                self._held, self._dropped = 0, True


class DisconnectAwareResponse(Response):
    """A response that waits for its client to go, and takes nothing of a body from who reads it.

    To the response the server's version of ASGI is one in which it listens: by later ones `send` tells it, which is
    too late for who has nothing to send, and which not every server does that says so.
    """

    def __init__(self, response: Response, incoming: Incoming) -> None:
        self._response, self._incoming = response, incoming

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        incoming = self._incoming
        asgi = {**scope.get("asgi", {}), "spec_version": "2.3"}
        await self._response({**scope, "asgi": asgi}, incoming.gone, incoming.sending(send))


def disconnect_aware(response: Response, scope: Scope) -> Response:
    """The response as it is to be sent in a live run: one that may take its time is Attentive."""
    incoming: Incoming | None = scope.get(INCOMING)
    if incoming is None or type(response).__call__ is Response.__call__:
        return response
    return DisconnectAwareResponse(response, incoming)
