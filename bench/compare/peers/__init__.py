"""The servers that are compared: how each is prepared and started, and what it answers where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peers.node_servers import next_js, nitro
from peers.ponds import millpond, millpond_asgi, millpond_cors, millpond_log, millpond_many, millpond_uncounted
from peers.uvicorn_servers import bare_protocol, cashews, fastapi, fastapi_plain, litestar, raw_asgi
from peers.web_servers import nginx, varnish

if TYPE_CHECKING:
    from collections.abc import Callable

    from peers.peer import Peer, Scratch

PEERS: dict[str, Callable[[Scratch], Peer]] = {
    "millpond": millpond,
    "millpond-asgi": millpond_asgi,
    "millpond-cors": millpond_cors,
    "millpond-log": millpond_log,
    "millpond-many": millpond_many,
    "millpond-uncounted": millpond_uncounted,
    "bare-protocol": bare_protocol,
    "raw-asgi": raw_asgi,
    "nginx": nginx,
    "varnish": varnish,
    "next": next_js,
    "nitro": nitro,
    "fastapi": fastapi,
    "fastapi-plain": fastapi_plain,
    "cashews": cashews,
    "litestar": litestar,
}
"""By name, what prepares it. Those called millpond-… are prepared after `millpond`, as they may copy its build."""
