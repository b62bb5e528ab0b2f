"""Who asks, and by which scheme, where proxies stand in front: `X-Forwarded-For` and `X-Forwarded-Proto`.

Anybody can send these headers. They are believed of proxies that are trusted, and of what these say, the last address
that isn't a trusted proxy's own is the client's: everything to the left of it is what the client itself has sent.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from millpond.errors import UsageError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

LOCAL = "127.0.0.1,::1"
"""This machine's proxies."""

_PEER = "millpond.peer"


class Proxies:
    """Those that are trusted.

    Args:
        trusted: addresses and networks such as `10.0.0.0/8`, separated by commas; or `*` for everybody, where nobody
            but the proxy can connect. Then the first address of the list is believed.

    Raises:
        UsageError: it is neither.
    """

    def __init__(self, trusted: str = LOCAL) -> None:
        self.trusted: list[str] = ["*"]
        if trusted.strip() != "*":
            self.trusted = [form for each in trusted.split(",") for form in _networks(each)]

    def around(self, app: ASGIApp) -> ASGIApp:
        """`app`, which is told the client and scheme that a trusted proxy names."""
        believing = ProxyHeadersMiddleware(_checking(app), self.trusted)  # type: ignore[arg-type]

        async def forwarded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] in ("http", "websocket"):
                scope[_PEER] = scope.get("client")
            await believing(scope, receive, send)  # type: ignore[arg-type]

        return forwarded


def _checking(app: ASGIApp) -> ASGIApp:
    """`app`, which is told the proxy's address where what it names is none, such as "unknown"."""

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        peer, client = scope.pop(_PEER, None), scope.get("client")
        if client is not None and client is not peer:
            address, port = _address(client[0]), client[1]
            scope["client"] = peer if address is None else (address, port if 0 <= port < 65_536 else 0)
        await app(scope, receive, send)

    return checked


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _networks(text: str) -> list[str]:
    """A network, and how its addresses look in IPv6 where it is one of IPv4."""
    try:
        network = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise UsageError(
            f'--forwarded-allow-ips: "{text.strip()}" is no address; name addresses and networks, such as '
            '"127.0.0.1,10.0.0.0/8", or "*" where nobody but the proxy can connect.'
        ) from None
    if network.version == 6:
        return [str(network)]
    return [str(network), f"::ffff:{network.network_address}/{96 + network.prefixlen}"]
