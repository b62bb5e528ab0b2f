"""millpond start"""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from millpond.cli.listening.listen_options import ANYWHERE, Listen
from millpond.cli.serving.plain_line import MOST_WARMED
from millpond.cli.serving.serve_line import StartLine, serve_line
from millpond.cli.serving.serve_task import Way  # noqa: TC001 - the annotations are read at run time
from millpond.cli.terminal.options import HERE, AppName, Which
from millpond.serve.forwarded import LOCAL
from millpond.serve.logs import LogFormat, LogLevel  # noqa: TC001 - the annotations are read at run time


def start(
    named: AppName = None,
    /,
    *,
    which: Which = HERE,
    listen: Listen = ANYWHERE,
    workers: Annotated[
        int, Parameter(help="Number of worker processes; they share one cache.", validator=Number(gte=1, lte=1024))
    ] = 1,
    log_format: Annotated[
        LogFormat | None, Parameter(help="The format of logs; by default text on a terminal, otherwise JSON.")
    ] = None,
    log_level: Annotated[LogLevel, Parameter(help="The lowest level that is logged.")] = "info",
    access_log: Annotated[bool, Parameter(help="Log each request.")] = True,
    server: Annotated[
        Way, Parameter(help='"socket" answers hits at the socket; "asgi" sends every request through the application.')
    ] = "socket",
    proxy_headers: Annotated[
        bool, Parameter(negative="", help="Use X-Forwarded-For and X-Forwarded-Proto from trusted proxies.")
    ] = False,
    forwarded_allow_ips: Annotated[
        str | None,
        Parameter(help=f'The trusted proxies: addresses and networks, or "*" for all. [default: {LOCAL}]'),
    ] = None,
    warm: Annotated[
        int,
        Parameter(
            help="Before the server is ready, render this many of the paths that were read most, or those of the "
            "sitemap; for at most [server] warm_timeout seconds.",
            validator=Number(gte=0, lte=MOST_WARMED),
        ),
    ] = 0,
) -> int:
    """Serve the build."""
    return serve_line(
        StartLine(
            entrypoint=which.entrypoint(named),
            place=listen,
            workers=workers,
            log_format=log_format,
            log_level=log_level,
            access_log=access_log,
            server=server,
            proxy_headers=proxy_headers,
            forwarded_allow_ips=forwarded_allow_ips,
            warm=warm,
        )
    )
