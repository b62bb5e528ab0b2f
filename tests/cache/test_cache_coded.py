"""Answers in content codings, of builds and while serving. The decoders are the libraries' own, and a client's."""

from __future__ import annotations

import gzip
import sys
from typing import TYPE_CHECKING

import brotli  # type: ignore[import-untyped]
import pytest

from millpond.cache.answer import varying
from millpond.cache.coding.compression import compress
from millpond.policy.entry import Entry
from millpond.stores.memory import MemoryStore

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable

    from millpond.policy.entry import Coding
    from ponds import Project

ALL: tuple[Coding, ...] = ("zstd", "br", "gzip")
DECODE: dict[str, Callable[[bytes], bytes]] = {
    "zstd": zstd.decompress,
    "br": brotli.decompress,
    "gzip": gzip.decompress,
}
TEXT = b"The still water is the cache; it drives the mill only when it must. " * 20
LONG = {"/long": "dynamic = 'force-static'\ndef GET():\n    return {'text': 'still water ' * 100}\n"}

ON_DEMAND = (
    "revalidate = 60\ndef generate_static_params():\n    return []\ndef GET(id: str):\n    return {'text': id * 1000}\n"
)


def stored(body: bytes, kind: bytes = b"text/plain", **more: bytes) -> Entry:
    headers = ((b"content-type", kind), *((name.encode(), value) for name, value in more.items()))
    return Entry(key="/", status=200, headers=headers, body=body, rendered_at=0.0, revalidate=None, expire=None)


@pytest.mark.parametrize("coding", ALL)
def test_every_coding_says_the_same_in_fewer_bytes(coding: Coding) -> None:
    coded = compress(TEXT, coding)
    assert DECODE[coding](coded) == TEXT
    assert len(coded) < len(TEXT) * 0.9


@pytest.mark.parametrize("coding", ALL)
def test_what_does_not_get_smaller_has_no_form(coding: Coding) -> None:
    assert compress(brotli.compress(bytes(range(256)) * 400, quality=1) + bytes(range(256)), coding) == b""


@pytest.mark.parametrize("coding", ALL)
def test_equal_bodies_give_equal_bytes_so_that_their_validator_stays(coding: Coding) -> None:
    assert compress(TEXT, coding) == compress(bytes(bytearray(TEXT)), coding)


@pytest.mark.anyio
async def test_a_build_stores_one_form(project: Project) -> None:
    project.routes(LONG)
    async with project.serving() as served:
        await served.get("/long", headers={"accept-encoding": "br"})
        [entry] = [entry for entry in served.pond.store.entries() if entry.kind == "response"]
    assert entry.size < 1200 + 600
    assert (b"vary", b"accept-encoding") in entry.headers


def test_what_may_be_compressed_later_says_that_it_varies_already() -> None:
    assert (b"vary", b"accept-encoding") in varying(stored(TEXT), ALL).headers
    for plain in (stored(TEXT, b"image/png"), stored(b"short"), stored(TEXT, **{"content-encoding": b"br"})):
        assert varying(plain, ALL) is plain
    assert varying(stored(TEXT), ()) == stored(TEXT)


@pytest.mark.anyio
@pytest.mark.parametrize(("accepted", "coding"), [("gzip", "gzip"), ("br", "br"), ("zstd", "zstd")])
async def test_an_answer_of_the_build_is_sent_in_the_coding_that_a_client_asks_for(
    project: Project, accepted: str, coding: str
) -> None:
    project.routes(LONG)
    async with project.serving() as served:
        for _ in range(2):  # the second goes the short way
            answer = await served.get("/long", headers={"accept-encoding": accepted})
            assert answer.headers["content-encoding"] == coding
            assert answer.headers["vary"] == "accept-encoding"
            assert answer.headers["etag"].endswith(f'-{coding}"')
            assert int(answer.headers["content-length"]) < 200
            if coding != "zstd":  # which the client decodes only with a library of its own
                assert answer.json() == {"text": "still water " * 100}


