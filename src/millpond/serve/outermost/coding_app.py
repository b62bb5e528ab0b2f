"""The layer that compresses live answers, around everything else: middleware and error handlers see plain bodies."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from millpond.cache.coding.coded_bodies import MAX_AT_ONCE
from millpond.cache.coding.coding_stream import coding_stream
from millpond.policy.http.coding import SMALLEST, with_vary
from millpond.policy.http.codings.live_coding import (
    coded_headers,
    coding_for,
    declared_size,
    headers_of_held,
    held_by,
    is_codable,
    unmarked,
)
from millpond.serve.answered import HAS_END

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from millpond.cache.coding.coding_stream import CodingStream
    from millpond.policy.entry import Coding, Headers

CODING = "millpond.coding"
"""The key of an ASGI scope that says that a layer further out compresses the answer."""

MAX_WHOLE = 256 * 1024
"""Bytes. A larger body is sent in coded pieces, without a length: its first bytes go out while the rest is coded."""
_PIECE = 64 * 1024
"""Bytes that are coded at once: so much of a large body is in memory twice, and a thread gets no longer work."""
_BY_SERVER = ("http.response.pathsend", "http.response.zerocopysend")
"""Extensions by which an application has the server send a file, after the head of an answer."""


class CodingApp:
    """Compresses the answers of an application; the arguments are those of `coding_send`."""

    def __init__(self, app: ASGIApp, codings: tuple[Coding, ...], *, varies: bool) -> None:
        self._app, self._codings, self._varies = app, codings, varies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            send = coding_send(scope, send, self._codings, varies=self._varies)
        await self._app(scope, receive, send)


def coding_send(scope: Scope, send: Send, codings: tuple[Coding, ...], *, varies: bool) -> CodingSend | Send:
    """The `send` for a request's answer; in `scope`, ETags of coded answers become what the application has made.

    Args:
        scope: of an HTTP request.
        send: sends what the client gets.
        codings: those that answers may have, best first. Without any, `send` is returned as it is.
        varies: whether answers to clients that accept no coding say that they depend on it, too: for caches in front.
    """
    if not codings or CODING in scope:
        return send
    scope[CODING] = True
    sent = scope["headers"]
    named = dict(sent)
    held = b""
    if b"if-none-match" in named or b"if-match" in named:
        held = held_by(sent)
        scope["headers"] = list(unmarked(sent))
    if not (varies or held or b"accept-encoding" in named):
        return send
    return CodingSend(scope, send, sent, held, codings)


class CodingSend:
    """The `send` of an answer that is compressed if it is live, of a suitable type, and its client accepts that.

    Each message of a stream is coded and flushed as it comes, so an event reaches the client before the next is made.
    A call returns when the server has taken the bytes, as for a plain body: a slow client slows the application down.
    """

    __slots__ = ("_asked", "_codings", "_held", "_is_head", "_scope", "_send", "_start", "_stream", "sent")

    def __init__(
        self,
        scope: Scope,
        send: Send,
        asked: list[tuple[bytes, bytes]],
        held: bytes,
        codings: tuple[Coding, ...],
    ) -> None:
        """`asked`: the request's headers as they were sent; `held`: its ETags of coded live answers."""
        self._send, self._asked, self._held, self._codings = send, asked, held, codings
        self._is_head, self._scope = scope["method"] == "HEAD", scope
        self._start: tuple[Coding, Message] | None = None
        """Held back until the first part of the body tells how it is coded."""
        self._stream: CodingStream | None = None
        self.sent: int | None = None
        """Bytes of the body that were sent; None where it isn't coded."""

    def __call__(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            return self._begin(message)
        if self._start is None and self._stream is None:
            return self._send(message)
        return self._continue(message)

    def _begin(self, message: Message) -> Awaitable[None]:
        self._start = self._stream = None  # an application that fails may begin again while a start is held back
        size = declared_size(message.get("headers", ()))
        if size is not None and size < SMALLEST and message["status"] != 304:
            return self._send(message)
        return self._decide(message, size)

    async def _decide(self, message: Message, size: int | None) -> None:
        headers: Headers = tuple((name.lower(), value) for name, value in message.get("headers", ()))
        status = message["status"]
        if status == 304 and self._held:
            headers = headers_of_held(headers, self._held, self._codings)
        elif not is_codable(status, headers, size):
            await self._send(message)
            return
        elif (coding := coding_for(self._asked, self._codings)) is None:
            headers = with_vary(headers)
        elif self._is_head:
            headers = coded_headers(headers, coding)
        elif size is None and not self._may_be_file:
            self._stream, self.sent = coding_stream(coding, is_lean=True), 0
            headers = coded_headers(headers, coding)
        else:
            self._start = coding, {**message, "headers": headers}
            return
        await self._send({**message, "headers": list(headers)})

    async def _continue(self, message: Message) -> None:
        if message["type"] != "http.response.body":
            await self._release()
            await self._send(message)
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._start is not None:
            if not more and len(body) < SMALLEST:
                await self._release()
                await self._send(message)
                return
            (coding, start), self._start = self._start, None
            headers, self._stream, self.sent = coded_headers(start["headers"], coding), coding_stream(coding), 0
            if not more and len(body) <= MAX_WHOLE:
                coded = await self._coded(self._stream, body, is_last=True)
                length = b"%d" % len(coded)
                await self._send({**start, "headers": [*headers, (b"content-length", length)]})
                await self._pass(message, coded, more=False)
                return
            if declared_size(start["headers"]) is not None:
                self._scope[HAS_END] = True  # a shutdown waits for it, as it does for other answers with a length
            await self._send({**start, "headers": list(headers)})
        if self._stream is not None:
            await self._add(self._stream, message, body, more=more)

    async def _add(self, stream: CodingStream, message: Message, body: bytes, *, more: bool) -> None:
        if more and not body:
            await self._send(message)
            return
        for piece, is_end in _pieces(body):
            is_last = is_end and not more
            coded = await self._coded(stream, piece, is_last=is_last)
            await self._pass(message, coded, more=not is_last)

    async def _pass(self, message: Message, coded: bytes, *, more: bool) -> None:
        await self._send({**message, "body": coded, "more_body": more})
        self.sent = (self.sent or 0) + len(coded)
        if not more:
            self._stream = None  # its window goes now, whatever the application does after its answer

    @staticmethod
    async def _coded(stream: CodingStream, piece: bytes, *, is_last: bool) -> bytes:
        if len(piece) <= MAX_AT_ONCE:
            return stream.add(piece, is_last=is_last)
        return await asyncio.to_thread(stream.add, piece, is_last=is_last)

    async def _release(self) -> None:
        if self._start is not None:
            (_, start), self._start = self._start, None
            await self._send({**start, "headers": list(start["headers"])})

    @property
    def _may_be_file(self) -> bool:
        """Whether no body may follow in messages, but a file that the server sends."""
        return any(name in (self._scope.get("extensions") or ()) for name in _BY_SERVER)


def _pieces(body: bytes) -> Iterator[tuple[bytes, bool]]:
    """The pieces in which a body is coded, each with whether it is the last; one, if the body is empty."""
    for at in range(0, max(len(body), 1), _PIECE):
        yield body[at : at + _PIECE], at + _PIECE >= len(body)
