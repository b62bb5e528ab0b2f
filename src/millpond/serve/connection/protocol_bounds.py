"""What a configuration sets of the protocol classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.serve.connection.round_robin import RoundRobin
from millpond.serve.connection.timeouts import Timeouts
from millpond.serve.connection.turns import Turns

if TYPE_CHECKING:
    from typing import Any

    from millpond.config import ServerConfig
    from millpond.serve.forwarded import Proxies

ROOM = 1024
"""Bytes of a request's URL that don't count as its path: scheme, host and base path."""

IN_USE = 5.0
"""Seconds for which a connection counts as used after its last answer, and one more: see `Timeouts`."""
LINGER = 1.0
"""Seconds in which a refused client may read the answer, as closing at once would reset the connection before that; and
in which a client that uses its connection may still send a request, when the server shuts down."""

_MAX_URL_BYTES = 65_535
"""httptools can't parse a longer one."""


def bounds_of(bounds: ServerConfig, proxies: Proxies | None) -> dict[str, Any]:
    """The attributes of a BoundedProtocol that a configuration sets."""
    return {
        "max_url_bytes": min(bounds.max_path_bytes + ROOM, _MAX_URL_BYTES),
        "max_head_bytes": bounds.max_path_bytes + ROOM + bounds.max_header_bytes,
        "max_trailer_bytes": bounds.max_header_bytes,
        "max_body_bytes": bounds.max_body_bytes,
        "max_connections": bounds.max_connections,
        "linger": min(LINGER, bounds.shutdown_timeout / 5),
        "timeouts": Timeouts(bounds),
        "proxies": proxies,
        "round_robin": RoundRobin(),
        "turns": Turns(),
    }
