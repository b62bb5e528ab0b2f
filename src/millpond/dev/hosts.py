"""The hosts that `millpond dev` answers: a protection against DNS rebinding.

Error pages show source lines. A foreign page in your browser could read them through a name of its own that it points
to this machine, as the browser takes both for one site. The Host header has that name, so only names are answered that
nobody else can point here. An address isn't looked up, so it can't be rebound.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

_HOST = re.compile(rb"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]{1,253}))(?::[0-9]{0,5})?")
"""RFC 9110 §7.2, without characters that no host name in use has."""
_MAX_SHOWN = 100


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """The hosts whose requests are answered.

    Args:
        listens: `--host`, a name or an address.
        addresses: those that the server listens on.
        allowed: `[dev] allowed_hosts`.
    """

    listens: str
    addresses: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()

    def allows(self, host: str) -> bool:
        """Whether requests for `host`, a name or an address without a port, are answered."""
        host = _plain(host)
        address = _address(host)
        if address is not None:
            return address.is_loopback or self._everywhere() or address in map(_address, self._named())
        return host == "localhost" or host.endswith(".localhost") or any(_covers(name, host) for name in self._named())

    def _everywhere(self) -> bool:
        """Whether it listens on all addresses of the machine; it can't know all of them (NAT, containers)."""
        return any(address.is_unspecified for address in map(_address, self.addresses) if address is not None)

    def _named(self) -> Iterable[str]:
        yield from map(_plain, (self.listens, *self.addresses, *self.allowed))
        if self._everywhere():
            name = _plain(socket.gethostname())
            short = name.partition(".")[0]
            yield from (name, short, f"{short}.local")


class AllowedHostsMiddleware:
    """Answers requests for other hosts with 403, and says how to allow them."""

    def __init__(self, app: ASGIApp, hosts: AllowedHosts) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal([value for name, value in scope["headers"] if name == b"host"])
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before it was accepted: 403
        else:
            await refusal(scope, receive, send)

    def _refusal(self, given: list[bytes]) -> PlainTextResponse | None:
        if len(given) != 1:
            return PlainTextResponse("a request has one Host header (RFC 9112 section 3.2)\n", 400)
        found = _HOST.fullmatch(given[0].strip())
        if found is None:
            return PlainTextResponse("the Host header is no host\n", 400)
        host = (found["address"] or found["name"]).decode("ascii")
        if self._hosts.allows(host):
            return None
        shown = _plain(host)[:_MAX_SHOWN]
        return PlainTextResponse(
            f"millpond dev doesn't answer for the host {shown}. If it is yours, write into millpond.toml:\n\n"
            f'[dev]\nallowed_hosts = ["{shown}"]\n',
            403,
        )


def _plain(host: str) -> str:
    """A host in the form that is compared: without a final dot, and without brackets around an address."""
    return host.strip("[]").removesuffix(".").lower()


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _covers(allowed: str, name: str) -> bool:
    return name == allowed.removeprefix(".") or (allowed.startswith(".") and name.endswith(allowed))
