"""The short ways answer as the long one does, to whatever comes. The long form is in `make soak`."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import pytest
from raw_requests import ETAG, script
from three_ways import answers_in, three_ways

from long_form import times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ponds import Project

pytestmark = pytest.mark.anyio
GET = b"GET /plain HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /live HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\nhello worlds"
CHUNKED = b"POST /live HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("uvicorn.error")
    logger.disabled = True  # it says so of each broken request, and there are thousands
    yield
    logger.disabled = False


async def test_generated_requests_get_the_same_bytes_in_every_way(project: Project) -> None:
    async with three_ways(project) as ways:
        for seed in range(times(400, 5000)):
            await ways.follow(script(seed))
    assert ways.differences == []


@pytest.mark.parametrize(
    "request_",
    [
        GET,
        GET + GET,
        b"HEAD /plain HTTP/1.1\r\nHost: x\r\n\r\n" + GET,
        b"GET /long HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip, br\r\n\r\n" + GET,
        b"GET /plain HTTP/1.1\r\nHost: x\r\nIf-None-Match: @ETAG@\r\n\r\n" + GET,
        b"GET /plain HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello" + GET,
        b"GET /plain HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n" + GET,
        b"GET /plain HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + GET,
        b"GET /plain HTTP/1.0\r\n\r\n" + GET,
        b"POST /live HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello" + GET,
        b"\r\n\r\n" + GET,
        CHUNKED + b"2;a=b\r\nhi\r\n0\r\nIf-None-Match: *\r\nAuthorization: x\r\n\r\n" + GET,
        CHUNKED.replace(b"POST /live", b"GET /plain") + b"0\r\nIf-None-Match: *\r\n\r\n" + GET,
        CHUNKED + b"2\r\nhi\r\nZZ\r\n" + GET,
        CHUNKED + b"2\r\nhiX\r\n0\r\n\r\n" + GET,
        b"GET /plain HTTP/1.1\r\n\r\n" + GET,
        b"POST /live HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi" + GET,
    ],
)
async def test_a_request_that_is_cut_anywhere_gets_the_same_bytes(project: Project, request_: bytes) -> None:
    async with three_ways(project) as ways:
        whole = request_.replace(ETAG, ways.etag)
        for at in range(1, len(whole)):
            await ways.compare([whole[:at], whole[at:]])
        await ways.compare([whole[at : at + 1] for at in range(len(whole))])
    assert ways.differences == []


@pytest.mark.parametrize("pause", [20, 100])
async def test_a_request_that_comes_slowly_gets_the_same_bytes(project: Project, pause: float) -> None:
    statuses: set[bytes] = set()
    chunked = CHUNKED + b"2\r\nhi\r\n3;a=b\r\nyou\r\n0\r\nX-Trailer: y\r\n\r\n"
    async with three_ways(project) as ways:
        for whole in (GET, chunked, POST, GET + GET, GET + POST + GET):
            for at in range(1, len(whole), 7):
                seen = await ways.compare([whole[:at], whole[at : at + 9], whole[at + 9 :]], pause)
                statuses |= set(re.findall(rb"HTTP/1.1 (...)", seen.written))
    assert ways.differences == []
    assert statuses == {b"200", b"408"}


async def test_hits_between_live_answers_keep_their_place(project: Project) -> None:
    live = b"GET /live HTTP/1.1\r\nHost: x\r\nUser-Agent: %d\r\n\r\n"
    async with three_ways(project) as ways:
        seen = await ways.compare([GET + live % 1 + GET + GET + live % 2 + GET])
    assert ways.differences == []
    assert answers_in(seen.written, [b"GET"] * 6) == [200] * 6
    told = re.findall(rb'{"(?:plain|agent)":"?(\w+)"?}', seen.written)
    assert told == [b"true", b"1", b"true", b"true", b"2", b"true"]


async def test_the_generator_reaches_hits_of_all_kinds_and_errors(project: Project) -> None:
    """Else the comparison above would say little."""
    statuses: set[bytes] = set()
    async with three_ways(project) as ways:
        for seed in range(400):
            pieces = [piece.replace(ETAG, ways.etag) for piece in script(seed).pieces]
            written = (await ways.socket.say(pieces)).written
            statuses |= {line[9:12] for line in written.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")}
        hits = ways.pond.hits
        assert hits is not None
        assert hits._requests  # some were remembered by their bytes
    assert {b"200", b"304", b"308", b"400", b"404", b"405", b"414", b"431"} <= statuses
