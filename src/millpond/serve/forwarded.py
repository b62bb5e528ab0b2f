"""Who asks, and by which scheme, where proxies stand in front: `X-Forwarded-For` and `X-Forwarded-Proto`.

Anybody can send these headers. They are believed of proxies that are trusted, and of what these say, the last address
that isn't a trusted proxy's own is the client's: everything to the left of it is what the client itself has sent.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from millpond.errors import UsageError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

LOCAL = "127.0.0.1,::1"
"""This machine's proxies."""

_SCHEMES = {
    "http": {"http": "http", "https": "https", "ws": "ws", "wss": "wss"},
    "websocket": {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"},
}
"""By the kind of request: what a proxy may say, and what it means there."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Proxies:
    """Those that are trusted.

    Args:
        trusted: addresses and networks such as `10.0.0.0/8`, separated by commas; or `*` for everybody, where nobody
            but the proxy can connect. Then the first address of the list is believed.

    Raises:
        UsageError: it is neither.
    """

    def __init__(self, trusted: str = LOCAL) -> None:
        self.networks: tuple[_Network, ...] | None = None
        """None for everybody."""
        if trusted.strip() != "*":
            self.networks = tuple(form for each in trusted.split(",") for form in _networks(each))

    def around(self, app: ASGIApp) -> ASGIApp:
        """`app`, which is told the client and scheme that a trusted proxy names."""

        async def forwarded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] in _SCHEMES and self._is_trusted(_peer(scope)):
                self._believe(scope)
            await app(scope, receive, send)

        return forwarded

    def _believe(self, scope: Scope) -> None:
        """Put what a trusted proxy says into the scope."""
        said = {b"x-forwarded-proto": b"", b"x-forwarded-for": b""}
        for name, value in scope["headers"]:
            if name == b"x-forwarded-proto":
                said[name] = value
            elif name == b"x-forwarded-for":
                said[name] = b"%b,%b" % (said[name], value) if said[name] else value
        scheme = said[b"x-forwarded-proto"].decode("latin-1").strip()
        scope["scheme"] = _SCHEMES[scope["type"]].get(scheme, scope.get("scheme", "http"))
        client = self._client(said[b"x-forwarded-for"].decode("latin-1").split(","))
        if client is not None:
            scope["client"] = client

    def _client(self, hops: list[str]) -> tuple[str, int] | None:
        """The address and port of the last hop that isn't a trusted proxy; of the first, where all are.

        None where no address stands there, such as "unknown": the client is the proxy then.
        """
        own = (
            hops[0]
            if self.networks is None
            else next((hop for hop in reversed(hops) if not self._is_trusted(_hop(hop)[0])), hops[0])
        )
        address, port = _hop(own)
        return None if address is None else (str(address), port)

    def _is_trusted(self, address: _Address | None) -> bool:
        if self.networks is None:
            return True
        return address is not None and any(address in network for network in self.networks)


def _peer(scope: Scope) -> _Address | None:
    """Who has connected."""
    client = scope.get("client")
    return _address(client[0]) if client else None


def _hop(text: str) -> tuple[_Address | None, int]:
    """The address and port in one item of `X-Forwarded-For`; 0 for no port.

    It is an address, `address:port` for one of IPv4, or `[address]` and `[address]:port` for one of IPv6.
    """
    text, port = text.strip(), ""
    if text.startswith("["):
        text, closing, port = text[1:].partition("]")
        if not closing or (port and not port.startswith(":")):
            return None, 0
        port = port[1:]
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
    number = int(port) if port.isascii() and port.isdecimal() and len(port) <= 5 else 0
    return _address(text), number if number < 65_536 else 0


def _address(text: str) -> _Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _networks(text: str) -> list[_Network]:
    """A network, and how its addresses look in IPv6 where it is one of IPv4."""
    try:
        network = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise UsageError(
            f'--forwarded-allow-ips: "{text.strip()}" is no address; name addresses and networks, such as '
            '"127.0.0.1,10.0.0.0/8", or "*" where nobody but the proxy can connect.'
        ) from None
    if network.version == 6:
        return [network]
    return [network, ipaddress.ip_network(f"::ffff:{network.network_address}/{96 + network.prefixlen}")]
