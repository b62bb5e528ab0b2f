"""Two who listen to one client: one for the body, and one for its going away."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

import pytest

from millpond.errors import UnreadBodyError
from millpond.render.request.client_messages import ClientMessages
from ponds import turns

if TYPE_CHECKING:
    from starlette.types import Message

pytestmark = pytest.mark.anyio

GONE = {"type": "http.disconnect"}


class Client:
    """What a server would have received."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.asked = self.at_once = 0

    def send(self, body: bytes, *, more: bool = True) -> None:
        self.messages.put_nowait({"type": "http.request", "body": body, "more_body": more})

    def leave(self) -> None:
        self.messages.put_nowait(GONE)

    async def receive(self) -> Message:
        self.asked += 1
        self.at_once += 1
        assert self.at_once == 1, "a server bears one at a time"
        try:
            return await self.messages.get()
        finally:
            self.at_once -= 1


async def read(messages: ClientMessages) -> list[bytes]:
    parts, more = [], True
    while more:
        message = await messages.receive()
        if message == GONE:
            parts.append(b"gone")
            break
        parts.append(message["body"])
        more = message["more_body"]
    return parts


async def test_who_waits_for_the_client_to_go_takes_nothing_of_the_body() -> None:
    client = Client()
    messages = ClientMessages(client.receive)
    listener = asyncio.create_task(messages.wait_for_disconnect())
    client.send(b"a")
    await turns()
    reader = asyncio.create_task(read(messages))
    await turns()
    client.send(b"b")
    await turns()
    client.send(b"c", more=False)
    assert await reader == [b"a", b"b", b"c"]
    assert not listener.done()
    client.leave()
    assert await listener == GONE


async def test_a_receive_that_never_waits_holds_nobody_up_and_keeps_nothing_more() -> None:
    """Written by hand, as in tests of ASGI applications, it gives the same empty body each time."""
    asked = 0

    async def receive() -> Message:
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": b"", "more_body": False}

    messages = ClientMessages(receive)
    listener = asyncio.create_task(messages.wait_for_disconnect())
    await turns()
    assert asked > 1
    assert not listener.done()
    listener.cancel()
    assert await read(messages) == [b""]
    assert messages._buffer == deque()


async def test_both_learn_that_the_client_has_gone() -> None:
    client = Client()
    messages = ClientMessages(client.receive)
    reader = asyncio.create_task(read(messages))
    await turns()
    listener = asyncio.create_task(messages.wait_for_disconnect())
    client.send(b"a")
    await turns()
    client.leave()
    assert await reader == [b"a", b"gone"]
    assert await listener == GONE
    assert await messages.receive() == GONE
    assert client.asked == 2


async def test_a_listener_that_is_ended_loses_nothing() -> None:
    client = Client()
    messages = ClientMessages(client.receive)
    listener = asyncio.create_task(messages.wait_for_disconnect())
    await turns()
    client.send(b"a")
    await turns()
    listener.cancel()
    await turns()
    client.send(b"b", more=False)
    assert await read(messages) == [b"a", b"b"]


async def test_no_more_is_held_than_the_bound_allows() -> None:
    client = Client()
    messages = ClientMessages(client.receive, buffer_bytes=10)
    listener = asyncio.create_task(messages.wait_for_disconnect())
    for _ in range(8):
        client.send(b"x" * 4)
    client.leave()
    await turns(100)
    assert client.messages.qsize() == 6  # three are held, and fill it
    for _ in range(3):
        await messages.receive()
    await turns(100)
    assert client.messages.qsize() == 3
    listener.cancel()


async def test_a_body_that_the_handler_leaves_alone_keeps_nobody_from_noticing_that_the_client_has_gone() -> None:
    client = Client()
    messages = ClientMessages(client.receive, buffer_bytes=10, read_seconds=0.01)
    for _ in range(8):
        client.send(b"x" * 4)
    client.leave()
    async with asyncio.timeout(5):
        assert await messages.wait_for_disconnect() == GONE
    with pytest.raises(UnreadBodyError, match=r"left unread for 0\.01 s"):
        await messages.receive()


async def test_a_handler_that_waits_for_a_slow_client_keeps_the_body() -> None:
    client = Client()
    messages = ClientMessages(client.receive, buffer_bytes=10, read_seconds=0.01)
    reads = asyncio.Event()

    async def send(message: Message) -> None:
        await reads.wait()

    async def answer() -> None:
        await messages.tracking(send)({"type": "http.response.body"})

    sending = asyncio.create_task(answer())
    listener = asyncio.create_task(messages.wait_for_disconnect())
    for number in range(8):
        client.send(b"%04d" % number, more=number < 7)
    await asyncio.sleep(0.05)  # several times the patience
    reads.set()
    await sending
    assert await read(messages) == [b"%04d" % number for number in range(8)]
    listener.cancel()
