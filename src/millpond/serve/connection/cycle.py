"""One request in uvicorn: its flow control, and how it ends when its body can't be read or has no length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millpond.internals.uvicorn_http import STATUS_LINE, FlowControl
from millpond.serve.access.telling_app import TellingApp
from millpond.serve.answered import GONE, REFUSED
from millpond.serve.connection.tcp import UNKNOWN_LENGTH, reset
from millpond.serve.prepared import lines_of

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from millpond.internals.uvicorn_http import RequestResponseCycle


class Flow(FlowControl):
    """uvicorn's, but a handler that reads its body doesn't resume reading while other requests wait for answers."""

    held = False

    def resume_reading(self) -> None:
        if not self.held:
            super().resume_reading()


def refused(status: int, headers: list[tuple[bytes, bytes]], lines: bytes) -> bytes:
    """The answer to a client that is refused, after which the connection is closed.

    Args:
        status: of the answer.
        headers: that the server adds to each answer, Date among them (RFC 9110 §6.6.1).
        lines: further headers.
    """
    end = b"content-length: 0\r\nconnection: close\r\n\r\n"
    return b"".join((STATUS_LINE[status], lines_of(headers), lines, end))


def disconnect(cycle: RequestResponseCycle) -> None:
    """Let the handler see a disconnect; what it sends from then on is dropped."""
    _mark(cycle, GONE, True)
    cycle.disconnected, cycle.waiting_for_100_continue = True, False
    cycle.message_event.set()


def refuse(cycle: RequestResponseCycle, status: int) -> None:
    """Have the application, which is answering, tell that the client got `status` in place of its answer."""
    _mark(cycle, REFUSED, status)


def _mark(cycle: RequestResponseCycle, key: str, value: object) -> None:
    scope: dict[str, Any] = cycle.scope  # type: ignore[assignment]  # its keys are open, as ASGI has it
    scope[key] = value


def refusing(status: int) -> Any:
    """An application that answers a request whose body is malformed."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"0"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    return TellingApp(app)


def without_chunks(cycle: RequestResponseCycle, app: Any) -> Any:
    """`app` for a client of HTTP/1.0: a body without a length ends with the connection (RFC 9112 §6.1, §6.3).

    uvicorn would send chunks, which such a client takes for a part of the body. With UNKNOWN_LENGTH it accepts a body
    of any length. A body that isn't complete ends with a reset, as a close would mean that it is.
    """

    async def answering(scope: Scope, receive: Receive, send: Send) -> None:
        async def until_closed(message: Message) -> None:
            if message["type"] == "http.response.start":
                if not any(name.lower() == b"content-length" for name, _ in message.get("headers", ())):
                    cycle.chunked_encoding, cycle.expected_content_length = False, UNKNOWN_LENGTH
            elif cycle.expected_content_length == UNKNOWN_LENGTH and not message.get("more_body", False):
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        try:
            await app(scope, receive, until_closed)
        finally:
            if cycle.expected_content_length == UNKNOWN_LENGTH and not cycle.transport.is_closing():
                reset(cycle.transport)

    return answering
