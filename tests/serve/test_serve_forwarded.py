"""Whose word is taken for where a request comes from."""

from __future__ import annotations

import asyncio
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from echo_server import serving, talk

from millpond.errors import UsageError
from millpond.serve.forwarded import Proxies

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

pytestmark = pytest.mark.anyio

PEER = ("127.0.0.1", 5000)


async def seen(
    *headers: tuple[str, str], peer: Any = PEER, proxies: Proxies | None = None, kind: str = "http"
) -> tuple[Any, str]:
    """Client and scheme that the application is told."""
    found: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        found.append(scope)

    sent = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    scope = {"type": kind, "scheme": "ws" if kind == "websocket" else "http", "client": peer, "headers": sent}
    unused: Any = None
    await (proxies or Proxies()).around(app)(scope, unused, unused)
    assert set(found[0]) == {"type", "scheme", "client", "headers"}
    return found[0]["client"], found[0]["scheme"]


def chain(value: str) -> tuple[str, str]:
    return ("X-Forwarded-For", value)


async def test_the_last_address_is_the_clients_whatever_the_client_sent_before_it() -> None:
    for forwarded in ("198.51.100.7", "1.2.3.4, 198.51.100.7", "127.0.0.1, ::1, 198.51.100.7", "junk,, 198.51.100.7"):
        assert (await seen(chain(forwarded)))[0] == ("198.51.100.7", 0)
    assert (await seen(chain("1.2.3.4"), chain("198.51.100.7")))[0] == ("198.51.100.7", 0)


async def test_a_proxy_that_names_no_client_is_the_client() -> None:
    assert await seen() == (PEER, "http")
    assert await seen(chain("")) == (PEER, "http")
    assert await seen(("X-Forwarded-Proto", "https")) == (PEER, "https")


async def test_an_empty_header_is_an_item_that_is_no_address() -> None:
    assert (await seen(chain(""), chain("198.51.100.7")))[0] == ("198.51.100.7", 0)
    assert (await seen(chain("198.51.100.7"), chain("")))[0] == PEER
    assert (await seen(chain(""), chain("198.51.100.7"), proxies=Proxies("*")))[0] == PEER


async def test_trusted_proxies_at_the_end_are_left_out() -> None:
    proxies = Proxies("127.0.0.1, 10.0.0.0/8,2001:db8::/32")
    for proxied in (
        "10.1.2.3",
        "10.1.2.3, 10.9.9.9",
        "2001:db8::5",
        "[2001:db8::5]:443",
        "10.1.2.3:80",
        "::ffff:10.1.2.3",
    ):
        assert (await seen(chain(f"1.2.3.4, 198.51.100.7, {proxied}"), proxies=proxies))[0] == ("198.51.100.7", 0)
    assert (await seen(chain("1.2.3.4, 11.0.0.1"), proxies=proxies))[0] == ("11.0.0.1", 0)


async def test_who_is_no_trusted_proxy_is_not_believed() -> None:
    for peer in (("203.0.113.5", 9), ("::2", 9), None):
        told = await seen(chain("198.51.100.7"), ("X-Forwarded-Proto", "https"), peer=peer)
        assert told == (peer, "http")


@pytest.mark.parametrize("peer", [("127.0.0.1", 1), ("::1", 1)])
async def test_this_machines_proxies_are_trusted_by_default(peer: Any) -> None:
    told = await seen(chain("2001:db8::7"), ("X-Forwarded-Proto", "https"), peer=peer)
    assert told == (("2001:db8::7", 0), "https")


async def test_ports_and_forms_of_addresses_are_understood() -> None:
    for forwarded, client in {
        "198.51.100.7:4711": ("198.51.100.7", 4711),
        "[2001:db8::7]:4711": ("2001:db8::7", 4711),
        "[2001:db8::7]": ("2001:db8::7", 0),
        "2001:DB8:0:0::7": ("2001:db8::7", 0),
        "198.51.100.7:99999999": ("198.51.100.7", 0),
        "198.51.100.7:-1": ("198.51.100.7", 0),
    }.items():
        assert (await seen(chain(forwarded)))[0] == client


@pytest.mark.parametrize(
    "junk", ["unknown", "", "unix:", "198.51.100", "a" * 5000, "<script>", "[::1", "[::1]x", "198.51.100.7 x", "\xff"]
)
async def test_what_is_no_address_is_no_client(junk: str) -> None:
    assert (await seen(chain(f"1.2.3.4, {junk}")))[0] == PEER


async def test_only_schemes_are_taken_for_one() -> None:
    for proto, scheme in (
        ("https", "https"),
        ("http", "http"),
        ("javascript", "http"),
        ("https, http", "http"),
        ("", "http"),
    ):
        assert (await seen(("X-Forwarded-Proto", proto)))[1] == scheme
    assert (await seen(("X-Forwarded-Proto", "https"), kind="websocket"))[1] == "wss"


async def test_everybody_is_trusted_where_that_was_said() -> None:
    proxies = Proxies("*")
    assert (await seen(chain("198.51.100.7, 10.0.0.1"), peer=("203.0.113.5", 9), proxies=proxies))[0] == (
        "198.51.100.7",
        0,
    )
    assert (await seen(chain("198.51.100.7"), peer=None, proxies=proxies))[0] == ("198.51.100.7", 0)


@pytest.mark.parametrize("trusted", ["", "localhost", "10.0.0.0/33", "127.0.0.1,,::1", "*,127.0.0.1", "1.2.3"])
def test_what_is_no_address_cannot_be_trusted(trusted: str) -> None:
    with pytest.raises(UsageError, match=r"--forwarded-allow-ips: .* is neither an address nor a network; list"):
        Proxies(trusted)


def test_a_network_may_be_named_by_any_of_its_addresses() -> None:
    networks = Proxies("10.1.2.3/8").networks
    assert list(map(str, networks or ())) == ["10.0.0.0/8", "::ffff:a00:0/104"]
    assert pickle.loads(pickle.dumps(Proxies("10.1.2.3/8"))).networks == networks  # noqa: S301


async def test_a_lifespan_has_no_client() -> None:
    kinds: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        kinds.append(scope["type"])

    unused: Any = None
    await Proxies().around(app)({"type": "lifespan"}, unused, unused)
    assert kinds == ["lifespan"]


async def test_without_proxies_nobody_is_believed_at_the_socket() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = f"{scope['client'][0]} {scope['scheme']}".encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    request = b"GET / HTTP/1.0\r\nX-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\n\r\n"
    for proxies, told in (
        (None, b"127.0.0.1 http"),
        (Proxies(), b"198.51.100.7 https"),
        (Proxies("10.0.0.0/8"), b"127.0.0.1 http"),
    ):
        async with serving(app, proxies=proxies) as port:
            answer = await asyncio.wait_for(talk(port, request), 5)
        assert answer.endswith(told)
