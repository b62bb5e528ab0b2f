"""Options that say where a server listens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - the annotations are read at run time
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from millpond.cli.listening.listening_place import LOCALHOST, MAX_PORT, PORT, ListeningPlace


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Listen(ListeningPlace):
    """The same, as options of commands."""

    host: Annotated[
        str | None,
        Parameter(
            help="The host name or address to listen on; 0.0.0.0 for all IPv4 addresses. "
            f"[env: HOST] [default: {LOCALHOST}]"
        ),
    ] = None
    port: Annotated[
        int | None,
        Parameter(
            help=f"The port to listen on; 0 for any free one. [env: PORT] [default: {PORT}]",
            validator=Number(gte=0, lte=MAX_PORT),
        ),
    ] = None
    uds: Annotated[Path | None, Parameter(help="Listen on a Unix socket with this path instead.")] = None
    fd: Annotated[
        int | None,
        Parameter(
            help="Listen on an open socket with this file descriptor instead; systemd's first one is 3.",
            validator=Number(gte=0),
        ),
    ] = None
    ssl_certfile: Annotated[Path | None, Parameter(help="Speak HTTPS with this certificate, a file in PEM format.")] = (
        None
    )
    ssl_keyfile: Annotated[
        Path | None, Parameter(help="The certificate's private key, if it isn't in the same file.")
    ] = None
    ssl_keyfile_password: Annotated[
        str | None, Parameter(help="The password of an encrypted private key. [env: SSL_KEYFILE_PASSWORD]")
    ] = None


ANYWHERE = Listen()
