"""`millpond.client` through the endpoint of a server: one of Millpond's, and ones that answer as no Millpond does."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import trustme
import uvicorn
from client_project import seen, served

import millpond.client
from engines import soon
from millpond.client import Client, UnreachedError
from millpond.errors import UsageError
from started_server import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from ponds import Project

pytestmark = pytest.mark.anyio

SECRET = "a secret of enough letters"
CONFIG = f"""
[cache]
store = "memory"

[revalidate_endpoint]
secret = "{SECRET}"
"""


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The caller is in no project, and nothing in its environment is of one."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for name in ("MILLPOND_URL", "MILLPOND_SECRET", "MILLPOND_PROJECT"):
        monkeypatch.delenv(name, raising=False)


@asynccontextmanager
async def listening(app: Any) -> AsyncIterator[str]:
    """The URL of a server of an application whose lifespan runs already."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve())
    assert await asyncio.to_thread(soon, lambda: server.started)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving


@contextmanager
def answering(
    *answers: tuple[int, bytes, dict[str, str]] | None, pause: float = 0, tls: ssl.SSLContext | None = None
) -> Iterator[tuple[str, list[str]]]:
    """A server that gives these answers in turn, the last one again and again; None: it hangs up. And what it got."""
    got: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answer = answers[min(len(got), len(answers) - 1)]
            got.append(str(self.headers["authorization"]))
            self.rfile.read(int(self.headers["content-length"]))
            time.sleep(pause)
            if answer is None:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(answer[0])
            for name, value in {"content-length": str(len(answer[1])), **answer[2]}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer[1])

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http{'' if tls is None else 's'}://127.0.0.1:{server.server_port}", got
        finally:
            server.shutdown()
            thread.join()


DONE = (200, b'{"tags": 1, "paths": 0, "generation": 5}', dict[str, str]())
PASSING = (503, b'{"error": "the store can\'t invalidate now; try again"}', dict[str, str]())


