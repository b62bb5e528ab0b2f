"""millpond start"""

from __future__ import annotations

import logging
from typing import Annotated

from cyclopts import Parameter

from millpond.build.manifest import OUTPUT
from millpond.cli.options import HERE, LOCALHOST, PORT, Dir, Host, Port
from millpond.cli.project import open_project, run_project
from millpond.errors import BuildError
from millpond.serve.logs import LogFormat, LogLevel, configure_logs
from millpond.serve.server import address_of, bound, fastest_loop, serve

log = logging.getLogger("millpond.serve")


def start(
    *,
    dir: Dir = HERE,  # noqa: A002 - the option's name
    host: Host = LOCALHOST,
    port: Port = PORT,
    log_format: Annotated[
        LogFormat | None, Parameter(help="Text on a terminal and JSON elsewhere, when not given.")
    ] = None,
    log_level: Annotated[LogLevel, Parameter(help="What is less important is left out.")] = "info",
    proxy_headers: Annotated[
        bool, Parameter(negative="", help="Believe X-Forwarded-For and -Proto: only behind a proxy that sets them.")
    ] = False,
) -> int:
    """Answer from the build."""
    configure_logs(log_format, log_level)
    app = open_project(dir)
    manifest = app.manifest()
    if manifest is None:
        raise BuildError(f"no build in {app.project / OUTPUT}; run `millpond build` first.")
    with bound(host, port) as sockets:

        def started() -> None:
            log.info("serving build %s on %s", manifest.build, address_of(sockets))

        async def live() -> None:
            async with app.lifespan():
                await serve(app, sockets, app.config.server, proxy_headers=proxy_headers, started=started)
                log.info("stopping")

        run_project(app, live(), fastest_loop())
    return 0
