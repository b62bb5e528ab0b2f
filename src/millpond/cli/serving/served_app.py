"""The application of a project, opened and served by this process."""

from __future__ import annotations

import contextlib
import logging
import os
from functools import partial
from typing import TYPE_CHECKING

from millpond.app.hints.project_hints import nothing_to_serve
from millpond.app.served_build import environment_log
from millpond.cli.project import open_project, run_project
from millpond.cli.terminal.console import print_error, replace_unprintable
from millpond.config.project.build_output import OUTPUT
from millpond.cron.scheduler import Scheduler
from millpond.cron.secret import authorization
from millpond.errors import BuildError, MillpondError, UsageError
from millpond.prerender.frozen_environment import drift
from millpond.prerender.later_renders import rendered_since
from millpond.routes.deferred.unloaded_routes import known_routes
from millpond.serve.layers.failures import LoggedFailures
from millpond.serve.processes.event_loop import fastest_loop
from millpond.serve.processes.process_exit import repeated_signals
from millpond.serve.processes.server import serve
from millpond.serve.processes.worker import Warming, WorkerReport
from millpond.serve.readiness.taken_path import claims_of, refuse_taken

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from millpond.app import Millpond
    from millpond.cli.listening.listen_address import ListenAddress
    from millpond.cli.serving.serve_task import ServeTask
    from millpond.cli.warming.warm_start import WarmStart
    from millpond.prerender.build_manifest import BuildManifest
    from millpond.serve.processes.worker import Started

log = logging.getLogger("millpond.serve")

FAILED = 1


def serve_here(task: ServeTask, address: ListenAddress) -> None:
    """Serve in this process, which has no others, until SIGINT or SIGTERM.

    Raises:
        MillpondError: the application or its build is wrong, or the address is taken.
    """
    app, notes, manifest = _opened(task)
    with address.sockets() as sockets:

        def started() -> None:
            task.log_start(None if manifest is None else manifest.build, sockets, notes)

        _serve(task, app, sockets, started, second_signal_exits=True)


def serve_in_worker(task: ServeTask, sockets: Sequence[socket.socket], started: Started) -> int:
    """Serve in a worker process; returns its exit code."""
    replace_unprintable()
    task.configure_logs(worker=os.getpid())
    environment_log.addFilter(lambda record: False)  # the parent logs these warnings once
    try:
        app, notes, manifest = _opened(task)
        _refuse_memory(app)
        changes = [] if manifest is None else _changes(app, manifest)
        report = WorkerReport(None if manifest is None else manifest.build, app.config.server, notes, changes)
        telling = partial(started, Warming(app.config.server.warm_timeout))
        _serve(task, app, sockets, lambda: started(report), second_signal_exits=False, warming=telling)
    except MillpondError as error:
        print_error(str(error))
        return FAILED
    return 0


def _opened(task: ServeTask) -> tuple[Millpond, list[str], BuildManifest | None]:
    """The application, notes about it, and its build; None if there are no routes, so that there is nothing to build.

    Raises:
        BuildError: there is no build, or it can't be served.
        ConfigError: something else answers a path of operators, such as `[server] ready_path`.
        MillpondError: the application is wrong.
    """
    notes: list[str] = []
    app = open_project(task.entrypoint, notes.append, serves=True)
    notes += nothing_to_serve(app)
    notes += app.published.warnings(known_routes(app.router))
    notes += app.config.metrics.notes
    manifest = app.manifest()
    if manifest is None and app.served_routes:
        raise BuildError(f"no build in {app.project / OUTPUT}; run `millpond build` first.")
    built = () if manifest is None else ((record.pattern, record.file) for record in manifest.routes)
    known = claims_of(known_routes(app.router), app.published.listing.files, app.project)
    refuse_taken(app.config, (*known, *built))
    return app, notes, manifest


def _changes(app: Millpond, manifest: BuildManifest) -> list[str]:
    """What the environment has in another way than the build, as far as answers hold it."""
    again = rendered_since(app.project, app.config.cache, manifest)
    return drift(app.project, manifest, os.environ, again)


def _refuse_memory(app: Millpond) -> None:
    if app.config.cache.store == "memory":
        raise UsageError(
            'several workers can\'t be used with [cache] store = "memory": each would have its own cache, and an '
            'invalidation would reach only one of them. Use store = "lmdb", or one worker.'
        )


def _serve(
    task: ServeTask,
    app: Millpond,
    sockets: Sequence[socket.socket],
    started: Callable[[], None],
    *,
    second_signal_exits: bool,
    warming: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGINT or SIGTERM; with `second_signal_exits` a second signal exits at once."""
    authorization()  # refuses a cron secret that is too short, before the server is reachable
    warm_start = _warm_start(app, task.warm)
    if warm_start is not None:
        warming()
        warm_start.look()

    async def live() -> None:
        with contextlib.ExitStack() as until_exit:
            async with app.lifespan(), Scheduler(app.jobs(), app.config.server.shutdown_timeout).running():
                # A probe can be told that the server isn't warm only where it is answered.
                answers = app.config.server.ready_path is not None and not task.takes_over
                if warm_start is not None and not answers:
                    await warm_start.run()
                await serve(
                    LoggedFailures(app),
                    sockets,
                    app.config.server,
                    hits=app.hits if task.way == "socket" else None,
                    proxies=task.proxies,
                    certificate=task.certificate,
                    drain_delay=app.config.server.drain_delay,
                    second_signal_exits=second_signal_exits,
                    started=started,
                    warm=warm_start.run if warm_start is not None and answers else None,
                )
                until_exit.enter_context(repeated_signals(exits=second_signal_exits))
                log.info("stopping")

    run_project(app, live(), fastest_loop())


def _warm_start(app: Millpond, count: int) -> WarmStart | None:
    if not count:
        return None
    from millpond.cli.warming.warm_start import WarmStart  # imported late: most starts don't need it

    return WarmStart(app, count)
