from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest

from millpond.config import parse_config
from millpond.dev.hosts import AllowedHosts, AllowedHostsMiddleware
from millpond.errors import ConfigError
from ponds import client_of

if TYPE_CHECKING:
    import httpx2
    from starlette.types import Message, Receive, Scope, Send

HERE = AllowedHosts("127.0.0.1", ("127.0.0.1",))
EVERYWHERE = AllowedHosts("0.0.0.0", ("0.0.0.0",))


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "localhost.", "shop.localhost", "127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"],
)
def test_the_names_and_addresses_of_this_machine_for_itself_are_answered(host: str) -> None:
    assert HERE.allows(host)
    assert EVERYWHERE.allows(host)


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "evillocalhost", "127.0.0.1.evil.example", "10.0.0.1", "0x7f.1"]
)
def test_what_others_can_point_here_is_not(host: str) -> None:
    assert not HERE.allows(host)


def test_what_the_server_was_told_to_listen_on_is_answered() -> None:
    named = AllowedHosts("dev.shop.example", ("192.0.2.7",))
    assert [named.allows(host) for host in ("Dev.Shop.Example.", "192.0.2.7", "192.0.2.8")] == [True, True, False]


def test_a_server_on_all_addresses_answers_for_each_and_for_the_machines_name() -> None:
    name = socket.gethostname()
    assert [EVERYWHERE.allows(host) for host in ("192.0.2.7", "2001:db8::1", name, "evil.example")] == [True] * 3 + [
        False
    ]
    assert AllowedHosts("", ("0.0.0.0", "::")).allows("192.0.2.7")


def test_the_configuration_allows_names_and_all_below_a_name() -> None:
    allowed = AllowedHosts("127.0.0.1", ("127.0.0.1",), ("shop.test", ".pages.test", "192.0.2.9"))
    for host in ("shop.test", "SHOP.TEST.", "pages.test", "a.b.pages.test", "192.0.2.9"):
        assert allowed.allows(host), host
    for host in ("a.shop.test", "notpages.test", "pages.test.evil.example"):
        assert not allowed.allows(host), host


@pytest.mark.parametrize("host", ["https://shop.test", "shop.test:8000", "*", "*.shop.test", "", "shop.test/", "a b"])
def test_what_is_no_host_is_refused_in_the_configuration(host: str) -> None:
    with pytest.raises(ConfigError, match=r'"dev.allowed_hosts" names ".*such as "shop.test", or ".shop.test"'):
        parse_config({"dev": {"allowed_hosts": [host]}}, "millpond.toml")


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"source lines"})


async def ask(headers: list[tuple[bytes, bytes]]) -> httpx2.Response:
    """An answer to a request with exactly these headers."""
    guarded = AllowedHostsMiddleware(app, HERE)

    async def bare(scope: Scope, receive: Receive, send: Send) -> None:
        await guarded({**scope, "headers": headers}, receive, send)

    async with client_of(bare) as client:
        return await client.get("/")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(b"host", b"localhost:8000")], 200),
        ([(b"host", b"[::1]:8000")], 200),
        ([(b"host", b"evil.example:8000")], 403),
        ([(b"host", b"evil.example"), (b"x-forwarded-host", b"localhost")], 403),
        ([(b"host", b"10.0.0.1")], 403),
        ([], 400),
        ([(b"host", b"")], 400),
        ([(b"host", b"localhost"), (b"host", b"evil.example")], 400),
        ([(b"host", b"evil.example@localhost")], 400),
        ([(b"host", b"localhost:8000:1")], 400),
        ([(b"host", b"[localhost]")], 400),
        ([(b"host", "löcalhost".encode())], 400),
    ],
)
def test_only_one_host_that_is_the_servers_own_is_answered(headers: list[tuple[bytes, bytes]], status: int) -> None:
    answer = asyncio.run(ask(headers))
    assert answer.status_code == status
    assert ("source lines" in answer.text) == (status == 200)


def test_a_refusal_says_what_to_write() -> None:
    answer = asyncio.run(ask([(b"host", b"Shop.Test:8000")]))
    assert '[dev]\nallowed_hosts = ["shop.test"]' in answer.text
    assert AllowedHosts("127.0.0.1", (), ("shop.test",)).allows("Shop.Test")


def test_a_websocket_from_another_host_is_not_accepted() -> None:
    sent: list[Message] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    asyncio.run(
        AllowedHostsMiddleware(app, HERE)({"type": "websocket", "headers": [(b"host", b"evil.example")]}, receive, send)
    )
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_the_start_and_the_end_of_an_application_are_passed_on() -> None:
    kinds: list[str] = []

    async def started(scope: Scope, receive: Receive, send: Send) -> None:
        kinds.append(scope["type"])

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    asyncio.run(AllowedHostsMiddleware(started, HERE)({"type": "lifespan"}, nothing, nothing))
    assert kinds == ["lifespan"]
