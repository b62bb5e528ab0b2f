"""How long live answers say that they are, and what a client on the same connection reads after them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import h11
import pytest
from echo_server import serving

if TYPE_CHECKING:
    from starlette.types import Message

    from ponds import Project

pytestmark = pytest.mark.anyio

OWN = """
from millpond import Response, StreamingResponse
from starlette.background import BackgroundTask

class Own(Response):
    async def __call__(self, scope, receive, send):
        for message in self.messages:
            await send(message)

def own(headers, *parts, status=200):
    answer = Own()
    start = {"type": "http.response.start", "status": status, "headers": headers}
    bodies = [{"type": "http.response.body", "body": part, "more_body": True} for part in parts]
    bodies[-1]["more_body"] = False
    answer.messages = [start, *bodies]
    return answer

LENGTH = b"content-length"
"""
WHOLE = {
    "too long": "return Response(b'abc', headers={'content-length': '9'})",
    "too short": "return Response(b'abc', headers={'content-length': '1'})",
    "no number": "return Response(b'abc', headers={'content-length': 'many'})",
    "twice": "return own([(LENGTH, b'9'), (b'Content-Length', b'3')], b'abc')",
    "two in one": "return own([(LENGTH, b'3, 3')], b'abc')",
    "chunked": "return Response(b'abc', headers={'transfer-encoding': 'chunked'})",
    "chunked, and with a length": "return own([(LENGTH, b'3'), (b'Transfer-Encoding', b'chunked')], b'abc')",
    "none": "return own([], b'abc')",
    "a stream's, and true": "return own([(LENGTH, b'3')], b'a', b'', b'bc')",
    "a stream's, twice and true": "return own([(LENGTH, b'3'), (LENGTH, b'3')], b'a', b'bc')",
    "a stream's, and contradictory": "return own([(LENGTH, b'3'), (LENGTH, b'4')], b'a', b'bc')",
    "a stream's, and no number": "return own([(LENGTH, b'-3')], b'a', b'bc')",
    "a stream's, chunked": "return own([(LENGTH, b'9'), (b'transfer-encoding', b'gzip, chunked')], b'abc')",
    "made by FastAPI": "return StreamingResponse(iter([b'a', b'bc']))",
}
BODILESS = {
    "204": "return Response(b'abc', 204, {'content-length': '3'})",
    "205": "return Response(b'abc', 205)",
    "304": "return Response(b'', 304, {'content-length': '3', 'etag': 'x'})",
    "304 with a stream": "return own([(LENGTH, b'3')], b'a', b'bc', status=304)",
}
BROKEN = {
    "too much": ("return own([(LENGTH, b'2')], b'a', b'bc', b'')", "longer"),
    "too little": ("return own([(LENGTH, b'4')], b'a', b'bc')", "shorter"),
}


def path(name: str) -> str:
    return "/" + "".join(letter if letter.isalnum() else "-" for letter in name)


def routes(handlers: dict[str, str]) -> dict[str, str]:
    source = "dynamic = 'force-dynamic'\ndef GET():\n    "
    return {path(name): f"{OWN}\n{source}{handler}\n" for name, handler in handlers.items()}


async def read(port: int, *requests: tuple[str, str]) -> list[tuple[int, dict[str, str], bytes]]:
    """The answers to requests of one connection, by a parser that doesn't forgive; what is left over is an error."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client, answers = h11.Connection(h11.CLIENT), []
    try:
        for method, target in requests:
            writer.write(client.send(h11.Request(method=method, target=target, headers=[("host", "x")])) or b"")
            client.send(h11.EndOfMessage())
            head, body = None, b""
            while not isinstance(event := client.next_event(), h11.EndOfMessage):
                if event is h11.NEED_DATA:
                    client.receive_data(await asyncio.wait_for(reader.read(65536), 5))
                elif isinstance(event, h11.Response):
                    head = event
                elif isinstance(event, h11.Data):
                    body += event.data
            assert head is not None
            headers = {name.decode(): value.decode() for name, value in head.headers}
            assert len(headers) == len(list(head.headers))
            answers.append((head.status_code, headers, body))
            client.start_next_cycle()
    finally:
        writer.close()
    return answers


async def test_a_live_answer_is_as_long_as_it_says_and_the_next_one_follows(project: Project) -> None:
    project.routes(routes({**WHOLE, **BODILESS}))
    pond = project.pond()
    async with serving(pond) as port:
        for name in WHOLE:
            (status, headers, body), (head_status, head, nothing), after = await read(
                port, ("GET", path(name)), ("HEAD", path(name)), ("GET", path("none"))
            )
            assert (name, status, body, after[2]) == (name, 200, b"abc", b"abc")
            assert headers.get("content-length", "3") == "3"
            assert ("content-length" in headers) is not ("transfer-encoding" in headers)
            assert (head_status, nothing) == (200, b"")
            assert head.get("content-length", "3") == "3"
        for name in BODILESS:
            (status, headers, body), after = await read(port, ("GET", path(name)), ("GET", path("none")))
            assert (status, body, after[2]) == (int(name[:3]), b"", b"abc")
            assert headers.get("content-length", "0") == "0"


async def test_a_stream_that_breaks_its_word_ends_the_connection_and_names_the_route(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.routes(routes({name: handler for name, (handler, _) in BROKEN.items()}))
    async with serving(project.pond()) as port:
        for name, (_, word) in BROKEN.items():
            with pytest.raises(h11.RemoteProtocolError):
                await read(port, ("GET", path(name)))
            wanted = (
                f"the answer of GET {path(name)} can't be sent: its streamed body is {word} than the content-length"
            )
            assert wanted in caplog.text
            assert f"app{path(name)}/route.py:" in caplog.text


async def test_the_head_of_an_answer_without_a_length_isnt_kept_waiting(project: Project) -> None:
    """A stream of events says nothing for minutes, and a client wants to know that it is connected."""
    project.routes(
        {
            "/": """
        import asyncio
        from millpond import StreamingResponse
        dynamic = "force-dynamic"
        released = asyncio.Event()
        async def events():
            await released.wait()
            yield b"event"
        def GET(): return StreamingResponse(events())
        """
        }
    )
    async with project.started() as running:
        begun = asyncio.Event()

        async def receive() -> Message:
            await asyncio.get_running_loop().create_future()
            raise AssertionError

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                begun.set()

        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "method": "GET",
            "path": "/",
        }
        scope |= {"raw_path": b"/", "query_string": b"", "headers": []}
        answering = asyncio.create_task(running.pond(scope, receive, send))
        await asyncio.wait_for(begun.wait(), 5)
        running.module("/").released.set()
        await asyncio.wait_for(answering, 5)


@pytest.mark.parametrize("status", [99, 102, 199, 600, 999])
async def test_a_status_that_no_answer_can_have_is_500(
    project: Project, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    project.routes({"/": f"from millpond import Response\ndef GET(): return Response('x', {status})"})
    async with project.started() as running:
        assert (await running.get("/")).status_code == 500
    assert f"app/route.py:2: the answer of GET / can't be sent: its status is {status}" in caplog.text
