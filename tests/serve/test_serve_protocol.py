"""What the protocol at the socket leaves to uvicorn, and what it does as uvicorn does."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from moved_loop import Timers
from three_ways import Wire, three_ways

from ponds import turns

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

GET = b"GET /plain HTTP/1.1\r\nHost: x\r\n\r\n"
LIVE = b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n"


def connect(way: Any) -> tuple[Any, Wire, Timers]:
    timers = Timers()
    protocol, wire, _ = way.connect(timers)
    return protocol, wire, timers


async def test_a_client_that_does_not_read_is_not_written_to(project: Project) -> None:
    async with three_ways(project) as ways:
        protocol, wire, _ = ways.socket.connect()
        protocol.data_received(GET)
        once = bytes(wire.written)
        protocol.pause_writing()
        for _ in range(3):
            protocol.data_received(GET)
        await asyncio.sleep(0)
        assert bytes(wire.written) == once
        protocol.resume_writing()
        while protocol.server_state.tasks:
            await asyncio.wait(protocol.server_state.tasks)
        assert bytes(wire.written) == once * 4


async def test_remembered_bytes_keep_their_place_behind_requests_that_wait(project: Project) -> None:
    async with three_ways(project) as ways:
        await ways.socket.say([GET])  # so that they are remembered
        protocol, wire, state = ways.socket.connect()
        protocol.data_received(LIVE + LIVE)
        for piece in (GET, LIVE, GET):
            protocol.data_received(piece)
            await asyncio.sleep(0)
        while state.tasks or protocol.pipeline:
            await turns(2)
        told = [line for line in bytes(wire.written).split(b"\r\n") if line.startswith(b"{")]
        assert [b"agent" in line for line in told] == [True, True, False, True, False]


async def test_a_connection_that_is_closing_gets_nothing_more(project: Project) -> None:
    async with three_ways(project) as ways:
        protocol, wire, state = ways.socket.connect()
        protocol.data_received(GET)
        protocol.transport.close()
        written = bytes(wire.written)
        protocol.data_received(GET)
        await asyncio.gather(*state.tasks)
        assert wire.closed
        assert bytes(wire.written) == written


async def test_who_has_just_connected_is_answered_before_the_server_ends(project: Project) -> None:
    async with three_ways(project) as ways:
        for way in (ways.socket, ways.asgi):
            protocol, wire, timers = connect(way)
            protocol.shutdown()
            assert not wire.closed
            protocol.data_received(GET)
            await asyncio.gather(*protocol.server_state.tasks)
            assert b"connection: close" in wire.written
            assert b'{"plain":true}' in wire.written
            assert wire.closed
            timers.move(5)


async def test_who_uses_its_connection_is_answered_once_more_before_the_server_ends(project: Project) -> None:
    async with three_ways(project) as ways:
        for way in (ways.socket, ways.asgi):
            protocol, wire, timers = connect(way)
            protocol.data_received(GET)
            await asyncio.gather(*protocol.server_state.tasks)
            wire.written.clear()
            protocol.shutdown()
            assert not wire.closed
            protocol.data_received(GET)
            await asyncio.gather(*protocol.server_state.tasks)
            assert b"connection: close" in wire.written
            assert b'{"plain":true}' in wire.written
            assert wire.closed
            timers.move(5)


async def test_a_connection_that_was_not_used_for_long_is_closed_at_once_when_the_server_ends(
    project: Project,
) -> None:
    async with three_ways(project) as ways:
        protocol, wire, timers = connect(ways.socket)
        protocol.data_received(GET)
        for _ in range(8):
            timers.move(1)
        protocol.shutdown()
        assert wire.closed


async def test_who_has_connected_and_asks_nothing_is_left_when_the_server_ends(project: Project) -> None:
    async with three_ways(project) as ways:
        protocol, wire, timers = connect(ways.socket)
        protocol.shutdown()
        timers.move(0.9)
        assert not wire.closed
        timers.move(0.2)
        assert wire.closed
        assert not wire.written


async def test_a_limit_on_concurrency_is_left_to_uvicorn(project: Project) -> None:
    async with three_ways(project) as ways:
        protocol, wire, state = ways.socket.connect()
        protocol.limit_concurrency = 0
        protocol.data_received(GET)
        await asyncio.gather(*state.tasks)
        assert bytes(wire.written).startswith(b"HTTP/1.1 503 ")


async def test_a_body_that_breaks_is_one_line_in_the_log_and_no_traceback(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    broken = b"POST /live HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nZZ\r\n"
    async with three_ways(project) as ways:
        for way in (ways.socket, ways.asgi):
            caplog.clear()
            with caplog.at_level(logging.INFO):
                seen = await way.say([broken[:70], broken[70:]])
            assert seen.written.startswith(b"HTTP/1.1 400 ")
            (told,) = [record for record in caplog.records if record.name != "millpond.access"]
            assert told.getMessage() == "POST /live: the client went away before the body's end"
            assert told.exc_info is None
            assert seen.logged[-1][0] == "POST /live 400"


@pytest.mark.parametrize("secret", [b"Authorization: Bearer x", b"Cookie: session=1", b"Proxy-Authorization: Basic x"])
async def test_a_request_with_a_secret_is_answered_and_not_remembered(project: Project, secret: bytes) -> None:
    request = b"GET /plain HTTP/1.1\r\nHost: x\r\n" + secret + b"\r\n\r\n"
    async with three_ways(project) as ways:
        assert b"200 OK" in (await ways.socket.say([request])).written
        assert ways.pond.hits is not None
        assert ways.pond.hits.recall(request) is None


async def test_an_editor_takes_the_long_way_in_every_way(project: Project) -> None:
    async with three_ways(project) as ways:
        manifest = ways.pond.manifest()
        assert manifest is not None
        cookie = b"Cookie: a=b; __prerender_bypass=" + manifest.draft_secret.encode()
        draft = b"GET /plain HTTP/1.1\r\nHost: x\r\n" + cookie + b"\r\n\r\n"
        for _ in range(2):
            seen = await ways.compare([GET, draft, GET])
        assert seen.written.count(b"x-nextjs-cache: BYPASS") == 1
        assert seen.written.count(b"x-nextjs-cache: HIT") == 2
    assert ways.differences == []


@pytest.mark.parametrize("extra", [b"\r\n", b"GET /plain", GET])
async def test_only_a_piece_that_is_one_whole_request_is_remembered(project: Project, extra: bytes) -> None:
    async with three_ways(project) as ways:
        await ways.socket.say([GET + extra])
        assert ways.pond.hits is not None
        assert (ways.pond.hits.recall(GET + extra) is None) is (extra != b"\r\n")
        await ways.compare([GET + extra, GET, GET + extra, GET])
    assert ways.differences == []


@pytest.mark.parametrize(
    "before",
    [
        b"POST /live HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(GET),
        b"POST /live HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(GET),
        b"GET /plain HTTP/1.1\r\nHost: x\r\nX-Header: begun",
        b"GET /plain HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"GET /live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ],
)
async def test_remembered_bytes_that_are_part_of_something_else_are_no_request(project: Project, before: bytes) -> None:
    async with three_ways(project) as ways:
        await ways.socket.say([GET])
        assert ways.pond.hits is not None
        assert ways.pond.hits.recall(GET) is not None
        await ways.compare([before, GET, GET])
    assert ways.differences == []


@pytest.mark.parametrize("last", [b"\n", b"\r\n", b"\n\r\n", b"\r\n\r\n", b"c\r\n\r\n"])
async def test_the_end_of_a_head_that_was_read_twice_is_no_request(project: Project, last: bytes) -> None:
    """Where an upgrade is ignored, the head is parsed again without it: from its start, not from that of the piece."""
    head = b"GET /plain HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    async with three_ways(project) as ways:
        await ways.socket.say([GET])
        assert b"200 OK" in (await ways.compare([head[: -len(last)], last])).written
        assert ways.pond.hits is not None
        assert ways.pond.hits.recall(last) is None
        assert (await ways.socket.say([b"\n"])).written == b""


async def test_remembered_bytes_do_not_overtake_requests_that_were_sent_together(project: Project) -> None:
    """Many hits sent at once are answered some at a time, and the rest is held: here, from the start of a message."""
    head = b"HEAD /plain HTTP/1.1\r\nHost: x\r\nX-Padding: %s\r\n\r\n"
    head %= b"p" * (64 - len(head % b""))
    async with three_ways(project) as ways:
        await ways.socket.say([GET])
        once = bytes((await ways.socket.say([GET])).written)
        protocol, wire, _ = ways.socket.connect()
        protocol.data_received(head * 200)
        protocol.data_received(GET)
        await turns(20)
        written = bytes(wire.written)
        assert written.count(b"HTTP/1.1 200 OK") == 201
        assert written.count(b'{"plain":true}') == 1
        assert written.endswith(once)


DRAWN = b"GET /drawn HTTP/1.1\r\nHost: x\r\n\r\n"
DRAWING = """
import secrets
from millpond import cache_tag, cached
revalidate = 600


