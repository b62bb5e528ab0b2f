"""The process that serves while you write; the supervisor starts another one after each change.

python -m millpond.dev.child PROJECT APP FACTORY HOST ALIVE CRASHED CERTFILE KEYFILE SOCKET...: APP is MODULE:APP as the
command line says it, and FACTORY "factory" if that is a function; HOST is what the supervisor listens on, ALIVE and the
SOCKETs are file descriptors; CRASHED is the exit code of the process before this one when that ended by itself. The
password of the key in KEYFILE is in the environment. What isn't there is "-".
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from millpond.app.development import begin_development
from millpond.app.entrypoint.opened_app import open_app
from millpond.app.hints.project_hints import hints
from millpond.config import Entrypoint, ServerConfig, load_config
from millpond.dev.error_page import ErrorPage, error_response, error_text
from millpond.dev.error_report import ErrorReport, report_of
from millpond.dev.hosts import AllowedHosts, AllowedHostsMiddleware
from millpond.errors import ConfigError, MillpondError
from millpond.serve.access.telling_app import TellingApp
from millpond.serve.layers.failures import LoggedFailures
from millpond.serve.logs import configure_logs
from millpond.serve.processes.addresses import is_unix
from millpond.serve.processes.certificate import Certificate
from millpond.serve.processes.descriptors import raise_limit
from millpond.serve.processes.event_loop import fastest_loop, run_loop
from millpond.serve.processes.process_exit import exit_orphaned, exit_process
from millpond.serve.processes.server import serve
from millpond.serve.readiness.taken_path import claims_of, reserved_paths, taken

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from millpond.app import Millpond
    from millpond.routes.broken_route import Explained

log = logging.getLogger("millpond.dev")

NONE = "-"
"""Stands for an argument that isn't there."""
PATIENCE = 1.0
"""Seconds that a stop waits for requests and callbacks: the next version is to be seen."""
_GRACE = 4.0
"""Seconds in which this process ends when the supervisor is gone."""


def main(arguments: Sequence[str]) -> int:
    """Serve until a signal comes, or the supervisor is gone."""
    project, given, factory, host, alive, crashed, certfile, keyfile, *descriptors = arguments
    entrypoint = Entrypoint(Path(project), None if given == NONE else given, factory=factory != NONE)
    raise_limit()
    configure_logs("text", "info", project=Path(project))
    _end_with(int(alive))
    sockets = [socket.socket(fileno=int(descriptor)) for descriptor in descriptors]
    app = _application(entrypoint) if crashed == NONE else _crash_page(crashed)
    try:
        hosts = _hosts(Path(project), "" if host == NONE else host, sockets)
        run_loop(_live(app, hosts, sockets, _certificate(certfile, keyfile)), fastest_loop())
    except KeyboardInterrupt:  # Ctrl-C before the server had begun
        return 130
    return 0


def _end_with(alive: int) -> None:
    """Stop when the supervisor is gone, however it went: then the pipe that it holds is closed."""

    def watch() -> None:
        os.read(alive, 1)
        exit_orphaned(_GRACE)

    threading.Thread(target=watch, daemon=True).start()


def _application(entrypoint: Entrypoint) -> Millpond | ErrorPage:
    project = entrypoint.folder
    begin_development(
        lambda config: msgspec.structs.replace(config, server=_with_short_shutdown(config.server)),
        _Explanations(project),
    )
    try:
        app, notes = open_app(entrypoint)
        routes = app.own_routes
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the project raises becomes a page
        return _error_page(error, project)

    async def show(request: Request, error: Exception) -> Response:
        return error_response(report_of(error, project), request.headers.get("accept", ""))

    if not {500, Exception} & set(app.exception_handlers):  # the user's own page comes first
        app.add_exception_handler(Exception, show)
    of_routes = [warning for route in routes for warning in route.warnings]
    claims = claims_of(app.routes, app.published.listing.files, app.project)
    hidden = taken(app.config, claims, reserved_paths(app.config, development=True))
    for warning in (*notes, *of_routes, *app.published.warnings(app.routes), *hints(app), *hidden):
        log.warning("%s", warning)
    return app


class _Explanations:
    """Makes the page of each route whose file can't be loaded, and logs what several have in common once."""

    def __init__(self, project: Path) -> None:
        self._project = project
        self._told: set[str] = set()

    def __call__(self, error: MillpondError) -> Explained:
        report = report_of(error, self._project)
        if report.message not in self._told:
            self._told.add(report.message)
            log.error("%s", error_text(report).rstrip())
        return lambda request: error_response(report, request.headers.get("accept", ""))


def _error_page(error: BaseException, project: Path) -> ErrorPage:
    report = report_of(error, project)
    log.error("%s", error_text(report).rstrip())
    return ErrorPage(report)


def _crash_page(code: str) -> ErrorPage:
    return ErrorPage(ErrorReport(f"The server process ended with exit code {code}; its output says more."))


def _hosts(project: Path, host: str, sockets: list[socket.socket]) -> AllowedHosts:
    try:
        allowed = load_config(project).dev.allowed_hosts
    except ConfigError:  # the page says it
        allowed = ()
    return AllowedHosts(host, _addresses(sockets), allowed)


def _addresses(sockets: list[socket.socket]) -> tuple[str, ...]:
    return tuple(each.getsockname()[0] for each in sockets if not is_unix(each))


def _with_short_shutdown(bounds: ServerConfig) -> ServerConfig:
    return msgspec.structs.replace(bounds, shutdown_timeout=PATIENCE, stream_timeout=0)


def _certificate(certfile: str, keyfile: str) -> Certificate | None:
    if certfile == NONE:
        return None
    return Certificate(
        Path(certfile), None if keyfile == NONE else Path(keyfile), os.environ.get("SSL_KEYFILE_PASSWORD")
    )


async def _live(
    app: Millpond | ErrorPage, hosts: AllowedHosts, sockets: list[socket.socket], certificate: Certificate | None
) -> None:
    async def answer(app: ASGIApp, bounds: ServerConfig) -> None:
        await serve(TellingApp(AllowedHostsMiddleware(app, hosts)), sockets, bounds, certificate=certificate)

    if isinstance(app, ErrorPage):
        await answer(app, _with_short_shutdown(ServerConfig()))
        return
    bounds = app.config.server
    served = False
    try:
        async with app.lifespan():
            served = True
            await answer(LoggedFailures(app), bounds)
    except (Exception, SystemExit) as error:
        if served:
            raise
        await answer(_error_page(error, app.project), bounds)


if __name__ == "__main__":
    exit_process(main(sys.argv[1:]))
