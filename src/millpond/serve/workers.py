"""Several processes behind the same sockets: started, watched, replaced, and ended together."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Protocol, cast

import uvicorn
from uvicorn.supervisors.multiprocess import SIGNALS, Multiprocess, Process

from millpond.serve.leaving import leave

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Sequence

log = logging.getLogger("millpond.serve")

_ENDING = (signal.SIGINT, signal.SIGTERM)
_LOOK_AGAIN_SECONDS = 0.05
_LONGEST_PAUSE = 30.0
"""Seconds between two tries to replace a worker that can't start."""
GRACE = 5.0
"""Seconds beyond the shutdown's own deadline in which a worker may close what it has open."""


class Work(Protocol):
    """What a worker does. It is pickled, and called in a process of its own."""

    def __call__(self, sockets: Sequence[socket.socket], started: Callable[[], None]) -> int:
        """Serve until SIGTERM, call `started` once connections are accepted, and return the exit code.

        What keeps it from starting has been said to the user when it returns.
        """
        ...


class Worker(Process):
    """One process that works. uvicorn's, with other work than a uvicorn.Server's."""

    def __init__(self, config: uvicorn.Config, work: Work, sockets: list[socket.socket]) -> None:
        self._work = work
        self._accepts = False  # said in the worker
        self._asked = False  # and these in the parent
        self.has_served = False
        self.due = 0.0
        """When its place is to be taken, by the monotonic clock; for a worker that has ended."""
        super().__init__(config, sockets)

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """Runs in the worker."""
        # Ctrl-C is the parent's to hear, which ends its workers one way, and once.
        os.setpgrp()
        threading.Thread(target=_end_with_parent, daemon=True).start()
        threading.Thread(target=self.always_pong, daemon=True).start()
        leave(self._work(sockets or [], self._say_started))

    def pong(self) -> None:
        """Answer one question of the parent: it is alive, and serves or not yet."""
        self.child_conn.recv()
        self.child_conn.send(self._accepts)

    def _say_started(self) -> None:
        self._accepts = True

    def _healthcheck(self, timeout: float) -> bool | None:
        """As uvicorn's. A question without an answer isn't asked again: the next call waits for its answer."""
        try:
            if not self._asked:
                self.parent_conn.send(b"ping")
                self._asked = True
            if not self.parent_conn.poll(timeout):
                return None
            self._asked = False
            accepts: bool = self.parent_conn.recv()
        except (OSError, EOFError):
            return None
        return accepts

    def begins_to_serve(self) -> bool:
        """Whether it serves; never waits."""
        self.has_served = self.has_served or self.is_ready(0)
        return self.has_served

    def has_ended(self) -> bool:
        return not self.process.is_alive()


