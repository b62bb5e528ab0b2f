"""Where a server listens, and with which certificate: what options and the environment say together."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - the annotations are read at run time

from millpond.cli.listening.listen_address import ListenAddress
from millpond.errors import UsageError
from millpond.serve.processes.certificate import Certificate

LOCALHOST, PORT = "127.0.0.1", 8000
MAX_PORT = 65_535
_MAX_SHOWN = 60


@dataclass(frozen=True, kw_only=True)
class ListeningPlace:
    """Where a server listens. An option comes before its variable in the environment."""

    host: str | None = None
    port: int | None = None
    uds: Path | None = None
    fd: int | None = None
    ssl_certfile: Path | None = None
    ssl_keyfile: Path | None = None
    ssl_keyfile_password: str | None = None

    def __post_init__(self) -> None:
        for name in ("uds", "ssl_certfile", "ssl_keyfile"):  # a command goes to the project's folder later
            path = getattr(self, name)
            object.__setattr__(self, name, None if path is None else path.absolute())

    def address(self) -> ListenAddress:
        """Where to listen, by the options and the environment.

        Raises:
            UsageError: options contradict each other, or a variable makes no sense.
        """
        if self.uds is not None or self.fd is not None:
            if self.host is not None or self.port is not None or (self.uds is not None and self.fd is not None):
                raise UsageError("give one place to listen: --host and --port, or --uds, or --fd.")
            return ListenAddress(uds=self.uds, fd=self.fd)
        host, variables = self.host, list[str]()
        if host is None:
            host = os.environ.get("HOST", "").strip()
            variables += ["HOST"] if host else []
        port = self.port
        if port is None:
            port = _port_of_environment()
            variables += [] if port is None else ["PORT"]
        return ListenAddress(host or LOCALHOST, PORT if port is None else port, variables=" and ".join(variables))

    def certificate(self) -> Certificate | None:
        """The certificate, which can be used; None without one.

        Raises:
            UsageError: it can't be used.
        """
        if self.ssl_certfile is None:
            if self.ssl_keyfile is not None or self.ssl_keyfile_password is not None:
                raise UsageError("a private key needs a certificate; give that with --ssl-certfile.")
            return None
        password = self.ssl_keyfile_password or os.environ.get("SSL_KEYFILE_PASSWORD") or None
        certificate = Certificate(self.ssl_certfile, self.ssl_keyfile, password)
        certificate.check()
        return certificate


def _port_of_environment() -> int | None:
    text = os.environ.get("PORT", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_PORT)) and int(text) <= MAX_PORT:
        return int(text)
    raise UsageError(
        f'the environment variable PORT is "{text[:_MAX_SHOWN]}"; it must be a number from 0 to '
        f"{MAX_PORT}. --port comes before it."
    )
