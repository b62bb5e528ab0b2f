"""Where a server is told to listen."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from millpond.errors import AddressError
from millpond.serve.processes.addresses import bound, bound_unix, inherited

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where a server listens."""

    host: str = ""
    """A name or an address; empty for a socket that has neither."""
    port: int = 0
    uds: Path | None = None
    fd: int | None = None
    variables: str = ""
    """Those of the environment that say so, for messages."""

    @contextlib.contextmanager
    def sockets(self) -> Iterator[list[socket.socket]]:
        """The sockets, bound; closed on exit.

        Raises:
            AddressError: nobody can listen there.
        """
        with contextlib.ExitStack() as stack:
            try:
                sockets = stack.enter_context(self._bound())
            except AddressError as error:
                told = f" (By the environment: {self.variables}.)" if self.variables else ""
                raise AddressError(f"{error}{told}") from None
            yield sockets

    def _bound(self) -> contextlib.AbstractContextManager[list[socket.socket]]:
        if self.uds is not None:
            return bound_unix(self.uds)
        return bound(self.host, self.port) if self.fd is None else inherited(self.fd)
