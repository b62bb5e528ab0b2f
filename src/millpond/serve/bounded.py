"""uvicorn's HTTP protocol, with a bound on a request's head: uvicorn and httptools have none."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from millpond.config import ServerConfig

ROOM = 1024
"""Bytes of a request's URL that don't count as its path: scheme, host and base path."""

_LONGEST_URL = 65_535
"""httptools can't take a longer one apart."""

_LINGER = 1.0
"""Seconds in which a refused client may read why, as closing at once would reset the connection under the answer; and
in which one that has just connected may ask, when the server ends."""


class _HeadError(Exception):
    """Stops the parser."""


class BoundedProtocol(HttpToolsProtocol):
    """Answers 414 or 431 to a head that is too long, as soon as that is known, and closes the connection.

    The bounds on a whole head are the application's, which knows its base path. Here, no more is read of a head that
    doesn't end; a head in one piece was bounded by what the socket gives at once.
    """

    most_url: int
    most_head: int

    _in_head = True
    _head_bytes = 0
    """What was read of the unfinished head."""
    _completed = False
    """Whether a head ended in the piece that is being read."""
    _status: int | None = None
    _leaving = False
    """Whether the next answer is the last, as the server ends."""

    def data_received(self, data: bytes) -> None:
        if self._refused():
            return
        continues, self._completed = self._in_head, False
        HttpToolsProtocol.data_received(self, data)  # no super() where each request passes: it costs
        if self._refused() or not self._in_head:
            return
        self._head_bytes = self._head_bytes + len(data) if continues and not self._completed else 0
        if self._head_bytes > self.most_head:
            self._refuse(431)

    def on_url(self, url: bytes) -> None:
        self.url += url
        if len(self.url) > self.most_url:
            self._status = 414
            raise _HeadError

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes, self._completed = False, 0, True
        HttpToolsProtocol.on_headers_complete(self)
        if self._leaving and self._answering():
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        HttpToolsProtocol.on_message_complete(self)
        self._in_head = True

    def shutdown(self) -> None:
        """As uvicorn's; but who has just connected, and is about to ask, gets an answer first.

        Else a server that is replaced would drop requests that it has accepted, and not read yet.
        """
        if self._answering() or not self._is_new():
            super().shutdown()
            return
        self._leaving = True
        self.loop.call_later(_LINGER, self._leave)

    def _is_new(self) -> bool:
        """Whether nothing has been answered on the connection."""
        return cast("RequestResponseCycle | None", self.cycle) is None

    def _leave(self) -> None:
        if not self._answering() and not self.transport.is_closing():
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls when the parser stops."""
        if self._status is None and not self._answering():
            super().send_400_response(msg)
        else:
            self._refuse(self._status or 400)

    def _refused(self) -> bool:
        return self._status is not None

    def _answering(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        return cycle is not None and not cycle.response_complete

    def _refuse(self, status: int) -> None:
        self._status = status
        if self._answering():  # an earlier request's answer is on its way: nothing cuts into it, and it is the last
            self.cycle.keep_alive = False
            return
        self.transport.write(STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER, self.transport.close)


def bounds_of(bounds: ServerConfig) -> dict[str, int]:
    """The attributes of a BoundedProtocol, by a configuration."""
    return {
        "most_url": min(bounds.max_path_bytes + ROOM, _LONGEST_URL),
        "most_head": bounds.max_path_bytes + bounds.max_header_bytes,
    }


def bounded_protocol(bounds: ServerConfig) -> type[BoundedProtocol]:
    """The protocol with the bounds of a configuration; uvicorn makes one of it for each connection."""
    return type("BoundedProtocol", (BoundedProtocol,), bounds_of(bounds))
