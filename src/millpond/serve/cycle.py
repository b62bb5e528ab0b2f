"""What belongs to one request in uvicorn's hands: its flow control, and how it ends when its body can't be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.http.flow_control import FlowControl

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class Flow(FlowControl):
    """uvicorn's, which a handler that wants its body doesn't resume while other requests wait for their answers."""

    held = False

    def resume_reading(self) -> None:
        if not self.held:
            super().resume_reading()


def disconnect(cycle: RequestResponseCycle) -> None:
    """The handler's `receive` says so, and says nothing to the client; what it sends is dropped."""
    cycle.disconnected, cycle.waiting_for_100_continue = True, False
    cycle.message_event.set()


async def refused(status: int, scope: Scope, receive: Receive, send: Send) -> None:
    """The application for a request whose body is broken."""
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
