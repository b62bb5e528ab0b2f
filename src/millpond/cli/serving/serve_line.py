"""Serves an application: in this process, or in workers."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from millpond.app.hints.project_hints import nothing_to_serve
from millpond.app.served_build import environment_log
from millpond.cli.console import print_error, replace_unprintable
from millpond.cli.project import environment_of, open_project, run_project
from millpond.config import load_config
from millpond.cron.scheduler import Scheduler
from millpond.cron.secret import authorization
from millpond.errors import BuildError, MillpondError, UsageError
from millpond.prerender.build_manifest import OUTPUT, read_manifest
from millpond.prerender.frozen_environment import drift
from millpond.routes.deferred.unloaded_routes import known_routes
from millpond.serve.access.line_format import access
from millpond.serve.forwarded import LOCAL, Proxies
from millpond.serve.layers.failures import LoggedFailures
from millpond.serve.logs import LogFormat, LogLevel, configure_logs
from millpond.serve.processes.addresses import address_of
from millpond.serve.processes.descriptors import raise_limit
from millpond.serve.processes.event_loop import fastest_loop
from millpond.serve.processes.process_exit import repeated_signals
from millpond.serve.processes.server import serve
from millpond.serve.processes.worker import WorkerReport
from millpond.serve.processes.workers import run_workers

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from millpond.app import Millpond
    from millpond.cli.listening.listen_address import ListenAddress
    from millpond.cli.listening.listening_place import ListeningPlace
    from millpond.config import Entrypoint
    from millpond.prerender.build_manifest import BuildManifest
    from millpond.serve.processes.certificate import Certificate
    from millpond.serve.processes.worker import Started

log = logging.getLogger("millpond.serve")

FAILED = 1
Way = Literal["socket", "asgi"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartLine:
    """What the command line of `millpond start` says."""

    entrypoint: Entrypoint
    place: ListeningPlace
    workers: int = 1
    log_format: LogFormat | None = None
    log_level: LogLevel = "info"
    access_log: bool = True
    server: Way = "socket"
    proxy_headers: bool = False
    forwarded_allow_ips: str | None = None


def serve_line(line: StartLine) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit code.

    Raises:
        MillpondError: an option, the configuration, the application or its build is wrong.
    """
    proxies = _trusted(line.forwarded_allow_ips, proxy_headers=line.proxy_headers)
    with environment_of(line.entrypoint.folder):
        address, certificate = line.place.address(), line.place.certificate()
    serving = _ServeTask(
        line.entrypoint, line.log_format, line.log_level, line.access_log, line.server, proxies, certificate
    )
    serving.configure_logs()
    raise_limit()
    if line.workers > 1:
        gc.enable()  # this process imports no more
        return _start_workers(serving, address, line.workers)
    notes: list[str] = []
    app = open_project(serving.entrypoint, notes.append, serves=True)
    notes += nothing_to_serve(app)
    notes += app.published.warnings(known_routes(app.router))
    build = _described(_manifest_of(app))
    with address.sockets() as sockets:

        def started() -> None:
            log.info("serving %son %s", build, serving.address_of(sockets))
            _log_notes(notes)

        serving.serve(app, sockets, started, second_signal_exits=True)
    return 0


def _trusted(allowed: str | None, *, proxy_headers: bool) -> Proxies | None:
    if proxy_headers:
        return Proxies(LOCAL if allowed is None else allowed)
    if allowed is not None:
        raise UsageError("--forwarded-allow-ips names the proxies that --proxy-headers trusts; give both.")
    return None


def _start_workers(serving: _ServeTask, address: ListenAddress, workers: int) -> int:
    folder = serving.entrypoint.folder
    bounds = load_config(folder).server
    with address.sockets() as sockets:

        def started(report: WorkerReport | None) -> None:
            if report is None:
                return
            manifest = None
            if report.project is not None:
                manifest = _served(report.project)
                if manifest is None:
                    return
                with environment_of(folder):  # not longer: workers that start later read the files as they are then
                    sentences = drift(report.project, manifest, os.environ)
                for sentence in sentences:
                    environment_log.warning("%s", sentence)
            log.info("serving %son %s with %d workers", _described(manifest), serving.address_of(sockets), workers)
            _log_notes(report.notes)

        return run_workers(serving, sockets, workers, bounds, started)


