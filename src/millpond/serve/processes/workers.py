"""Several worker processes behind the same sockets: the parent starts, monitors, replaces and ends them."""

from __future__ import annotations

import contextlib
import logging
import math
import signal
import threading
import time
from typing import TYPE_CHECKING

from millpond.policy.retry import retry_pause
from millpond.serve.processes.worker import Worker

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Sequence

    from millpond.config import ServerConfig
    from millpond.serve.processes.worker import WorkerReport, WorkerTask

log = logging.getLogger("millpond.serve")

_ENDING = (signal.SIGINT, signal.SIGTERM)
_HANDLED = tuple(
    getattr(signal, f"SIG{name}")
    for name in ("INT", "TERM", "HUP", "TTIN", "TTOU", "QUIT", "USR1", "USR2")
    if hasattr(signal, f"SIG{name}")
)
"""Signals whose default action the parent replaces. It acts on the first five; not every system has all of them."""
_CHECK_INTERVAL = 0.5
"""Seconds between two checks of the workers."""
_POLL_INTERVAL = 0.05
"""Seconds between two checks while the parent waits for workers to start or end."""
_MAX_STEP = 1.0
"""Seconds between two checks that count, at most: a parent that was stopped itself has received no answers."""
_MAX_PAUSE, _MAX_OUTAGE = 30.0, 5.0
"""Seconds between two attempts to replace a worker that can't start: while others serve, and while none does."""
_FAILED = 1
_START_FACTOR = 10
"""How many times longer than the slowest successful start another start may take."""
GRACE = 5.0
"""Seconds beyond the shutdown's own deadline for a worker to close its resources."""


def patience_for(bounds: ServerConfig) -> float:
    """Seconds that a worker may take to end: to drain, to finish requests, and to close its resources."""
    return bounds.drain_delay + bounds.shutdown_timeout + GRACE


