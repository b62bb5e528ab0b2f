"""How an application is to be served, whichever process does it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from millpond.serve.access.line_format import access
from millpond.serve.logs import LogFormat, LogLevel, configure_logs
from millpond.serve.processes.addresses import address_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from millpond.config import Entrypoint
    from millpond.serve.forwarded import Proxies
    from millpond.serve.processes.certificate import Certificate

log = logging.getLogger("millpond.serve")

Way = Literal["socket", "asgi"]


@dataclass(frozen=True, slots=True)
class ServeTask:
    """How to serve. With several workers each gets it, pickled."""

    entrypoint: Entrypoint
    log_format: LogFormat | None
    log_level: LogLevel
    access_log: bool
    way: Way
    proxies: Proxies | None
    certificate: Certificate | None
    warm: int = 0
    """How many paths are asked for before the server is ready."""
    takes_over: bool = False
    """Whether others still answer, so that connections aren't accepted before it is warm."""

    def log_start(
        self, build: str | None, sockets: Sequence[socket.socket], notes: Sequence[str], how: str = ""
    ) -> None:
        """Log that a build is served, and notes about the application."""
        where = address_of(sockets, "http" if self.certificate is None else "https")
        log.info("serving %son %s%s", "" if build is None else f"build {build} ", where, how)
        for note in notes:
            log.warning("%s", note)

    def configure_logs(self, worker: int | None = None) -> None:
        """Configure the logs of this process."""
        configure_logs(self.log_format, self.log_level, buffered=True, worker=worker)
        if not self.access_log:
            access.setLevel(logging.WARNING)
