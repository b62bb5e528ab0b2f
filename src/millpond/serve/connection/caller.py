"""Who is at the other end of a connection, for the access log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.serve.access.access_log import is_logged, log_request
from millpond.serve.access.asked import LONGEST_PATH, Asked, identified, shown
from millpond.serve.access.served_request import ServedRequest
from millpond.serve.forwarded import forwarded_for

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from millpond.serve.forwarded import Proxies
    from millpond.telemetry.request_counts import RequestCounts


class Caller:
    """The peer of one connection.

    Args:
        transport: of the connection.
        proxies: those that are trusted to name the client; None for none.
    """

    __slots__ = ("_peer", "_proxies", "_transport")

    def __init__(self, transport: asyncio.BaseTransport, proxies: Proxies | None) -> None:
        self._transport, self._proxies = transport, proxies
        self._peer: str | None = None
        """"" where there is none, as with a Unix socket; None before somebody wanted to know it."""

    def address(self, forwarded: bytes = b"") -> str | None:
        """The address of the client of a request; None where there is none.

        Args:
            forwarded: the request's `X-Forwarded-For` headers, see `forwarded_for`.
        """
        if self._peer is None:
            name = self._transport.get_extra_info("peername")
            self._peer = name[0] if isinstance(name, tuple) else ""
        peer = self._peer or None
        return peer if self._proxies is None or not forwarded else self._proxies.named_client(peer, forwarded)

    def tell_refusal(
        self,
        counts: RequestCounts | None,
        status: int,
        method: bytes = b"",
        url: bytes = b"",
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        """Tell of a message that was refused before it was a request; of the request, as much as was read of it."""
        if counts is not None:
            counts.tally("", status, None).count += 1
        if is_logged():
            path = shown(url.partition(b"?")[0].decode("latin-1"), LONGEST_PATH)
            client = self.address(forwarded_for(headers))
            log_request(ServedRequest(Asked(method.decode("ascii"), path, client, *identified(headers)), status))
