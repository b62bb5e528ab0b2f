"""The client's address and scheme behind proxies: `X-Forwarded-For` and `X-Forwarded-Proto`.

Any client can send these headers, so they are used only if a trusted proxy sends them. The last address that isn't a
trusted proxy's own is then the client's: everything to the left of it was sent by the client itself.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING

from millpond.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

LOCAL = "127.0.0.1,::1"
"""This machine's proxies."""

_THIS_MACHINE = "127.0.0.1"

_SCHEMES = {
    "http": {"http": "http", "https": "https", "ws": "ws", "wss": "wss"},
    "websocket": {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"},
}
"""Scope type -> value of `X-Forwarded-Proto` -> scheme of the scope."""

_CACHED = 4096
"""Addresses of which it is remembered whether they are trusted."""
_LONGEST_HOP = 64
"""Characters; no address with a port has more."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Proxies:
    """The trusted proxies.

    Args:
        trusted: addresses and networks such as `10.0.0.0/8`, separated by commas; or `*` to trust every peer, if only
            the proxy can connect. Then the first address in `X-Forwarded-For` is the client's.

    Raises:
        UsageError: an item is neither an address nor a network.
    """

    def __init__(self, trusted: str = LOCAL) -> None:
        self.networks: tuple[_Network, ...] | None = None
        """None: every peer is trusted."""
        if trusted.strip() != "*":
            self.networks = tuple(form for each in trusted.split(",") for form in _networks(each))
        self._trusts: Callable[[str], bool] = self._is_in_networks

    def around(self, app: ASGIApp, *, local_peers: bool = False) -> ASGIApp:
        """`app`, wrapped so that its scopes have the client and scheme that a trusted proxy names.

        Args:
            app: any ASGI application.
            local_peers: whether peers without an address are processes of this machine, as with a Unix socket. They
                are trusted if 127.0.0.1 is.
        """
        # The same proxies send most requests. Here, in the process that serves: a cache can't be pickled.
        self._trusts = lru_cache(maxsize=_CACHED)(self._is_in_networks)

        async def forwarded(scope: Scope, receive: Receive, send: Send) -> None:
            peer = _peer(scope) or (_THIS_MACHINE if local_peers else "")
            if scope["type"] in _SCHEMES and self._is_trusted(peer):
                self._apply_headers(scope)
            await app(scope, receive, send)

        return forwarded

    def named_client(self, peer: str | None, chains: bytes) -> str | None:
        """The address of the client of a request.

        Args:
            peer: the address of the connected peer; None where there is none, as with a Unix socket.
            chains: what `forwarded_for` returned.
        """
        client = self._client(chains.decode("latin-1").split(",")) if self._is_trusted(_hop_of(peer)) else None
        return peer if client is None else client[0]

    def _apply_headers(self, scope: Scope) -> None:
        """Set scheme and client of the scope from the headers of a trusted proxy."""
        scheme, chains = b"", list[bytes]()
        for name, value in scope["headers"]:
            if name == b"x-forwarded-proto":
                scheme = value
            elif name == b"x-forwarded-for":
                chains.append(value)
        schemes = _SCHEMES[scope["type"]]
        scope["scheme"] = schemes.get(scheme.decode("latin-1").strip(), scope.get("scheme", "http"))
        client = self._client(b",".join(chains).decode("latin-1").split(",")) if chains else None
        if client is not None:
            scope["client"] = client

    def _client(self, hops: list[str]) -> tuple[str, int] | None:
        """The address and port of the last hop that isn't a trusted proxy; of the first hop if all are trusted.

        None if that hop isn't an address, such as "unknown": the client is then the proxy.
        """
        own = (
            hops[0]
            if self.networks is None
            else next((hop for hop in reversed(hops) if not self._is_trusted(hop)), hops[0])
        )
        address, port = _hop(own)
        return None if address is None else (str(address), port)

    def _is_trusted(self, hop: str) -> bool:
        return self.networks is None or (len(hop) <= _LONGEST_HOP and self._trusts(hop))

    def _is_in_networks(self, hop: str) -> bool:
        address, _ = _hop(hop)
        return address is not None and any(address in network for network in self.networks or ())


def forwarded_for(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """All X-Forwarded-For headers as one; names are lower case."""
    return b",".join([value for name, value in headers if name == b"x-forwarded-for"])


def _peer(scope: Scope) -> str:
    client = scope.get("client")
    return _hop_of(client[0] if client else None)


def _hop_of(peer: str | None) -> str:
    """The address of a connected peer as proxies write it; "" where there is none, as with a Unix socket."""
    return f"[{peer}]" if peer and ":" in peer else peer or ""


def _hop(text: str) -> tuple[_Address | None, int]:
    """The address and port in one item of `X-Forwarded-For`; port 0 if it has none.

    An item is an address, `address:port` with IPv4, or `[address]` or `[address]:port` with IPv6.
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
    """A network; for an IPv4 network also the IPv6 network of its IPv4-mapped addresses."""
    try:
        network = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise UsageError(
            f'--forwarded-allow-ips: "{text.strip()}" is neither an address nor a network; list addresses and '
            'networks, such as "127.0.0.1,10.0.0.0/8", or use "*" if only the proxy can connect.'
        ) from None
    if network.version == 6:
        return [network]
    return [network, ipaddress.ip_network(f"::ffff:{network.network_address}/{96 + network.prefixlen}")]