class Workers:
    """The parent of the worker processes.

    The first worker starts alone: an error that prevents its start is reported once and ends the server, and the cache
    is seeded once. After that the server keeps running: a worker that has ended is replaced, and so is one whose event
    loop has been silent for `worker_timeout`. A replacement that can't start doesn't affect the others; it is attempted
    again after increasing pauses, even if no other worker is left. One that hangs while it starts is killed: earlier
    starts determine how long one may take.

    SIGTERM and SIGINT end all workers, a second one immediately; after SIGTERM they drain first. SIGHUP replaces the
    workers one by one, each when its replacement serves. SIGTTIN adds a worker, SIGTTOU ends one.
    """

    def __init__(
        self,
        work: WorkerTask,
        sockets: Sequence[socket.socket],
        count: int,
        patience: float,
        started: Callable[[WorkerReport | None], None],
        max_silence: float,
        clock: Callable[[], float] = time.monotonic,
        lead: WorkerTask | None = None,
        successor: WorkerTask | None = None,
    ) -> None:
        self._lead, self._successor = lead or work, successor or work
        self._work, self._sockets, self._count = work, list(sockets), count
        self._patience, self._when_started = patience, started
        self._max_silence = max_silence
        self._failures = 0
        self._slowest_start = math.inf
        """Seconds of the slowest successful start; infinite before the first one."""
        self._clock, self._checked_at = clock, clock()
        self.workers: list[Worker] = []
        self.should_exit = threading.Event()
        self._drains = True
        """Whether the workers still accept connections for `drain_delay` when the server ends."""
        self.signal_queue: list[int] = []
        """Received signals that haven't been handled yet."""
        self.code = 0
        """The exit code."""
        for number in _HANDLED:
            signal.signal(number, lambda number, _: self.signal_queue.append(number))

    def run(self) -> None:
        """Run until a signal ends the server and all workers have ended."""
        self._start()
        self._act_on_signals()  # those that came during the start
        while not self.should_exit.wait(_CHECK_INTERVAL):
            self._act_on_signals()
            self.keep_alive()
        for worker in self.workers:
            worker.terminate(drains=self._drains)
        self._join(self.workers)

    def _act_on_signals(self) -> None:
        for number in tuple(self.signal_queue):
            self.signal_queue.remove(number)
            name = signal.Signals(number).name
            if number in _ENDING:
                self._drains = number == signal.SIGTERM
                self.should_exit.set()
                return  # a further one is for `_is_hurried`
            if name == "SIGHUP":
                self._restart_all()
            elif name == "SIGTTIN":
                self._add()
            elif name == "SIGTTOU":
                self._remove()

    def _start(self) -> None:
        """Start the first worker, and the others once it serves."""
        first = self._begin(self._lead)
        self.workers.append(first)
        if not self._await([first]):
            if not self._is_to_end():
                self.code = _FAILED
                if (first.exitcode or 0) < 0:  # otherwise it has reported the reason itself
                    log.error("worker %s %s before it served", first.pid, _describe_exit(first.exitcode))
            self.should_exit.set()
            return
        self._slowest_start = first.starting
        if first.report is not None:
            self._patience = patience_for(first.report.bounds)
            self._max_silence = first.report.bounds.worker_timeout
        others = [worker for worker in (self._try_to_begin() for _ in range(self._count - 1)) if worker]
        self.workers.extend(others)
        self._await(others)  # one that has ended is replaced later, like any other
        if not self._is_to_end():
            self._when_started(first.report)

    def keep_alive(self) -> None:
        """Replace workers that have ended or hang."""
        passed = self._passed()
        for place, worker in enumerate(self.workers):
            if self._is_to_end():
                return
            if worker.has_ended():
                self._replace(place, worker)
            elif not worker.has_served:
                if self._has_begun(worker, passed):
                    self._failures = 0
            else:
                worker.look(passed)
                if worker.silent >= self._max_silence:
                    self._kill_silent(worker)

    def _passed(self) -> float:
        """Seconds since the last check, at most `_MAX_STEP`."""
        now = self._clock()
        passed, self._checked_at = min(now - self._checked_at, _MAX_STEP), now
        return passed

    def _has_begun(self, worker: Worker, passed: float) -> bool:
        """Whether a worker serves; one that takes too long to start is killed."""
        worker.look(passed)
        if worker.has_served:
            self._slowest_start = max(self._slowest_start, worker.starting)
            return True
        if worker.starting >= max(_START_FACTOR * self._slowest_start, self._max_silence):
            log.error(
                "killing worker %s: it has been starting for %.0f s, and the slowest start so far took %.1f s "
                "(server.worker_timeout is %g). Its main thread is here:\n%s",
                worker.pid,
                worker.starting,
                self._slowest_start,
                self._max_silence,
                worker.where(),
            )
            worker.kill()
            worker.join()
        return False

    def _kill_silent(self, worker: Worker) -> None:
        where = worker.where()
        if where is None:
            return
        log.error(
            "killing worker %s: its event loop has been blocked for %.0f s (server.worker_timeout is %g). Its main "
            "thread is here:\n%s",
            worker.pid,
            worker.silent,
            self._max_silence,
            where,
        )
        worker.kill()
        worker.join()

    def _restart_all(self) -> None:
        """Replace each worker, ending the old one when the new one serves; this is how a new build is deployed."""
        for place, old in enumerate(self.workers):
            new = self._try_to_begin(self._work if place else self._successor)
            if new is None:
                return
            if not self._await([new]):
                new.kill()
                new.join()
                if not self._is_to_end():
                    log.error("the new worker can't start; worker %s and those after it keep running", old.pid)
                return
            self.workers[place] = new
            old.terminate(drains=False)
            self._join([old])
        self._when_started(self.workers[0].report)

    def _add(self) -> None:
        """Add a worker."""
        new = self._try_to_begin()
        if new is not None:
            self._count += 1
            self.workers.append(new)

    def _remove(self) -> None:
        """End a worker, unless it is the last."""
        if self._count > 1:
            self._count -= 1
            last = self.workers.pop()
            last.terminate(drains=False)
            self._join([last])

    def kill_all(self) -> None:
        """Kill all workers that still run."""
        for worker in self.workers:
            if not worker.has_ended():
                worker.kill()

    def _begin(self, work: WorkerTask | None = None) -> Worker:
        worker = Worker(work or self._work, self._sockets, self._patience)
        worker.start()
        return worker

    def _try_to_begin(self, work: WorkerTask | None = None) -> Worker | None:
        """A started worker; None if the system allows no further process, which may be temporary."""
        try:
            return self._begin(work)
        except OSError as error:
            log.error("can't start a worker: %s", error)
            return None

    def _await(self, workers: Sequence[Worker]) -> bool:
        """Wait until all serve, and return whether they do; False if one ends, or if the server is ending."""
        starting = list(workers)
        while starting := self._still_starting(starting):
            if self._is_to_end() or any(worker.has_ended() for worker in starting):
                return False
            time.sleep(_POLL_INTERVAL)
        return True

    def _still_starting(self, workers: Sequence[Worker]) -> list[Worker]:
        passed = self._passed()
        return [worker for worker in workers if worker.has_ended() or not self._has_begun(worker, passed)]

    def _is_to_end(self) -> bool:
        return self.should_exit.is_set() or any(number in self.signal_queue for number in _ENDING)

    def _replace(self, place: int, ended: Worker) -> None:
        now = self._clock()
        if not ended.due:
            ended.due = now + self._pause_after(ended)
        if self.should_exit.is_set() or now < ended.due:
            return
        new = self._try_to_begin()
        if new is None:
            self._failures += 1
            ended.due = now + self._pause()
            return
        self.workers[place] = new
        log.info("worker %s replaces worker %s", new.pid, ended.pid)

    def _pause_after(self, ended: Worker) -> float:
        """Seconds until it is replaced."""
        if ended.has_served:
            log.warning("worker %s %s", ended.pid, _describe_exit(ended.exitcode))
            return 0.0
        self._failures += 1
        pause = self._pause()
        log.error(
            "worker %s can't start (it %s)%s; next attempt in %g s",
            ended.pid,
            _describe_exit(ended.exitcode),
            ", and no other worker serves" if self._all_have_ended() else "",
            pause,
        )
        return pause

    def _pause(self) -> float:
        """Seconds until the next attempt, by the number of failures; fewer while no worker serves."""
        max_pause = _MAX_OUTAGE if self._all_have_ended() else _MAX_PAUSE
        return retry_pause(self._failures, 1.0, max_pause)

    def _all_have_ended(self) -> bool:
        return all(worker.has_ended() for worker in self.workers)

    def _join(self, workers: Sequence[Worker]) -> None:
        ends = time.monotonic() + self._patience
        while left := [worker for worker in workers if not worker.has_ended()]:
            if self._is_hurried():
                break
            seconds = ends - time.monotonic()
            if seconds <= 0:
                for worker in left:
                    log.warning("worker %s didn't end within %g s and was killed", worker.pid, self._patience)
                break
            left[0].process.join(min(seconds, _POLL_INTERVAL))
        for worker in left:
            worker.kill()
            worker.process.join()

    def _is_hurried(self) -> bool:
        """Whether SIGTERM or SIGINT was received a second time, so that all workers are killed."""
        signals = [number for number in self.signal_queue if number in _ENDING]
        if len(signals) < (1 if self.should_exit.is_set() else 2):
            return False
        self.code = 128 + signals[-1]
        log.warning("received %s again: killing all workers", signal.Signals(signals[-1]).name)
        return True


