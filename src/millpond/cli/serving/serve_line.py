"""What `millpond start` does: serves in this process, or in workers.

Nothing here needs the application's packages: of several processes, the parent of the workers has none of them.
"""

from __future__ import annotations

import gc
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from millpond.cli.serving.project_environment import environment_of
from millpond.cli.serving.serve_task import ServeTask
from millpond.config import load_config
from millpond.errors import UsageError
from millpond.serve.forwarded import LOCAL, Proxies
from millpond.serve.processes.descriptors import raise_limit

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from millpond.cli.listening.listen_address import ListenAddress
    from millpond.cli.listening.listening_place import ListeningPlace
    from millpond.cli.serving.serve_task import Way
    from millpond.config import Entrypoint
    from millpond.serve.logs import LogFormat, LogLevel
    from millpond.serve.processes.worker import Started, WorkerReport

environment_log = logging.getLogger("millpond.environment")


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
    warm: int = 0


def serve_line(line: StartLine) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit code.

    Raises:
        MillpondError: an option, the configuration, the application or its build is wrong.
    """
    proxies = _trusted(line.forwarded_allow_ips, proxy_headers=line.proxy_headers)
    with environment_of(line.entrypoint.folder):
        address, certificate = line.place.address(), line.place.certificate()
    serving = ServeTask(
        line.entrypoint,
        line.log_format,
        line.log_level,
        line.access_log,
        line.server,
        proxies,
        certificate,
        line.warm,
    )
    serving.configure_logs()
    raise_limit()
    if line.workers > 1:
        gc.enable()  # this process imports nothing large
        return _start_workers(serving, address, line.workers)
    from millpond.cli.serving.served_app import serve_here

    serve_here(serving, address)
    return 0


def _trusted(allowed: str | None, *, proxy_headers: bool) -> Proxies | None:
    if proxy_headers:
        return Proxies(LOCAL if allowed is None else allowed)
    if allowed is not None:
        raise UsageError("--forwarded-allow-ips names the proxies that --proxy-headers trusts; give both.")
    return None


def _start_workers(serving: ServeTask, address: ListenAddress, workers: int) -> int:
    from millpond.serve.processes.workers import run_workers

    bounds = load_config(serving.entrypoint.folder).server
    with address.sockets() as sockets:

        def started(report: WorkerReport | None) -> None:
            if report is not None:
                for sentence in report.environment:
                    environment_log.warning("%s", sentence)
                serving.log_start(report.build, sockets, report.notes, f" with {workers} workers")

        others = _InWorker(replace(serving, warm=0))  # they share a store with the first one
        successor = _InWorker(replace(serving, takes_over=True))
        return run_workers(others, sockets, workers, bounds, started, lead=_InWorker(serving), successor=successor)


@dataclass(frozen=True, slots=True)
class _InWorker:
    """The `WorkerTask` of `run_workers`: pickled, and called in each worker."""

    task: ServeTask

    def __call__(self, sockets: Sequence[socket.socket], started: Started) -> int:
        gc.disable()  # until the project is open
        from millpond.cli.serving.served_app import serve_in_worker

        return serve_in_worker(self.task, sockets, started)
