"""The end of a connection whose client is to know that something is missing: a reset, where a close could pass for the
end of a whole answer, and would leave the kernel with what nobody reads."""

from __future__ import annotations

import math
import socket
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

UNKNOWN: Any = math.inf
"""The expected length of a body that ends with its connection, as it goes to a client of HTTP/1.0."""

_AT_ONCE = struct.pack("ii", 1, 0)


def reset(transport: asyncio.Transport) -> None:
    """Reset the connection; what is still to be sent is lost."""
    opened = transport.get_extra_info("socket")
    if opened is not None:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    transport.abort()
