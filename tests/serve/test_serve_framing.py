"""What a message is: heads with one meaning, bodies with an end, and no trailer that passes for a header."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from echo_server import SMALL, serving, talk

from millpond.config import ServerConfig
from millpond.serve.connection.framing import is_host, origin_form, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import Message, Receive, Scope, Send

CHUNKED = b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Seen:
    """An application that remembers its requests, and what `receive` said at last."""

    def __init__(self, *, begins: bool = False) -> None:
        self.begins, self.requests = begins, list[tuple[str, str, dict[str, str], bytes]]()
        self.ends: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.begins:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        body, message = b"", await receive()
        while message["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                break
            message = await receive()
        self.ends.append(message["type"])
        if message["type"] != "http.request":
            return
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        self.requests.append((scope["method"], scope["path"], headers, body))
        if not self.begins:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(headers).encode()})


def told(*pieces: bytes, app: Any = None) -> tuple[bytes, Seen]:
    """All that is answered to `pieces`, and by whom."""
    seen = app or Seen()
    return next(iter(told_each({"": pieces}, seen).values())), seen


def told_each(clients: Mapping[str, Sequence[bytes]], seen: Seen, bounds: ServerConfig = SMALL) -> dict[str, bytes]:
    """What each of many clients is answered that talk to one server at once."""

    async def run() -> list[bytes]:
        async with serving(seen, bounds) as port:
            return await asyncio.gather(*(talk(port, *pieces) for pieces in clients.values()))

    return dict(zip(clients, asyncio.run(run()), strict=True))


def test_trailers_are_no_headers() -> None:
    body = b"5\r\nhello\r\n0\r\nAuthorization: Bearer evil\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n"
    for pieces in ([CHUNKED + body + LAST], [CHUNKED, body[:15], body[15:22], body[22:], LAST]):
        answer, seen = told(*pieces)
        assert answer.count(b"HTTP/1.1 200 ") == 2
        assert b"evil" not in answer
        assert [(path, set(headers), body) for _, path, headers, body in seen.requests] == [
            ("/c", {"host", "transfer-encoding"}, b"hello"),
            ("/last", {"host", "connection"}, b""),
        ]


AROUND = {
    "trailers": [b"0\r\n", *[b"a%d: b\r\n" % number for number in range(500)]],
    "trailers in one piece": [b"0\r\n" + b"".join(b"a%d: b\r\n" % number for number in range(500))],
    "a trailer's value": [b"0\r\na: ", *[b"b" * 1000] * 8],
    "a trailer's name": [b"0\r\n", *[b"n" * 1000] * 8],
    "an extension's value": [b"5;a=", *[b"b" * 1000] * 8],
    "an extension's name": [b"5;", *[b"b" * 1000] * 8],
}


def test_what_is_around_chunks_is_bounded() -> None:
    seen = Seen()
    for name, answer in told_each({name: [CHUNKED, *pieces] for name, pieces in AROUND.items()}, seen).items():
        assert answer.startswith(b"HTTP/1.1 431 "), name
        assert answer.count(b"HTTP/1.1") == 1, name
    assert seen.ends == ["http.disconnect"] * len(AROUND)


def test_a_body_of_many_small_chunks_with_extensions_is_as_long_as_it_wants() -> None:
    many = b"".join(b"1;name=value\r\nx\r\n" for _ in range(3000))
    answer, seen = told(CHUNKED + many + b"0\r\n\r\n" + LAST)
    assert answer.count(b"HTTP/1.1 200 ") == 2
    assert seen.requests[0][3] == b"x" * 3000


BROKEN = {
    "no number": b"ZZ\r\n",
    "a prefix": b"0x2\r\nhi\r\n0\r\n\r\n",
    "a sign": b"-2\r\nhi\r\n0\r\n\r\n",
    "another sign": b"+2\r\nhi\r\n0\r\n\r\n",
    "too large a number": b"FFFFFFFFFFFFFFFFFFF\r\nhi\r\n",
    "no end of a chunk": b"2\r\nhiX\r\n0\r\n\r\n",
    "bare LF": b"2\nhi\n0\n\n",
    "bare LF after a chunk": b"2\r\nhi\n0\r\n\r\n",
    "bare CR": b"2\rhi\r0\r\r",
    "a space": b"2 \r\nhi\r\n0\r\n\r\n",
    "no size": b"\r\nhi\r\n",
    "a broken trailer": b"2\r\nhi\r\n0\r\nno colon\r\n\r\n",
    "a folded trailer": b"2\r\nhi\r\n0\r\na: b\r\n c\r\n\r\n",
    "a NUL in a trailer": b"2\r\nhi\r\n0\r\na: \0\r\n\r\n",
    "a trailer that ends the connection": b"2\r\nhi\r\n0\r\nConnection: close\r\n\r\n",
    "a trailer that ends the connection, for proxies": b"2\r\nhi\r\n0\r\nproxy-connection: close\r\na: b\r\n\r\n",
    "trailers that ask for another protocol": b"2\r\nhi\r\n0\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    "a trailer with a length": b"2\r\nhi\r\n0\r\nContent-Length: 5\r\n\r\n",
    "a trailer with a coding": b"2\r\nhi\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
}


@pytest.mark.parametrize("split", [False, True])
def test_a_broken_body_is_400_and_the_end_of_its_request_and_connection(split: bool) -> None:
    seen = Seen()
    clients = {name: [CHUNKED, each, LAST] if split else [CHUNKED + each + LAST] for name, each in BROKEN.items()}
    for name, answer in told_each(clients, seen).items():
        assert answer.startswith(b"HTTP/1.1 400 "), name
        assert b"connection: close" in answer, name
        assert answer.count(b"HTTP/1.1") == 1, name
    assert seen.ends == ["http.disconnect"] * len(BROKEN)


def test_a_broken_body_ends_an_answer_that_has_begun_in_the_middle() -> None:
    answer, seen = told(CHUNKED, b"ZZ\r\n", app=Seen(begins=True))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"5\r\nbegun\r\n")  # and no last chunk
    assert seen.ends == ["http.disconnect"]


def test_a_body_that_breaks_after_its_answer_ends_the_connection() -> None:
    async def early(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 403, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    answer, _ = told(CHUNKED, b"ZZ\r\n", LAST, app=early)
    assert answer.count(b"HTTP/1.1") == 1


def test_a_broken_body_that_waits_for_its_turn_is_400_after_the_answers_before_it() -> None:
    class Slow(Seen):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await asyncio.sleep(0.05)
            await super().__call__(scope, receive, send)

    first = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"
    answer, seen = told(first % 1 + first % 2 + CHUNKED + b"2\r\nhi\r\nZZ\r\n" + LAST, app=Slow())
    assert [line[:12] for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1")] == [
        b"HTTP/1.1 200",
        b"HTTP/1.1 200",
        b"HTTP/1.1 400",
    ]
    assert [path for _, path, _, _ in seen.requests] == ["/1", "/2"]


HEADS = {
    400: [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: user@a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
        b"GET http://a/ HTTP/1.1\r\n\r\n",
        b"GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    501: [
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    505: [
        b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        b"GET / HTTP/0.9\r\nHost: a\r\n\r\n",
    ],
}


@pytest.mark.parametrize("status", HEADS)
def test_a_head_that_may_mean_two_things_is_refused_before_anybody_sees_it(status: int) -> None:
    seen = Seen()
    whole = {f"{head!r}": [head + LAST] for head in HEADS[status]}
    split = {f"split {head!r}": [head[:20], head[20:], LAST] for head in HEADS[status]}
    for name, answer in told_each({**whole, **split}, seen).items():
        assert answer.startswith(b"HTTP/1.1 %d " % status), name
        assert answer.count(b"HTTP/1.1") == 1, name
    assert seen.ends == []


def test_a_body_over_its_bound_is_413_before_the_handler_runs_where_its_length_is_said() -> None:
    bounds = ServerConfig(max_body_bytes=10, shutdown_timeout=2)
    said = b"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    seen = Seen()
    clients = {
        "said": [said % (1, 11)],
        "said, and sent": [said % (2, 11) + b"x" * 11 + LAST],
        "as long as the bound": [said % (3, 10) + b"x" * 10 + LAST],
        "chunked": [CHUNKED + b"6\r\n123456\r\n", b"6\r\n123456\r\n0\r\n\r\n"],
    }
    answers = told_each(clients, seen, bounds)
    assert {name: answer[:12] for name, answer in answers.items()} == {
        "said": b"HTTP/1.1 413",
        "said, and sent": b"HTTP/1.1 413",
        "as long as the bound": b"HTTP/1.1 200",
        "chunked": b"HTTP/1.1 413",
    }
    assert sorted(path for _, path, _, _ in seen.requests) == ["/3", "/last"]
    assert seen.ends.count("http.disconnect") == 1


def test_an_old_client_needs_no_host() -> None:
    answer, seen = told(b"GET /old HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert seen.requests[0][1] == "/old"


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_body_without_a_length_ends_with_the_connection_for_a_client_that_knows_no_chunks(
    method: str, streamed: bool
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if streamed:
            await send({"type": "http.response.body", "body": b"one, ", "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": True})
        await send({"type": "http.response.body", "body": b"two"})

    answer, _ = told(f"{method} / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".encode(), app=app)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert head.endswith(b"connection: close")
    assert body == (b"" if method == "HEAD" else b"one, two" if streamed else b"two")


@pytest.mark.parametrize("raises", [False, True])
def test_a_body_that_is_not_complete_does_not_pass_for_one_that_is(raises: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one, ", "more_body": True})
        if raises:
            raise ValueError("no more")

    with pytest.raises(ConnectionResetError):
        told(b"GET / HTTP/1.0\r\n\r\n", app=app)


def test_an_answer_that_says_its_length_says_it_to_an_old_client_too() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"Content-Length", b"6")]})
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        await send({"type": "http.response.body", "body": b"def"})

    answer, _ = told(b"GET / HTTP/1.0\r\n\r\n", app=app)
    assert b"\r\ncontent-length: 6\r\n" in answer
    assert answer.endswith(b"\r\n\r\nabcdef")


def test_the_host_of_a_target_in_absolute_form_stands_for_the_header() -> None:
    _, seen = told(b"GET http://a.example:81/p/q?r HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n")
    method, path, headers, _ = seen.requests[0]
    assert (method, path, headers) == ("GET", "/p/q", {"host": "a.example:81", "connection": "close"})
    _, seen = told(b"GET http://a HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n")
    assert seen.requests[0][1] == "/"


def test_a_request_that_would_rather_speak_another_protocol_keeps_its_body() -> None:
    inner = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    head = b"POST /h2c HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    head += b"HTTP2-Settings: AAMAAABk\r\nContent-Length: %d\r\n\r\n" % len(inner)
    for pieces in ([head + inner + LAST], [head, inner, LAST], [head[:40], head[40:] + inner[:7], inner[7:] + LAST]):
        answer, seen = told(*pieces)
        assert [(path, body) for _, path, _, body in seen.requests] == [("/h2c", inner), ("/last", b"")]
        assert answer.count(b"HTTP/1.1 200 ") == 2


def test_after_an_expectation_the_connection_ends_as_nobody_knows_whether_the_body_comes() -> None:
    head = b"POST /e HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 40\r\n\r\n"

    async def early(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 403, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    answer, _ = told(head, LAST, app=early)
    assert answer.count(b"HTTP/1.1") == 1
    assert b"connection: close" in answer
    answer, seen = told(head, b"x" * 40)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")
    assert seen.requests[0][3] == b"x" * 40


def test_nobody_is_told_to_continue_with_a_body_that_is_broken() -> None:
    seen = Seen()
    answer, _ = told(CHUNKED[:-2] + b"Expect: 100-continue\r\n\r\nZZ\r\n", app=seen)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert seen.ends == ["http.disconnect"]


def test_who_speaks_an_old_version_expects_nothing() -> None:
    head = b"POST /e HTTP/1.0\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    answer, _ = told(head, b"hi")
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_a_request_under_way_is_told_of_a_client_that_has_gone_though_others_wait() -> None:
    told_so = asyncio.Event()

    async def streams(scope: Scope, receive: Receive, send: Send) -> None:
        message: Message = {"type": ""}
        while message["type"] != "http.disconnect":
            message = await receive()
        told_so.set()

    async def run() -> None:
        async with serving(streams, SMALL) as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
            await asyncio.sleep(0.05)
            writer.close()
            await asyncio.wait_for(told_so.wait(), 5)

    asyncio.run(run())


def test_hosts_are_names_addresses_and_ports() -> None:
    good = b"a a.example:80 127.0.0.1:8000 [::1] [::1]:80 [v1.x:y] xn--a.example a_b a%20b localhost: a.".split()
    bad = [b"", b":80", b"a:b", b"[::1", b"::1", b"a:123456", b"\xc3\xa4", b"a\tb", b"<a>", b"a" * 400, b"a#", b"%zz"]
    assert [each for each in good if not is_host(each)] == []
    assert [each for each in bad if is_host(each)] == []


def test_a_target_in_absolute_form_has_a_host_and_no_user() -> None:
    assert origin_form(b"HTTP://a") == (b"a", b"/")
    assert origin_form(b"https://[::1]:8443/a/b?c=d") == (b"[::1]:8443", b"/a/b?c=d")
    assert origin_form(b"http://u@a/") is None
    assert origin_form(b"a:80") is None
    assert origin_form(b"http://[::1%25eth0]/") is None  # an authority that no Host header can have
    assert refusal(b"OPTIONS", "1.1", b"*", [(b"host", b"x")]) is None
