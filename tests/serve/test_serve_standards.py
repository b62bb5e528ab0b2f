"""What the RFCs ask of every answer of an origin, whoever has made it (docs/standards.md)."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest

from declared_in_code import declare
from millpond.policy.http.fields.directives import directives_of
from ponds import client_of
from started_server import free_port, started

if TYPE_CHECKING:
    from pathlib import Path

    import httpx2

    from millpond import Millpond
    from ponds import Project

pytestmark = pytest.mark.anyio

ROUTES = {
    "/static": "dynamic = 'force-static'\ndef GET(): return {'text': 'still water ' * 100}",
    "/fresh": "revalidate = 60\ndef GET(): return 'fresh'",
    "/full": """
        from millpond import Response
        revalidate = 60
        HEADERS = {
            "content-location": "/other", "expires": "Thu, 01 Jan 2032 00:00:00 GMT", "vary": "accept-language",
            "etag": '"own"', "cache-control": "public, max-age=9", "content-language": "en", "x-own": "1",
        }
        def GET(): return Response("x" * 300, headers=HEADERS, media_type="text/plain")
    """,
    "/gone": "from millpond import not_found\nrevalidate = 60\ndef GET(): not_found()",
    "/moved": "from millpond import redirect\nrevalidate = 60\ndef GET(): redirect('/static')",
    "/live/[n]": "def GET(n: int, request): return {'n': n}\ndef POST(n: int): return n",
    "/empty": "from millpond import Response\ndynamic = 'force-dynamic'\ndef GET(): return Response(status_code=204)",
}
MAIN = """
    @app.get("/plain")
    def plain(): return {}
"""
PATHS = [
    *("/static", "/fresh", "/full", "/gone", "/moved", "/live/1", "/live/x", "/empty", "/plain", "/file.txt"),
    *("/nowhere", "/static/", "/openapi.json", "/docs"),
]
CONFIGS: list[dict[str, Any]] = [
    {},
    {"cdn": {"headers": ["cache-tag", "surrogate-key", "xkey", "cache-groups"], "cdn_cache_control": True}},
    {"cache": {"client_stale": True}, "headers": [{"source": "/full", "name": "Vary", "value": "accept"}]},
]
_CHANGES = {"age", "cache-status", "date", "x-nextjs-cache", "content-length"}
"""Of a moment, or of the first answer; the length is compared where there is one."""


def pond_of(project: Project, **config: Any) -> Millpond:
    project.routes(ROUTES)
    project.write({"public/file.txt": "text\n" * 100})
    pond = project.pond(**config)
    declare(project, pond, MAIN)
    return pond


@pytest.mark.parametrize("config", CONFIGS, ids=["plain", "cdn", "clients"])
async def test_a_head_has_the_headers_of_the_get(project: Project, config: dict[str, Any]) -> None:
    """RFC 9110 §9.3.2. FastAPI's own endpoints have no HEAD."""
    pond = pond_of(project, **config)
    async with pond.lifespan(), client_of(pond) as client:
        for path in [path for path in PATHS if path != "/plain"] * 2:
            get, head = await client.get(path), await client.head(path)
            assert head.status_code == get.status_code
            assert lasting(head) == lasting(get), path
            assert head.headers.get("content-length") in (None, get.headers.get("content-length"))
            assert head.content == b""


def lasting(answer: httpx2.Response) -> list[tuple[str, str]]:
    return sorted(pair for pair in answer.headers.multi_items() if pair[0] not in _CHANGES)


@pytest.mark.parametrize("config", CONFIGS, ids=["plain", "cdn", "clients"])
async def test_a_304_has_each_field_that_the_200_would_have_had(project: Project, config: dict[str, Any]) -> None:
    """RFC 9110 §15.4.5: Content-Location, Date, ETag, Vary, Cache-Control and Expires; nothing of the body."""
    pond = pond_of(project, **config)
    async with pond.lifespan(), client_of(pond) as client:
        for path in ["/static", "/fresh", "/full", "/file.txt"] * 2:
            for coding in ("identity", "gzip", "br, zstd"):
                given = {"accept-encoding": coding}
                full = await client.get(path, headers=given)
                told = await client.get(path, headers={**given, "if-none-match": full.headers["etag"]})
                assert (full.status_code, told.status_code, told.content) == (200, 304, b"")
                for name in ("content-location", "etag", "vary", "cache-control", "expires", "cdn-cache-control"):
                    assert told.headers.get_list(name) == full.headers.get_list(name), (path, name)
                assert not {"content-type", "content-length", "content-encoding", "x-own"} & set(told.headers)


@pytest.mark.parametrize("config", CONFIGS, ids=["plain", "cdn", "clients"])
async def test_cache_control_is_well_formed_once_and_without_contradictions(
    project: Project, config: dict[str, Any]
) -> None:
    """RFC 9111 §5.2: a list of tokens, with seconds where these are due."""
    pond = pond_of(project, **config)
    async with pond.lifespan(), client_of(pond) as client:
        for path in PATHS * 2:
            lines = (await client.get(path)).headers.get_list("cache-control")
            assert len(lines) <= 1, path
            for line in lines:
                assert re.fullmatch(r"[a-z-]+(=[0-9]+)?(, [a-z-]+(=[0-9]+)?)*", line), line
                said = directives_of([(b"cache-control", line.encode())])
                for name in (b"max-age", b"s-maxage", b"stale-while-revalidate"):
                    assert name not in said or (said[name] or b"").isdigit()
                assert not ({b"private", b"no-store"} & set(said) and {b"public", b"s-maxage"} & set(said)), line