async def test_a_server_with_its_cache_in_memory_is_reached(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(project, CONFIG) as server, listening(server._transport.app) as url:  # type: ignore[attr-defined]
        assert await seen(server, "/") == "HIT"
        client = Client(url=url, secret=SECRET)
        reached = await asyncio.to_thread(client.revalidate_tag, "stock")
        assert (reached.via, reached.where, reached.generation) == ("endpoint", f"{url}/api/revalidate", 1)
        assert await seen(server, "/") == "MISS"
        await asyncio.to_thread(client.revalidate_tag, "stock", "max")
        assert await seen(server, "/") == "STALE"
        reached = await asyncio.to_thread(client.revalidate_path, "/itms/[id]")
        assert reached.warnings == ['no route has the path "/itms/[id]"; did you mean "/items/[id]"?']
        await asyncio.to_thread(lambda: client.revalidate_path("/items/[id]", id="a/b"))
        assert await seen(server, "/items/a%2Fb") == "MISS"
        for call, says in (
            (lambda: client.revalidate_tag("stock", "mix"), 'no lifetime "mix"'),
            (lambda: client.revalidate_tag("stock", expire=float("inf")), "can't be sent"),
            (lambda: client.revalidate_tag("\ud800"), "can't be sent"),
        ):
            with pytest.raises(UsageError, match=says):
                await asyncio.to_thread(call)
        with pytest.raises(UnreachedError, match="answered 401: the secret isn't the server's") as refused:
            await asyncio.to_thread(Client(url=url, secret="wrong" * 5).revalidate_tag, "stock")
        assert (refused.value.reason, "wrong" in str(refused.value)) == ("refused", False)
        monkeypatch.setenv("MILLPOND_URL", url)
        monkeypatch.setenv("MILLPOND_SECRET", SECRET)
        assert (await millpond.client.arevalidate_tag("stock")).via == "endpoint"
        monkeypatch.setenv("MILLPOND_URL", f"{url}/api/revalidate")
        assert (await asyncio.to_thread(millpond.client.update_tag, "stock")).via == "endpoint"


async def test_a_project_says_where_the_endpoint_is_and_which_secret_it_has(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = 'base_path = "/shop"\n[[revalidate_endpoint]]\npreset = "sanity"\nsecret_env = "A"\ntags = ["a"]\n'
    config += '[[revalidate_endpoint]]\npath = "/hook"\nsecret_env = ["IN_FILE", "OLD"]\n'
    project.write({"millpond.toml": config, ".env": "IN_FILE='the secret in a file'\n"})
    with answering(DONE) as (url, got):
        reached = await asyncio.to_thread(Client(project.folder, url=url).revalidate_tag, "stock")
    assert (reached.where, got) == (f"{url}/shop/hook", ["Bearer the secret in a file"])
    with pytest.raises(UsageError, match="set MILLPOND_SECRET, or give secret="):
        Client(url="http://127.0.0.1:1").revalidate_tag("stock")
    project.write({".env": ""})
    with pytest.raises(UsageError, match="IN_FILE isn't set"):
        Client(project.folder, url="http://127.0.0.1:1").revalidate_tag("stock")


@pytest.mark.parametrize(
    ("answers", "tries"),
    [
        ([PASSING, DONE], 2),
        ([(502, b"bad gateway", {}), PASSING, DONE], 3),
    ],
)
async def test_what_passes_is_tried_again(answers: list[Any], tries: int) -> None:
    with answering(*answers) as (url, got):
        reached = await asyncio.to_thread(Client(url=url, secret=SECRET).revalidate_tag, "stock")
        assert (reached.generation, len(got)) == (5, tries)


@pytest.mark.parametrize(
    ("answer", "reason", "says", "tries"),
    [
        (PASSING, "unreachable", "answered 503: the store can't invalidate now; try again.", 3),
        ((500, b"\xff", {}), "failed", "answered 500: this isn't an answer of Millpond's endpoint", 1),
        ((404, b"", {}), "endpoint", "there is no endpoint", 1),
        ((200, b"<h1>It works!</h1>", {}), "endpoint", "answered 200, but not as Millpond does", 1),
        ((200, b" " * 2_000_000, {}), "endpoint", "over 1048576 bytes", 1),
        ((429, b"{}", {"retry-after": "31"}), "limited", "try again in 31 s", 1),
        (
            (308, b"", {"location": "https://u:p@shop.example/x?t=1"}),
            "redirected",
            "a redirect to https://shop.example/x, ",
            1,
        ),
        (None, "failed", "can't be asked", 1),
    ],
)
async def test_whatever_isnt_a_success_is_typed(answer: Any, reason: str, says: str, tries: int) -> None:
    with answering(answer) as (url, got):
        with pytest.raises(UnreachedError) as unreached:
            await asyncio.to_thread(Client(url=url, secret=SECRET).revalidate_tag, "stock")
        assert (unreached.value.reason, len(got)) == (reason, tries)
    assert says in str(unreached.value)
    assert SECRET not in str(unreached.value)


async def test_nobody_there_is_typed_and_within_the_time_limit() -> None:
    began = time.monotonic()
    with pytest.raises(UnreachedError, match=r"can't be reached: .*Is the server running\?") as unreached:
        Client(url=f"http://user:pass@127.0.0.1:{free_port()}", secret=SECRET, retries=50, timeout=0.5).update_tag("a")
    assert unreached.value.reason == "unreachable"
    assert "pass" not in str(unreached.value)
    assert time.monotonic() - began < 2


async def test_an_answer_that_takes_too_long_may_have_been_done() -> None:
    with answering(DONE, pause=1) as (url, got), pytest.raises(UnreachedError, match="it is unknown whether") as late:
        await asyncio.to_thread(Client(url=url, secret=SECRET, timeout=0.2).revalidate_tag, "stock")
    assert (late.value.reason, len(got)) == ("timeout", 1)


@pytest.mark.parametrize(
    "url", ["shop.example", "ftp://shop.example", "http://", "http://[", "http://a:0", "http://a:x"]
)
async def test_what_is_no_url_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError, match="it must look like http"):
        Client(url=url, secret=SECRET).revalidate_tag("stock")


async def test_a_secret_that_is_no_header_isnt_shown() -> None:
    with pytest.raises(UnreachedError) as unreached:
        Client(url="http://127.0.0.1:1", secret="line\nbreak" * 3).revalidate_tag("stock")
    assert "break" not in str(unreached.value)
    assert unreached.value.__cause__ is None


def test_the_secret_of_a_client_is_in_no_repr() -> None:
    client: Any = Client(url="http://127.0.0.1:1", secret=SECRET)
    assert SECRET not in repr(client)
    assert SECRET not in repr(client._found())


async def test_certificates_are_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with answering(DONE, tls=context) as (url, got):
        client = Client(url=url, secret=SECRET, retries=0)
        with pytest.raises(UnreachedError, match="CERTIFICATE_VERIFY_FAILED"):
            await asyncio.to_thread(client.revalidate_tag, "stock")
        assert got == []
        authority.cert_pem.write_to_path(tmp_path / "authority.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        assert (await asyncio.to_thread(client.revalidate_tag, "stock")).generation == 5
