"""fetch.stream(): piece by piece, uncached, and ended with the client; over real connections."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import uvicorn

from millpond import fetch
from millpond.config import ServerConfig
from millpond.errors import UsageError
from millpond.serve.connection.bounded import bounded_protocol
from millpond.serve.processes.addresses import bind
from ponds import cache_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ponds import Project, Running

pytestmark = pytest.mark.anyio

PATIENCE = 5
"""Seconds; nothing here takes that long."""


@dataclass
class Events:
    """An upstream that sends a piece each time it is told to, and notices when nobody reads any more."""

    url: str = ""
    head: str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Own: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
    pieces: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    requests: int = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self.head.encode())
        reading = asyncio.ensure_future(reader.read())
        piece: asyncio.Future[bytes | None] | None = None
        try:
            while True:
                piece = asyncio.ensure_future(self.pieces.get())
                await asyncio.wait((reading, piece), return_when=asyncio.FIRST_COMPLETED)
                if reading.done():
                    self.gone.set()
                    return
                text = piece.result() or b""
                writer.write(b"%x\r\n%b\r\n" % (len(text), text))
                await writer.drain()
                if not text:
                    return
        finally:
            reading.cancel()
            if piece is not None:
                piece.cancel()
            writer.close()


@asynccontextmanager
async def events() -> AsyncIterator[Events]:
    served = Events()
    server = await asyncio.start_server(served.handle, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield served


RELAYS = {
    "/generator": """
    from millpond import StreamingResponse, fetch
    async def relayed():
        async with fetch.stream(URL) as answer:
            async for piece in answer.aiter_bytes():
                yield piece
    def POST():
        return StreamingResponse(relayed(), media_type="text/event-stream")
    """,
    "/dependency": """
    from typing import Annotated
    import httpx2
    from fastapi import Depends
    from millpond import fetch
    async def upstream():
        async with fetch.stream(URL) as answer:
            yield answer
    async def GET(answer: Annotated[httpx2.Response, Depends(upstream)]):
        return answer
    POST = GET
    """,
    "/lines": """
    from millpond import StreamingResponse, fetch
    async def relayed():
        async with fetch.stream(URL, headers={"accept": "text/event-stream"}) as answer:
            async for line in answer.aiter_lines():
                yield line + "\\n"
    def GET(request):
        request.headers.get("x")
        return StreamingResponse(relayed(), media_type="text/event-stream")
    POST = GET
    """,
}


@asynccontextmanager
async def over_a_socket(project: Project) -> AsyncIterator[tuple[httpx2.AsyncClient, Running]]:
    """Clients of a server, as `millpond start` makes it."""
    async with project.started() as running:
        protocol = bounded_protocol(ServerConfig())
        config = uvicorn.Config(running.pond, http=protocol, log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        (sock,) = bind("127.0.0.1", 0)
        sock.listen(64)
        serving = asyncio.create_task(server.serve([sock]))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        try:
            async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE) as client:
                yield client, running
        finally:
            server.should_exit = True
            await serving


@pytest.mark.parametrize("path", RELAYS)
async def test_a_relay_passes_each_piece_on_at_once_and_ends_with_its_client(project: Project, path: str) -> None:
    project.routes(RELAYS)
    async with events() as source, over_a_socket(project) as (client, running):
        running.module(path).URL = source.url
        async with asyncio.timeout(PATIENCE), client.stream("POST", path) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.headers.get("x-own") == ("1" if path == "/dependency" else None)
            pieces = answer.aiter_bytes()
            for number in range(3):  # the upstream sends the next one after the one before has arrived
                source.pieces.put_nowait(b"data: %d\n\n" % number)
                event = b""
                while not event.endswith(b"\n\n"):
                    event += await anext(pieces)
                assert event == b"data: %d\n\n" % number
            assert not source.gone.is_set()
        async with asyncio.timeout(PATIENCE):
            await source.gone.wait()


async def test_a_relay_ends_where_its_upstream_ends(project: Project) -> None:
    project.routes(RELAYS)
    async with events() as source, over_a_socket(project) as (client, running):
        running.module("/dependency").URL = source.url
        for piece in (b"a", b"b", None):
            source.pieces.put_nowait(piece)
        assert (await client.get("/dependency")).text == "ab"
        source.head = source.head.replace("200 OK", "503 Later")
        source.pieces.put_nowait(None)
        assert (await client.get("/dependency")).status_code == 503


async def test_an_answer_comes_piece_by_piece_decoded_and_without_headers_of_its_coding() -> None:
    async with events() as source:
        source.head = source.head.replace("X-Own: 1", "Content-Encoding: gzip")
        packer = zlib.compressobj(wbits=31)
        async with asyncio.timeout(PATIENCE), fetch.stream(source.url) as answer:
            assert "content-encoding" not in answer.headers
            assert (answer.status_code, answer.is_closed, str(answer.url)) == (200, False, source.url)
            assert answer.elapsed.total_seconds() >= 0
            pieces = answer.aiter_bytes()
            for text in (b"one", b"two"):
                source.pieces.put_nowait(packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH))
                assert await anext(pieces) == text
            source.pieces.put_nowait(packer.flush())
            source.pieces.put_nowait(None)
            assert [piece async for piece in pieces] == []


async def test_more_than_any_limit_goes_through_in_little_memory() -> None:
    async with events() as source:
        source.head = source.head.replace("X-Own: 1", "Content-Encoding: gzip")
        source.pieces.put_nowait(gzip.compress(bytes(48 * 2**20), 1))
        source.pieces.put_nowait(None)
        size = largest = 0
        async with fetch.stream(source.url) as answer:
            async for piece in answer.aiter_bytes():
                size, largest = size + len(piece), max(largest, len(piece))
        assert size == 48 * 2**20
        assert largest < 2**23


async def test_silence_has_a_limit_and_a_stream_has_none() -> None:
    async with events() as source:
        async with fetch.stream(source.url, timeout=0.15) as answer:
            pieces = answer.aiter_bytes()
            for _ in range(4):
                await asyncio.sleep(0.05)
                source.pieces.put_nowait(b"x")
                assert await anext(pieces) == b"x"
            with pytest.raises(httpx2.ReadTimeout):
                await anext(pieces)
        async with asyncio.timeout(PATIENCE):
            await source.gone.wait()


async def test_an_answer_that_never_begins_is_left() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(httpx2.TimeoutException):
            async with fetch.stream(url, timeout=0.05):
                pass


async def test_the_connection_of_an_answer_that_can_not_be_decoded_is_closed() -> None:
    async with events() as upstream, httpx2.AsyncClient() as client:
        upstream.head = upstream.head.replace("X-Own: 1", f"Content-Encoding: {', '.join(['gzip'] * 6)}")
        with pytest.raises(httpx2.DecodingError, match="6 content codings"):
            async with fetch.stream(upstream.url, client=client):
                pass
        await asyncio.wait_for(upstream.gone.wait(), PATIENCE)


async def test_a_stream_makes_its_route_live(project: Project) -> None:
    async with events() as source:
        project.routes(
            {
                "/": f"""
                from millpond import fetch
                revalidate = 60
                async def GET():
                    async with fetch.stream("{source.url}") as answer:
                        return (await answer.aread()).decode()
                """
            }
        )
        records = await project.built()
        assert (records["/"].static, records["/"].why) == (False, "fetch.stream()")
        async with project.serving() as running:
            for text in (b"a", b"b"):
                source.pieces.put_nowait(text)
                source.pieces.put_nowait(None)
                answer = await running.get("/")
                assert (answer.json(), cache_of(answer)) == (text.decode(), None)


async def test_only_cache_refuses_it(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    live = 'fetch_cache = "only-cache"\ndynamic = "force-dynamic"\nfrom millpond import fetch\n'
    project.routes({"/": f'{live}async def GET():\n    async with fetch.stream("http://up/"): pass\n'})
    async with project.started() as running:
        assert (await running.get("/")).status_code == 500
    assert 'app/route.py:5: fetch.stream() in a route with fetch_cache = "only-cache"' in caplog.text


async def test_what_was_closed_before_it_was_read_says_how_it_is_relayed(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    async with events() as source:
        live = 'dynamic = "force-dynamic"\nfrom millpond import fetch\n'
        route = (
            f'{live}async def GET():\n    async with fetch.stream("{source.url}") as answer:\n        return answer\n'
        )
        project.routes({"/": route})
        async with project.started() as running:
            assert (await running.get("/")).status_code == 500
        assert "open it in a dependency with `yield`" in caplog.text


# Own paths


OWN = {
    "/": """
    from millpond import StreamingResponse, fetch
    PATH = ""
    async def relayed():
        async with fetch.stream(PATH, method="POST", content="body") as answer:
            yield f"{answer.status_code} "
            async for piece in answer.aiter_bytes():
                yield piece
    def POST():
        return StreamingResponse(relayed())
    """,
    "/ticks": """
    import asyncio
    from millpond import StreamingResponse
    next_one, ended = asyncio.Event(), asyncio.Event()
    async def ticks(body):
        try:
            yield body
            await next_one.wait()
            yield b"second"
            await asyncio.Event().wait()
        finally:
            ended.set()
    async def POST(request):
        return StreamingResponse(ticks(await request.body()))
    """,
    "/fails": """
    from millpond import StreamingResponse
    async def half():
        yield b"half"
        raise OSError("gone")
    def POST(): return StreamingResponse(half())
    """,
    "/go": 'from millpond import redirect\ndef POST(): redirect("/ticks")\n',
}


@pytest.mark.parametrize("path", ["/ticks", "/go"])
async def test_an_own_path_is_streamed_too_and_ends_with_its_reader(project: Project, path: str) -> None:
    project.routes(OWN)
    async with over_a_socket(project) as (client, running):
        running.module("/").PATH = path
        ticks = running.module("/ticks")
        async with asyncio.timeout(PATIENCE), client.stream("POST", "/") as answer:
            pieces = answer.aiter_bytes()
            seen = b""
            while seen != b"200 body":
                seen += await anext(pieces)
            ticks.next_one.set()
            assert await anext(pieces) == b"second"
            assert not ticks.ended.is_set()
        async with asyncio.timeout(PATIENCE):
            await ticks.ended.wait()


async def test_an_own_path_that_breaks_off_is_an_error(project: Project) -> None:
    project.routes(OWN)
    async with project.started():
        with pytest.raises((httpx2.RemoteProtocolError, OSError)):
            async with fetch.stream("/fails", method="POST") as answer:
                await answer.aread()
        async with fetch.stream("/nowhere") as answer:
            assert answer.status_code == 404


async def test_without_an_application_an_own_path_is_refused() -> None:
    with pytest.raises(UsageError, match="a path needs a running application"):
        async with fetch.stream("/items"):
            pass


async def test_a_route_that_streams_itself_is_a_circle(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    route = """
    from millpond import fetch
    dynamic = "force-dynamic"
    async def GET():
        async with fetch.stream("/") as answer:
            return answer.status_code
    """
    project.routes({"/": route})
    async with project.started() as running:
        answer = await asyncio.wait_for(running.get("/"), PATIENCE)
        assert answer.status_code == 500
    assert "is circular" in caplog.text


@pytest.mark.parametrize("given", [{"redirect": "no"}, {"retries": -1}, {"content": iter([b"x"])}])
async def test_options_are_checked(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        async with fetch.stream("http://up/", **given):
            pass