@pytest.mark.anyio
async def test_who_accepts_no_coding_is_told_that_others_get_one(project: Project) -> None:
    project.routes(LONG)
    async with project.serving() as served:
        answer = await served.get("/long", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in answer.headers
    assert answer.headers["vary"] == "accept-encoding"
    assert len(answer.content) == int(answer.headers["content-length"]) > 1000


@pytest.mark.anyio
async def test_the_first_answer_of_a_path_is_coded_and_so_is_a_stale_one(project: Project) -> None:
    project.routes({"/[id]": ON_DEMAND})
    async with project.serving() as served:
        gzipped = {"accept-encoding": "gzip"}
        assert (await served.get("/a", headers=gzipped)).headers["x-nextjs-cache"] == "MISS"
        project.clock.move(61)
        stale = await served.get("/a", headers=gzipped)
        assert (stale.headers["x-nextjs-cache"], stale.headers["content-encoding"]) == ("STALE", "gzip")


@pytest.mark.anyio
async def test_what_is_rendered_while_serving_is_stored_in_one_form_and_sent_in_any(project: Project) -> None:
    project.routes({"/[id]": ON_DEMAND})
    async with project.serving() as served:
        for accepted in ("gzip", "br", "zstd", "identity"):
            for method in ("GET", "HEAD"):
                answer = await served.client.request(method, "/a", headers={"accept-encoding": accepted})
                assert answer.headers.get("content-encoding", "identity") == accepted
                assert answer.headers["vary"] == "accept-encoding"
                size = int(answer.headers["content-length"])
                assert (size > 1000) if accepted == "identity" else (10 < size < 200)
        [entry] = [entry for entry in served.pond.store.entries() if entry.kind == "response"]
    assert entry.body == b'{"text":"' + b"a" * 1000 + b'"}'


@pytest.mark.anyio
async def test_a_client_that_holds_a_coding_that_nobody_has_made_here_is_told_so(project: Project) -> None:
    project.routes({"/[id]": ON_DEMAND})
    async with project.serving() as served:
        plain = (await served.get("/a", headers={"accept-encoding": "identity"})).headers["etag"]
        held = {"accept-encoding": "gzip", "if-none-match": plain[:-1] + '-gzip"'}
        for _ in range(3):
            answer = await served.get("/a", headers=held)
            assert (answer.status_code, answer.headers["etag"]) == (304, held["if-none-match"])


@pytest.mark.anyio
@pytest.mark.parametrize("size", [100_000, 1_500_000])
async def test_a_large_answer_is_the_same_in_every_coding(project: Project, size: int) -> None:
    project.routes({"/[id]": ON_DEMAND.replace("1000", str(size))})
    project.store = MemoryStore(max_bytes=2**22, clock=project.clock)
    async with project.serving() as served:
        for _ in range(4):
            answer = await served.get("/a", headers={"accept-encoding": "gzip"})
            assert answer.json() == {"text": "a" * size}
            await served.settle()
        assert answer.headers["content-encoding"] == "gzip"


@pytest.mark.anyio
async def test_an_answer_that_is_compressed_already_is_left_alone(project: Project) -> None:
    project.routes(
        {
            "/own": """
            import gzip
            from millpond import Response

            dynamic = "force-static"


            def GET():
                body = gzip.compress(b"a" * 5000, mtime=0)
                return Response(body, media_type="text/plain", headers={"content-encoding": "gzip"})
            """
        }
    )
    async with project.serving() as served:
        answer = await served.get("/own", headers={"accept-encoding": "br"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.text == "a" * 5000
    assert "vary" not in answer.headers


@pytest.mark.anyio
async def test_codings_can_be_turned_off(project: Project) -> None:
    project.routes(LONG)
    async with project.serving(cache={"codings": ()}) as served:
        answer = await served.get("/long", headers={"accept-encoding": "br"})
    assert "content-encoding" not in answer.headers
    assert "vary" not in answer.headers
