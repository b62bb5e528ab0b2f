"""The size of what fetch() reads: bodies that are small on the wire and large in memory, and headers without end."""

from __future__ import annotations

import asyncio
import gzip
import sys
import tracemalloc
import zlib
from functools import cache
from typing import TYPE_CHECKING, Any

import brotli  # type: ignore[import-untyped]
import httpx2
import pytest
from upstreams import upstream

from millpond.cache.data import MAX_FETCH_BYTES
from millpond.cache.fetching.upstream import Limits, send, shared_client

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from upstreams import Upstream

    from ponds import Project, Running

pytestmark = pytest.mark.anyio

LIMIT = 2**20
LARGE = 24 * 2**20
NOTHING_AT_LENGTH = b"\x78\x9c" + b"\x00\x00\x00\xff\xff" * (LARGE // 5) + b"\x03\x00\x00\x00\x00\x01"
"""Deflated: block after block that is empty."""

ROUTE = """
import httpx2
from millpond import fetch
dynamic = "force-dynamic"
URL, GIVEN = "", {}
async def GET():
    try:
        return (await fetch(URL, **GIVEN)).text[:50]
    except httpx2.HTTPError as error:
        return f"{type(error).__name__}: {error}"
"""


@cache
def bomb(codings: str) -> bytes:
    """A body that is small, and large once it is decoded."""
    if codings == "deflate, gzip":
        return gzip.compress(NOTHING_AT_LENGTH, 1)
    body = bytes(LARGE)
    for coding in codings.split(", "):
        if coding == "gzip":
            body = gzip.compress(body)
        elif coding == "deflate":
            body = zlib.compress(body)
        elif coding == "br":
            body = brotli.compress(body, quality=3)
        else:
            body = zstd.compress(body)
    return body


CODINGS = ["gzip", "deflate", "br", "zstd", "gzip, gzip", "br, zstd, gzip, deflate", "deflate, gzip"]


async def asked(running: Running, url: str, **given: Any) -> str:
    module = running.module("/")
    module.URL, module.GIVEN = url, given
    return str((await running.get("/")).json())


def refusal(url: str, limit: int = LIMIT) -> str:
    return (
        f"ReadError: GET {url} answered more than the {limit} bytes of cache.max_fetch_bytes; "
        "request less data, or raise that limit."
    )


def explode(source: Upstream, codings: str) -> None:
    source.body, source.headers = bomb(codings), {"Content-Encoding": codings}
    assert len(source.body) < LIMIT // 2


@pytest.mark.parametrize("codings", CODINGS)
async def test_a_body_that_grows_when_it_is_decoded_costs_no_more_than_the_limit(
    project: Project, codings: str
) -> None:
    project.routes({"/": ROUTE})
    async with upstream() as source, project.started(cache={"max_fetch_bytes": LIMIT}) as running:
        explode(source, codings)
        await asked(running, source.url + "/warm")
        tracemalloc.start()
        try:
            outcome = await asked(running, source.url + "/x")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert outcome == refusal(source.url + "/x")
        assert peak < 10 * LIMIT  # some pieces of a megabyte, for each coding


async def test_what_is_too_large_is_an_error_however_it_comes(project: Project) -> None:
    project.routes(
        {
            "/": ROUTE,
            "/whole": "dynamic = 'force-dynamic'\ndef GET(): return 'x' * 2**21",
            "/static": "dynamic = 'force-static'\ndef GET(): return 'x' * 2**21",
            "/endless": "dynamic = 'force-dynamic'\ndef GET():\n    while True: yield 'x' * 1000",
            "/small": "dynamic = 'force-dynamic'\ndef GET(): return 'small'",
        }
    )
    async with upstream() as source, project.started(cache={"max_fetch_bytes": LIMIT}) as running:
        source.body = bytes(LIMIT + 1)
        for given in ({}, {"cache": "force-cache"}, {"cache": "force-cache"}):
            assert await asked(running, source.url + "/x", **given) == refusal(source.url + "/x")
        for status in (404, 500, 200):
            source.status = status
            assert await asked(running, source.url + "/x") == refusal(source.url + "/x")
        source.body = bytes(LIMIT)
        assert await asked(running, source.url + "/x") == "\0" * 50
        for path in ("/whole", "/static", "/endless"):
            assert await asked(running, path) == refusal(f"http://localhost:3000{path}")
        assert await asked(running, "/small") == '"small"'


async def test_the_bodies_of_redirects_and_of_refused_credentials_are_bounded(project: Project) -> None:
    project.routes({"/": ROUTE})
    async with upstream() as source, project.started(cache={"max_fetch_bytes": LIMIT}) as running:
        explode(source, "gzip")
        source.status, source.headers = 302, {**source.headers, "Location": "/other"}
        assert await asked(running, source.url + "/x") == refusal(source.url + "/x")
        source.status = 401
        source.headers = {**source.headers, "WWW-Authenticate": 'Digest realm="r", nonce="n", qop="auth"'}
        async with httpx2.AsyncClient(auth=httpx2.DigestAuth("u", "p")) as client:
            assert await asked(running, source.url + "/x", client=client) == refusal(source.url + "/x")
        assert source.requests == 2


async def test_the_bodies_of_all_redirects_together_are_bounded(project: Project) -> None:
    def hop(request: httpx2.Request) -> httpx2.Response:
        number = int(request.url.path[1:])
        location = {"location": f"/{number + 1}"} if number < 3 else {}
        return httpx2.Response(302 if location else 200, headers=location, content=bytes(LIMIT // 3))

    project.routes({"/": ROUTE})
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(hop), follow_redirects=True)
    async with project.started(cache={"max_fetch_bytes": LIMIT}) as running:
        assert await asked(running, "http://up/0", client=client) == refusal("http://up/3")
        assert await asked(running, "http://up/1", client=client) == "\0" * 50


async def test_headers_without_end_are_an_error(project: Project) -> None:
    project.routes({"/": ROUTE})
    async with upstream() as source, project.started() as running:
        source.headers = {"X-Large": "x" * 2**20}
        assert (await asked(running, source.url)).startswith("RemoteProtocolError")
        source.headers = {"X-Many": "\r\n".join(["1", *("Set-Cookie: a=1" for _ in range(100_000))])}
        assert (await asked(running, source.url)).startswith("RemoteProtocolError")


async def test_too_many_codings_are_an_error(project: Project) -> None:
    project.routes({"/": ROUTE})
    async with upstream() as source, project.started() as running:
        source.headers = {"Content-Encoding": ", ".join(["gzip"] * 1000)}
        assert await asked(running, source.url) == (
            f"DecodingError: GET {source.url} answered in 1000 content codings; the maximum is 5"
        )


HELLO = b"hello " * 1000
WHOLE = {"gzip": gzip.compress(HELLO), "br": brotli.compress(HELLO), "zstd": zstd.compress(HELLO)}


@pytest.mark.parametrize("coding", WHOLE)
async def test_a_compressed_body_that_breaks_off_is_an_error_and_not_stored(project: Project, coding: str) -> None:
    project.routes({"/": ROUTE})
    async with upstream() as source, project.started() as running:
        source.headers = {"Content-Encoding": coding}
        for left in (1, len(WHOLE[coding]) // 2, len(WHOLE[coding]) - 1):
            source.body = WHOLE[coding][:left]
            assert (await asked(running, source.url, cache="force-cache")).startswith("DecodingError")
        source.body = WHOLE[coding]
        assert await asked(running, source.url, cache="force-cache") == HELLO[:50].decode()
        assert await asked(running, source.url, method="HEAD", cache="force-cache") == ""


async def test_all_members_of_a_gzip_body_count_and_nothing_behind_them(project: Project) -> None:
    project.routes({"/": ROUTE})
    async with upstream() as source, project.started() as running:
        source.headers = {"Content-Encoding": "gzip"}
        source.body = b"".join(map(gzip.compress, (b"one ", b"", b"two"))) + bytes(512)
        assert await asked(running, source.url) == "one two"


async def turns_of_others(request: httpx2.Request, client: httpx2.AsyncClient) -> int:
    """How often another task has its turn while an answer is read."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    await send(client, request, Limits(30, MAX_FETCH_BYTES))
    task.cancel()
    return turns


async def test_others_have_their_turn_while_a_large_body_is_decoded() -> None:
    async with upstream() as source:
        explode(source, "deflate, gzip")
        turns = await turns_of_others(httpx2.Request("GET", source.url), shared_client())
        assert turns > LARGE // 2**20


async def test_others_have_their_turn_while_many_empty_members_are_decoded() -> None:
    body = httpx2.ByteStream(gzip.compress(b"") * 20_000)
    headers = {"content-encoding": "gzip"}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=headers, stream=body))
    async with httpx2.AsyncClient(transport=transport) as client:
        assert await turns_of_others(httpx2.Request("GET", "http://up/"), client) > 20


async def test_an_answer_knows_how_it_came(project: Project) -> None:
    async with upstream() as source:
        source.headers = {"Content-Type": "text/plain; charset=latin-1", "X-Own": "1"}
        source.body = "é".encode("latin-1")
        answers = [
            await send(shared_client(), httpx2.Request(method, source.url), Limits(5, LIMIT))
            for method in ("GET", "HEAD")
        ]
    for answer in answers:
        assert (answer.http_version, answer.reason_phrase, answer.is_closed) == ("HTTP/1.1", "Whatever", True)
        assert answer.elapsed.total_seconds() > 0
        assert (answer.headers["x-own"], str(answer.url)) == ("1", source.url)
    # What a HEAD is asked for: there is no body that has another length.
    assert [(answer.text, answer.headers.get("content-length")) for answer in answers] == [("é", None), ("", "1")]


# What httpx2 does around single requests is done for it, and alike.


def mocked(handle: Any, **options: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.MockTransport(handle), trust_env=False, **options)


async def both(handle: Any, url: str, **options: Any) -> list[Any]:
    """What an answer is to httpx2, and to `send`: the requests, the answer, and those on the way to it."""
    outcomes: list[Any] = []
    for ours in (False, True):
        requests: list[tuple[str, str, str | None]] = []

        async def noting(request: httpx2.Request, seen: list[Any] = requests) -> httpx2.Response:
            seen.append((request.method, str(request.url), request.headers.get("authorization", "")[:6]))
            answer: httpx2.Response = handle(request)
            return answer

        given = {name: option() if callable(option) else option for name, option in options.items()}
        async with mocked(noting, **given) as client:
            request = client.build_request("POST", url, content=b"body")
            try:
                if ours:
                    answer = await send(client, request, Limits(5, LIMIT))
                else:
                    answer = await client.send(request, follow_redirects=True)
            except httpx2.HTTPError as error:
                outcomes.append((requests, type(error)))
            else:
                way = [str(each.url) for each in answer.history]
                outcomes.append((requests, answer.status_code, answer.content, way, dict(answer.cookies)))
    return outcomes


def digest() -> httpx2.Auth:
    """A new one: it remembers what it was asked for."""
    return httpx2.DigestAuth("u", "p")


def elsewhere(request: httpx2.Request) -> httpx2.Response:
    if request.url.path == "/see":
        return httpx2.Response(303, headers={"location": "/seen"})
    if request.url.path == "/away":
        return httpx2.Response(307, headers={"location": "http://other/"})
    if request.url.path == "/round":
        return httpx2.Response(302, headers={"location": "/round"})
    if request.url.path == "/broken":
        return httpx2.Response(302, headers={"location": "http://[::"})
    return httpx2.Response(200, content=request.content, headers={"set-cookie": "a=1"})


def challenging(request: httpx2.Request) -> httpx2.Response:
    if request.url.path == "/see":
        return httpx2.Response(307, headers={"location": "/behind"})
    if "authorization" in request.headers:
        return httpx2.Response(200, content=b"let in")
    return httpx2.Response(401, headers={"www-authenticate": 'Digest realm="r", nonce="n", qop="auth"'})


@pytest.mark.parametrize(
    ("handle", "url", "options"),
    [
        (elsewhere, "http://x/", {}),
        (elsewhere, "http://x/see", {"auth": ("u", "p")}),
        (elsewhere, "http://x/away", {"auth": ("u", "p")}),
        (elsewhere, "http://u:p@x/away", {}),
        (elsewhere, "http://x/round", {"max_redirects": 3}),
        (elsewhere, "http://x/broken", {}),
        (challenging, "http://x/", {"auth": digest}),
        (challenging, "http://x/see", {"auth": digest}),
        (challenging, "http://x/", {}),
    ],
)
async def test_redirects_and_credentials_are_what_they_are_in_httpx2(
    handle: Any, url: str, options: dict[str, Any]
) -> None:
    theirs, ours = await both(handle, url, **options)
    assert ours == theirs


async def test_a_timeout_of_the_clients_own_isnt_taken_for_the_limits() -> None:
    def late(request: httpx2.Request) -> httpx2.Response:
        raise TimeoutError("no address for it in time")

    async with mocked(late) as client:
        with pytest.raises(TimeoutError, match="no address for it in time"):
            await send(client, client.build_request("GET", "http://up/"), Limits(5, LIMIT))