@cached
def tagged():
    cache_tag("news")


def GET():
    tagged()
    return secrets.token_hex()
"""


async def test_a_request_that_is_remembered_gets_the_new_answer_within_the_same_second(project: Project) -> None:
    project.routes({"/drawn": DRAWING})
    async with three_ways(project) as ways:
        protocol, wire, state = ways.socket.connect()

        async def asked() -> bytes:
            wire.written.clear()
            protocol.data_received(DRAWN)
            await asyncio.gather(*state.tasks)
            return bytes(wire.written)

        *_, before = [await asked() for _ in range(3)]
        ways.pond.store.invalidate(["news"], expire_after=0)
        *_, after = [await asked() for _ in range(3)]
        assert b"x-nextjs-cache: HIT" in before
        assert b"x-nextjs-cache: HIT" in after
        assert after.rpartition(b"\n")[2] != before.rpartition(b"\n")[2]


async def test_a_request_that_is_remembered_is_told_age_and_date_of_its_moment(project: Project) -> None:
    async with three_ways(project) as ways:
        protocol, wire, state = ways.socket.connect()
        for age, date in ((0, b"one"), (2, b"one"), (2, b"two")):
            project.clock.move(2 if age and date == b"one" else 0)
            state.default_headers = [(b"date", date)]
            for _ in range(2):
                wire.written.clear()
                protocol.data_received(GET)
                assert b"age: %d\r\n" % age in wire.written
                assert b"date: %s\r\n" % date in wire.written


async def test_a_large_answer_is_held_once(project: Project) -> None:
    project.routes({"/large": "dynamic = 'force-static'\ndef GET():\n    return 'x' * 100_000\n"})
    large = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"
    async with three_ways(project) as ways:
        for request, kept in ((large, False), (GET, True)):
            for _ in range(10):
                await ways.socket.say([request])
            assert ways.pond.hits is not None
            remembered = ways.pond.hits.recall(request)
            assert remembered is not None
            assert (remembered.sent is not None) is kept
            project.clock.move(2)
            await ways.socket.say([request])
            assert remembered.sent is None  # it isn't asked for so often that a copy would pay


async def test_a_large_body_is_sent_whole(project: Project) -> None:
    project.routes({"/large": "dynamic = 'force-static'\ndef GET():\n    return 'x' * 100_000\n"})
    large = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"
    async with three_ways(project) as ways:
        for _ in range(3):
            await ways.compare([large])
    assert ways.differences == []


async def test_a_store_that_fails_is_told_as_a_failure_and_not_as_a_bad_request(
    project: Project, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with three_ways(project) as ways:
        assert ways.pond.hits is not None

        def broken() -> int:
            raise OSError("the disk is gone")

        monkeypatch.setattr(ways.pond.hits, "_version", broken)
        with caplog.at_level(logging.ERROR):
            written = (await ways.socket.say([GET])).written
    assert written.startswith(b"HTTP/1.1 500 ")
    assert "a hit of b'/plain' at the socket failed" in caplog.text
    assert "the disk is gone" in caplog.text
