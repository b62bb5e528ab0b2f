"""Any application, in any chunks, in each coding: clients decode what it has sent, at once."""

from __future__ import annotations

import asyncio
import sys
import zlib
from typing import TYPE_CHECKING, Any

import brotli  # type: ignore[import-untyped]
import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millpond.cache.coding.coding_stream import coding_stream
from millpond.serve.outermost.coding_app import CodingApp

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from millpond.policy.entry import Coding

pytestmark = pytest.mark.anyio

CODINGS: tuple[Coding, ...] = ("zstd", "br", "gzip")


def decoded(coding: str, body: bytes) -> bytes:
    answer = httpx2.Response(200, headers={"content-encoding": coding}, content=body)
    return answer.content


async def sent_by(app: ASGIApp, accept: str, extensions: dict[str, Any] | None = None) -> list[Message]:
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "GET", "headers": [(b"accept-encoding", accept.encode())]}
    await CodingApp(app, CODINGS, varies=False)({**scope, "extensions": extensions or {}}, receive, send)
    return messages


def sending(messages: list[Message]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        for message in messages:
            await send(message)

    return app


def start(*headers: tuple[bytes, bytes]) -> Message:
    return {"type": "http.response.start", "status": 200, "headers": [(b"Content-Type", b"text/plain"), *headers]}


CHUNKS = st.lists(st.one_of(st.binary(max_size=400), st.integers(0, 90_000).map(lambda n: b"ab\xff" * n)), max_size=6)


@settings(max_examples=60, deadline=None)
@given(CHUNKS, st.booleans(), st.booleans(), st.sampled_from(CODINGS))
def test_a_client_decodes_what_the_application_has_sent(
    chunks: list[bytes], declares: bool, ends_apart: bool, coding: Coding
) -> None:
    body = b"".join(chunks)
    if ends_apart or not chunks:
        chunks = [*chunks, b""]
    length = [(b"Content-Length", b"%d" % len(body))] if declares else []
    bodies = [
        {"type": "http.response.body", "body": chunk, "more_body": number < len(chunks)}
        for number, chunk in enumerate(chunks, 1)
    ]
    first, *rest = asyncio.run(sent_by(sending([start(*length), *bodies]), coding))
    headers = dict(first["headers"])
    sent = b"".join(message["body"] for message in rest)
    is_coded = b"content-encoding" in headers
    assert is_coded == (not declares or len(body) >= 256)
    assert (decoded(coding, sent) if is_coded else sent) == body
    assert [message["more_body"] for message in rest] == [True] * (len(rest) - 1) + [False]
    declared = {name.lower(): value for name, value in first["headers"]}.get(b"content-length")
    assert declared is None or int(declared) == len(sent)


DECODE: dict[Coding, Callable[[bytes], bytes]] = {
    "zstd": lambda coded: bytes(zstd.ZstdDecompressor().decompress(coded)),
    "br": lambda coded: bytes(brotli.Decompressor().process(coded)),
    "gzip": lambda coded: zlib.decompressobj(31).decompress(coded),
}
"""What is there of a body that hasn't ended."""


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=5), st.sampled_from(CODINGS))
def test_nothing_is_held_back(pieces: list[bytes], coding: Coding) -> None:
    stream, coded, plain = coding_stream(coding, is_lean=True), b"", b""
    for piece in pieces:
        coded += stream.add(piece, is_last=False)
        plain += piece
        assert DECODE[coding](coded) == plain


@pytest.mark.parametrize("kind", ["http.response.pathsend", "http.response.zerocopysend"])
@pytest.mark.parametrize("length", [(), ((b"content-length", b"3000"),)])
async def test_a_file_that_the_server_sends_is_left_to_it(kind: str, length: tuple[tuple[bytes, bytes], ...]) -> None:
    sent = await sent_by(sending([start(*length), {"type": kind}]), "br", {kind: {}})
    assert [message["type"] for message in sent] == ["http.response.start", kind]
    assert b"content-encoding" not in dict(sent[0]["headers"])


async def test_an_application_that_fails_before_its_body_may_begin_again() -> None:
    whole = {"type": "http.response.body", "body": b"oops"}
    again = {"type": "http.response.start", "status": 500, "headers": [(b"content-length", b"4")]}
    assert await sent_by(sending([start((b"content-length", b"900")), again, whole]), "br") == [again, whole]


async def test_a_slow_client_slows_the_application_down() -> None:
    ready, made = asyncio.Event(), 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal made
        await send(start())
        while made < 4:
            made += 1
            await send({"type": "http.response.body", "body": b"a" * 100_000, "more_body": True})

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            await ready.wait()

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "GET", "headers": [(b"accept-encoding", b"br")]}
    task = asyncio.create_task(CodingApp(app, CODINGS, varies=False)(scope, receive, send))
    await asyncio.sleep(0.05)
    assert (made, task.done()) == (1, False)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