class Workers(Multiprocess):
    """uvicorn's process manager for Millpond's workers.

    The first worker starts alone: what keeps it from starting is said once, and the cache is seeded once. Later
    a worker that ended is replaced. A replacement that can't start leaves the others alone, and is tried again.
    SIGTERM and SIGINT end all; SIGHUP replaces one after the other, each by one that serves already; SIGTTIN and
    SIGTTOU add and end one.
    """

    def __init__(
        self,
        work: Work,
        sockets: Sequence[socket.socket],
        count: int,
        patience: float,
        started: Callable[[], None],
    ) -> None:
        config = uvicorn.Config("", workers=count, log_config=None, access_log=False)
        super().__init__(config, list(sockets))
        self._work, self._patience, self._when_started = work, patience, started
        self._failures = 0
        self.failed = False

    @property
    def workers(self) -> list[Worker]:
        return cast("list[Worker]", self.processes)

    def init_processes(self) -> None:
        """Start the first, and the others when it serves."""
        for count in (1, self.processes_num - 1):
            begun = [self._begin() for _ in range(count)]
            self.processes.extend(begun)
            if not self._await(begun):
                self.failed = not self._is_to_end()
                self.should_exit.set()
                return
        self._when_started()

    def keep_subprocess_alive(self) -> None:
        """Replace what has ended or hangs."""
        for place, worker in enumerate(self.workers):
            if self._is_to_end():
                return
            if worker.has_ended():
                self._replace(place, worker)
            elif worker.begins_to_serve() and not worker.ping(self.config.timeout_worker_healthcheck):
                log.error("worker %s hangs and is killed", worker.pid)
                worker.kill()
                worker.join()

    def restart_all(self) -> None:
        """Bring a new worker into service for each, before the old one goes: a new build is taken over so."""
        for place, old in enumerate(self.workers):
            new = self._begin()
            if not self._await([new]):
                new.kill()
                new.join()
                if not self._is_to_end():
                    log.error("the new worker can't start; worker %s and those after it stay", old.pid)
                return
            self.processes[place] = new
            old.terminate()
            self._join([old])
        self._when_started()

    def handle_ttin(self) -> None:
        """One worker more."""
        self.processes_num += 1
        self.processes.append(self._begin())

    def join_all(self) -> None:
        """Wait for all to end, and kill those that don't."""
        self._join(self.workers)

    def kill_all(self) -> None:
        """End what still runs, at once."""
        for worker in self.workers:
            if not worker.has_ended():
                worker.kill()

    def _begin(self) -> Worker:
        worker = Worker(self.config, self._work, self.sockets)
        worker.start()
        return worker

    def _await(self, workers: Sequence[Worker]) -> bool:
        """Whether all come to serve; not when one ends, or all are to."""
        while not all(worker.begins_to_serve() for worker in workers):
            if self._is_to_end() or any(worker.has_ended() for worker in workers):
                return False
            time.sleep(_LOOK_AGAIN_SECONDS)
        return True

    def _is_to_end(self) -> bool:
        return self.should_exit.is_set() or any(number in self.signal_queue for number in _ENDING)

    def _replace(self, place: int, ended: Worker) -> None:
        now = time.monotonic()
        if not ended.due:
            ended.due = now + self._pause_after(ended)
        if self.should_exit.is_set() or now < ended.due:
            return
        self.processes[place] = new = self._begin()
        log.info("worker %s takes the place of worker %s", new.pid, ended.pid)

    def _pause_after(self, ended: Worker) -> float:
        """Seconds until its place is taken."""
        if ended.has_served:
            log.warning("worker %s %s", ended.pid, _how(ended.exitcode))
            self._failures = 0
            return 0.0
        self._failures += 1
        if all(worker.has_ended() for worker in self.workers):
            self.failed = True
            self.should_exit.set()
        pause = min(2.0 ** (self._failures - 1), _LONGEST_PAUSE)
        log.error("worker %s can't start (it %s); the next try in %g s", ended.pid, _how(ended.exitcode), pause)
        return pause

    def _join(self, workers: Sequence[Worker]) -> None:
        ends = time.monotonic() + self._patience
        for worker in workers:
            worker.process.join(max(0.0, ends - time.monotonic()))
        for worker in workers:
            if worker.has_ended():
                continue
            log.warning("worker %s didn't end within %g s and was killed", worker.pid, self._patience)
            worker.kill()
            worker.process.join()


def run_workers(
    work: Work, sockets: Sequence[socket.socket], count: int, shutdown_timeout: float, started: Callable[[], None]
) -> bool:
    """Let `count` processes do `work` until SIGINT or SIGTERM; False when they couldn't start.

    Args:
        work: what each does.
        sockets: bound; all of them accept from the same.
        count: how many.
        shutdown_timeout: seconds that they take to end; those that take longer are killed.
        started: called when all of them serve, and again when all have been replaced.
    """
    with _signals_restored():
        workers = Workers(work, sockets, count, shutdown_timeout + GRACE, started)
        try:
            workers.run()
        finally:
            workers.kill_all()
    return not workers.failed


@contextlib.contextmanager
def _signals_restored() -> Iterator[None]:
    former = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _end_with_parent() -> None:
    """A worker without a parent would hold the port for ever: nobody could end it by ending the server."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _how(exitcode: int | None) -> str:
    if exitcode is None or exitcode >= 0:
        return f"ended with exit code {exitcode}"
    return f"was ended by {signal.Signals(-exitcode).name}"


class NamedWorker(logging.Filter):
    """Puts the process id into the fields of each log record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.fields = {**getattr(record, "fields", {}), "worker": os.getpid()}
        return True


def name_worker() -> None:
    """Let the logs of this process say which worker it is."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(NamedWorker())