def _manifest_of(app: Millpond) -> BuildManifest | None:
    """The build; None if there are no route files, so that there is nothing to build.

    Raises:
        BuildError: there is none, or it can't be served.
    """
    manifest = app.manifest()
    return manifest if manifest is None and not app.served_routes else _required(manifest, app.project)


def _described(manifest: BuildManifest | None) -> str:
    return "" if manifest is None else f"build {manifest.build} "


def _log_notes(notes: Sequence[str]) -> None:
    for note in notes:
        log.warning("%s", note)


def _refuse_memory(app: Millpond) -> None:
    if app.config.cache.store == "memory":
        raise UsageError(
            'several workers can\'t be used with [cache] store = "memory": each would have its own cache, and an '
            'invalidation would reach only one of them. Use store = "lmdb", or one worker.'
        )


def _required(manifest: BuildManifest | None, project: Path) -> BuildManifest:
    if manifest is None:
        raise BuildError(f"no build in {project / OUTPUT}; run `millpond build` first.")
    return manifest


def _served(project: Path) -> BuildManifest | None:
    """The build that the workers now serve; None, with a warning in the log, if it was removed since."""
    try:
        return _required(read_manifest(project), project)
    except BuildError as error:
        log.warning("%s", error)
        return None


@dataclass(frozen=True, slots=True)
class _ServeTask:
    """How to serve. With several workers it is pickled and sent to each."""

    entrypoint: Entrypoint
    log_format: LogFormat | None
    log_level: LogLevel
    access_log: bool
    way: Way
    proxies: Proxies | None
    certificate: Certificate | None

    def __call__(self, sockets: Sequence[socket.socket], started: Started) -> int:
        """Serve in a worker process; the `WorkerTask` of `run_workers`."""
        replace_unprintable()
        self.configure_logs(worker=os.getpid())
        environment_log.addFilter(lambda record: False)  # the parent logs these warnings once
        try:
            notes: list[str] = []
            app = open_project(self.entrypoint, notes.append, serves=True)
            notes += nothing_to_serve(app)
            notes += app.published.warnings(known_routes(app.router))
            manifest = _manifest_of(app)
            _refuse_memory(app)
            report = WorkerReport(None if manifest is None else app.project, app.config.server, notes)
            self.serve(app, sockets, lambda: started(report), second_signal_exits=False)
        except MillpondError as error:
            print_error(str(error))
            return FAILED
        return 0

    def address_of(self, sockets: Sequence[socket.socket]) -> str:
        """Where it serves, for display."""
        return address_of(sockets, "http" if self.certificate is None else "https")

    def configure_logs(self, worker: int | None = None) -> None:
        configure_logs(self.log_format, self.log_level, buffered=True, worker=worker)
        if not self.access_log:
            access.setLevel(logging.WARNING)

    def serve(
        self, app: Millpond, sockets: Sequence[socket.socket], started: Callable[[], None], *, second_signal_exits: bool
    ) -> None:
        """Serve until SIGINT or SIGTERM; with `second_signal_exits` a second signal exits at once."""
        authorization()  # refuses a cron secret that is too short, before the server is reachable

        async def live() -> None:
            with contextlib.ExitStack() as until_exit:
                async with app.lifespan(), Scheduler(app.jobs(), app.config.server.shutdown_timeout).running():
                    await serve(
                        LoggedFailures(app),
                        sockets,
                        app.config.server,
                        hits=app.hits if self.way == "socket" else None,
                        proxies=self.proxies,
                        certificate=self.certificate,
                        second_signal_exits=second_signal_exits,
                        started=started,
                    )
                    until_exit.enter_context(repeated_signals(exits=second_signal_exits))
                    log.info("stopping")

        run_project(app, live(), fastest_loop())