def run_workers(
    work: WorkerTask,
    sockets: Sequence[socket.socket],
    count: int,
    bounds: ServerConfig,
    started: Callable[[WorkerReport | None], None],
    lead: WorkerTask | None = None,
    successor: WorkerTask | None = None,
) -> int:
    """Run `work` in `count` processes until SIGINT or SIGTERM, and return the exit code.

    It is 0; 1 if they couldn't start; or 128 plus the signal's number if a second signal killed them.

    Args:
        work: the work of each process.
        sockets: bound sockets; all processes accept from the same ones.
        count: the number of processes.
        bounds: how long they may take to end, and how long they may be silent; then those that the first one reports.
        started: called when all of them serve, and again when all have been replaced, with the report of the first.
        lead: the work of the worker that starts first; None: the same as that of the others.
        successor: that of the first one that replaces another after SIGHUP; None: the same, too.
    """
    with _signals_restored():
        workers = Workers(
            work, sockets, count, patience_for(bounds), started, bounds.worker_timeout, lead=lead, successor=successor
        )
        try:
            workers.run()
        finally:
            workers.kill_all()
    return workers.code


@contextlib.contextmanager
def _signals_restored() -> Iterator[None]:
    former = {number: signal.getsignal(number) for number in _HANDLED}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _describe_exit(exitcode: int | None) -> str:
    if exitcode is None or exitcode >= 0:
        return f"ended with exit code {exitcode}"
    return f"was ended by {signal.Signals(-exitcode).name}"