async def test_a_405_says_what_is_allowed(project: Project) -> None:
    """RFC 9110 §15.5.6."""
    secret = {"revalidate_endpoint": {"secret": "a secret of enough letters"}}
    pond = pond_of(project, **secret)
    async with pond.lifespan(), client_of(pond) as client:
        for method, path in (("PUT", "/static"), ("PUT", "/live/1"), ("PUT", "/plain"), ("POST", "/file.txt")):
            answer = await client.request(method, path)
            assert (answer.status_code, "GET" in answer.headers["allow"]) == (405, True), path
        assert (await client.get("/api/revalidate")).headers["allow"] == "POST"


async def test_an_answer_from_the_cache_has_an_age_and_no_other_has(project: Project) -> None:
    """RFC 9111 §4 and §5.1."""
    project.routes(ROUTES)
    async with project.serving() as pond:
        project.clock.move(70.9)
        ages = {}
        for path in ("/static", "/fresh", "/live/1", "/nowhere"):
            ages[path] = (await pond.get(path)).headers.get_list("age")
        assert ages == {"/static": ["70"], "/fresh": ["70"], "/live/1": [], "/nowhere": []}


async def test_last_modified_is_never_later_than_the_answer(project: Project) -> None:
    """RFC 9110 §8.8.2.1: files may come from a machine whose clock is fast."""
    pond = pond_of(project)
    later = time.time() + 86_400
    os.utime(project.folder / "public" / "file.txt", (later, later))
    async with pond.lifespan(), client_of(pond) as client:
        said = (await client.get("/file.txt")).headers["last-modified"]
        assert parsedate_to_datetime(said).timestamp() <= time.time()


async def test_an_address_that_never_changes_may_say_so(project: Project) -> None:
    """RFC 8246: Millpond says it of nothing by itself, as none of its addresses is one of a content."""
    immutable = "public, max-age=31536000, immutable"
    said: dict[str, Any] = {"headers": [{"source": "/assets/[...path]", "name": "Cache-Control", "value": immutable}]}
    project.write({"public/assets/app.3f2a9c.js": "1", "public/app.js": "1"})
    for config in (said, {**said, "cdn": {}}):
        pond = pond_of(project, **config)
        async with pond.lifespan(), client_of(pond) as client:
            first = await client.get("/assets/app.3f2a9c.js")
            assert first.headers["cache-control"] == immutable
            held = {"if-none-match": first.headers["etag"]}
            assert (await client.get("/assets/app.3f2a9c.js", headers=held)).headers["cache-control"] == immutable
            for path in [*PATHS, "/app.js"]:
                assert "immutable" not in (await client.get(path)).headers.get("cache-control", "")


def _heads(port: int, request: bytes) -> list[list[tuple[str, str]]]:
    """The headers of all answers of a connection."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        client.sendall(request)
        while data := client.recv(65_536):
            received += data
    heads = re.findall(rb"HTTP/1\.1 [0-9]{3} [^\r\n]*\r\n(.*?)\r\n\r\n", received, re.DOTALL)
    return [[tuple(line.split(": ", 1)) for line in head.decode("latin-1").split("\r\n")] for head in heads]


def test_every_answer_of_the_server_has_one_date(project: Project, tmp_path: Path) -> None:
    """RFC 9110 §6.6.1: each 2xx, 3xx and 4xx of an origin with a clock; hits at the socket and refusals, too."""
    project.routes(ROUTES)
    project.write({"millpond.toml": "[cdn]\n[server]\nmax_path_bytes = 2000\n", "public/file.txt": "text"})
    port = free_port()
    millpond = [sys.executable, "-m", "millpond"]
    subprocess.run([*millpond, "build"], cwd=project.folder, check=True, capture_output=True, timeout=60)
    command = [*millpond, "start", "--port", str(port), "--workers", "1"]
    with started(command, port, tmp_path / "log", project.folder):
        end = b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        for path in (b"/static", b"/static", b"/live/1", b"/nowhere", b"/static/", b"/file.txt", b"/live/x"):
            asked = b"GET " + path + b" HTTP/1.1\r\nhost: x\r\n\r\n"
            heads = _heads(port, asked + asked + b"GET " + path + end)
            assert len(heads) == 3
            for head in heads:
                _has_one_date(head)
        for refused in (
            b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
            b"GET /" + b"a" * 80_000 + end,
            b"GET / HTTP/1.1\r\n\r\n",
        ):
            (head,) = _heads(port, refused)
            _has_one_date(head)
            assert "no-store" in dict(head)["cache-control"]


def _has_one_date(head: list[tuple[str, str]]) -> None:
    dates = [parsedate_to_datetime(value).timestamp() for name, value in head if name == "date"]
    assert len(dates) == 1, head
    assert abs(dates[0] - time.time()) < 60
