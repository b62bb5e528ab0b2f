"""Answers that a WebSocket's endpoint gives: its handshake, and a refusal, are on the same wire as all others."""

from __future__ import annotations

import asyncio
import logging
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from echo_server import serving, talk

from millpond.serve.sending import pass_on

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from ponds import Project

HANDSHAKE = (
    b"GET /room HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
BROKEN = b"a\r\nset-cookie: session=theirs"
SMUGGLED = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nowned"


def answered(*messages: Message) -> bytes:
    """All that goes out when an endpoint sends `messages`."""

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        for message in messages:
            await send(message)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await pass_on(endpoint, scope, receive, send)

    async def run() -> bytes:
        async with serving(app) as port:
            return await talk(port, HANDSHAKE)

    return asyncio.run(run())


def denial(status: Any, body: bytes, *headers: tuple[bytes, bytes]) -> tuple[Message, Message]:
    return (
        {"type": "websocket.http.response.start", "status": status, "headers": list(headers)},
        {"type": "websocket.http.response.body", "body": body},
    )


@pytest.mark.parametrize(
    "messages",
    [
        ({"type": "websocket.accept", "headers": [(b"x-room", BROKEN)]},),
        ({"type": "websocket.accept", "subprotocol": BROKEN.decode()},),
        denial(403, b"no", (b"x-room", BROKEN)),
        denial(999, b"no"),
        denial(101, b"no"),
    ],
)
def test_what_cannot_be_sent_is_an_error_in_one_line(
    messages: tuple[Message, ...], caplog: pytest.LogCaptureFixture
) -> None:
    answer = answered(*messages)
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert b"theirs" not in answer
    told = [record for record in caplog.records if record.levelno >= logging.WARNING]
    [record] = [each for each in told if each.name.startswith("millpond")]
    assert "the answer of WebSocket /room can't be sent: its " in record.getMessage()
    assert record.exc_info is None


@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_refusal_whose_status_allows_no_body_has_none(status: int) -> None:
    answer = answered(*denial(status, SMUGGLED, (b"content-length", b"%d" % len(SMUGGLED))))
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"owned" not in answer
    assert answer.endswith(b"\r\n\r\n")


def test_a_refusal_goes_out_as_it_is() -> None:
    answer = answered(*denial(403, b"members only", (b"content-length", b"12"), (b"x-room", b"a")))
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"x-room: a\r\n" in answer
    assert answer.endswith(b"\r\n\r\nmembers only")


@pytest.mark.anyio
async def test_a_server_without_such_refusals_is_told_to_close() -> None:
    sent: list[Message] = []

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept", "headers": [(b"x-room", BROKEN)]})

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await pass_on(endpoint, {"type": "websocket", "path": "/room"}, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_a_handshake_goes_out_as_it_is() -> None:
    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept", "headers": [(b"x-room", b"a")], "subprotocol": None})
        await send({"type": "websocket.send", "text": "hello"})
        await receive()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await pass_on(endpoint, scope, receive, send)

    async def run() -> bytes:
        async with serving(app) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(HANDSHAKE)
            answer = await asyncio.wait_for(reader.readuntil(b"hello"), 5)
            writer.close()
            return answer

    answer = asyncio.run(run())
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"x-room: a\r\n" in answer


@pytest.mark.anyio
async def test_a_websocket_of_an_application_beside_route_files_is_fastapis(project: Project) -> None:
    source = """
    from fastapi import WebSocket

    def register(app):
        @app.websocket("/room/{name}")
        async def room(websocket: WebSocket, name: str):
            await websocket.accept()
            await websocket.send_text(name)
    """
    project.write({"instrumentation.py": source})
    project.routes({"/": "def GET(): return 1"})
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/room/blue", "headers": [], "query_string": b"", "subprotocols": []}
    async with project.serving() as running:
        await running.pond(scope, receive, send)
    assert [message.get("text", message["type"]) for message in sent] == ["websocket.accept", "blue"]


def test_the_library_that_uvicorn_needs_comes_with_millpond() -> None:
    """Without one, uvicorn answers handshakes with 404. It takes websockets where that is installed."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert "websockets" in [re.split("[<>=;]", each)[0] for each in project["dependencies"]]
