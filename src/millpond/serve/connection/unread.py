"""What has been sent and not read: how much of it the kernel has, and the reset that ends such a connection.

A close could pass for the end of a whole answer, and leaves the kernel with what nobody reads.
"""

from __future__ import annotations

import math
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any

try:
    import fcntl
    import termios
except ImportError:  # no Unix
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    import asyncio

UNKNOWN: Any = math.inf
"""The expected length of a body that ends with its connection, as it goes to a client of HTTP/1.0."""

_AT_ONCE = struct.pack("ii", 1, 0)


def unacknowledged(transport: asyncio.Transport) -> int:
    """Bytes that the kernel has, and the client's hasn't taken; 0 where the system doesn't tell."""
    if fcntl is None:
        return 0
    opened = transport.get_extra_info("socket")
    if opened is None or opened.fileno() < 0:
        return 0
    try:
        return int.from_bytes(fcntl.ioctl(opened.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder, signed=True)
    except OSError:  # not of this kind of socket
        return 0


def reset(transport: asyncio.Transport) -> None:
    """Reset the connection; what is still to be sent is lost."""
    opened = transport.get_extra_info("socket")
    if opened is not None:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    transport.abort()
