"""A connection below HTTP: what the client hasn't acknowledged yet, and the reset of an answer that isn't complete.

A client could take a close for the end of a whole answer, and the kernel would keep what nobody reads.
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

UNKNOWN_LENGTH: Any = math.inf
"""The expected length of a body that ends with its connection, as it is sent to a client of HTTP/1.0."""

_LINGER_OFF = struct.pack("ii", 1, 0)


def unacknowledged(transport: asyncio.Transport) -> int:
    """Bytes that were sent and the client's kernel hasn't acknowledged; 0 where the system doesn't tell."""
    if fcntl is None:
        return 0
    opened = transport.get_extra_info("socket")
    if opened is None or opened.fileno() < 0:
        return 0
    try:
        return int.from_bytes(fcntl.ioctl(opened.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder, signed=True)
    except OSError:  # this kind of socket doesn't tell
        return 0


def reset(transport: asyncio.Transport) -> None:
    """Reset the connection; what is still to be sent is lost."""
    opened = transport.get_extra_info("socket")
    if opened is not None:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_OFF)
    transport.abort()
