"""The process that serves while you write; the supervisor starts another one after each change.

python -m millpond.dev.child PROJECT ALIVE CRASHED SOCKET...: ALIVE and the SOCKETs are file descriptors; CRASHED is the
exit code of the process before this one when that ended by itself, or "-".
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from millpond.app import Millpond
from millpond.config import ServerConfig
from millpond.dev.page import ErrorPage, page, text
from millpond.dev.problem import Problem, problem_of
from millpond.serve.event_loop import fastest_loop
from millpond.serve.leaving import leave, run_loop
from millpond.serve.logs import configure_logs
from millpond.serve.server import serve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

log = logging.getLogger("millpond.dev")

PATIENCE = 1.0
"""Seconds that a stop waits for requests and callbacks: the next version is to be seen."""


def main(arguments: Sequence[str]) -> int:
    """Serve until a signal comes, or the supervisor is gone."""
    project, alive, crashed, *descriptors = arguments
    configure_logs("text", "info", project=Path(project))
    _end_with(int(alive))
    sockets = [socket.socket(fileno=int(descriptor)) for descriptor in descriptors]
    app = _application(Path(project)) if crashed == "-" else _crash_page(crashed)
    try:
        run_loop(_live(app, sockets), fastest_loop())
    except KeyboardInterrupt:  # Ctrl-C before the server had begun
        return 130
    return 0


def _end_with(alive: int) -> None:
    """Stop when the supervisor is gone, however it went: then the pipe that it holds is closed."""

    def watch() -> None:
        os.read(alive, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _application(project: Path) -> Millpond | ErrorPage:
    try:
        app = Millpond(project / "app", development=True)
    except Exception as error:  # noqa: BLE001 - whatever the project raises becomes a page
        return _error_page(error, project)

    async def show(request: Request, error: Exception) -> Response:
        return page(problem_of(error, project), request.headers.get("accept", ""))

    app.fastapi.add_exception_handler(Exception, show)
    for route in app.routes:
        for warning in route.warnings:
            log.warning("%s", warning)
    return app


def _error_page(error: Exception, project: Path) -> ErrorPage:
    problem = problem_of(error, project)
    log.error("%s", text(problem).rstrip())
    return ErrorPage(problem)


def _crash_page(code: str) -> ErrorPage:
    return ErrorPage(Problem(f"The server process ended with exit code {code}; its output says more."))


async def _live(app: Millpond | ErrorPage, sockets: list[socket.socket]) -> None:
    if isinstance(app, ErrorPage):
        await serve(app, sockets, ServerConfig(shutdown_timeout=PATIENCE))
        return
    bounds = msgspec.structs.replace(app.config.server, shutdown_timeout=PATIENCE)
    app.config = msgspec.structs.replace(app.config, server=bounds)
    try:
        await app.startup()
    except Exception as error:  # noqa: BLE001 - as above
        await serve(_error_page(error, app.project), sockets, bounds)
        return
    try:
        await serve(app, sockets, bounds)
    finally:
        await app.shutdown()


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
