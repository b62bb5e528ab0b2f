"""Several processes behind the same sockets: started, watched, replaced, and ended together."""

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
    from millpond.serve.processes.worker import WorkerTask

log = logging.getLogger("millpond.serve")

_ENDING = (signal.SIGINT, signal.SIGTERM)
_HEARD = tuple(
    getattr(signal, f"SIG{name}")
    for name in ("INT", "TERM", "HUP", "TTIN", "TTOU", "QUIT", "USR1", "USR2")
    if hasattr(signal, f"SIG{name}")
)
"""Those that don't end the parent by themselves. It acts on the first five; not every system has all of them."""
_LOOK_SECONDS = 0.5
"""Between two looks at the workers."""
_LOOK_AGAIN_SECONDS = 0.05
_LONGEST_STEP = 1.0
"""Seconds between two looks that count, at most: a parent that was stopped itself has heard nobody."""
_LONGEST_PAUSE, _LONGEST_OUTAGE = 30.0, 5.0
"""Seconds between two tries to replace a worker that can't start: while others serve, and while none does."""
_FAILED = 1
_TIMES_LONGER = 10
"""What another start may take, compared to the longest that was one."""
GRACE = 5.0
"""Seconds beyond the shutdown's own deadline in which a worker may close what it has open."""


class Workers:
    """The parent of the processes that serve.

    The first worker starts alone: what keeps it from starting is said once, and ends the server; and the cache is
    seeded once. From then on the server goes on: a worker that ended is replaced, and so is one whose event loop has
    been silent for `worker_timeout`. A replacement that can't start leaves the others alone, and is tried again, after
    longer and longer pauses, whether any of the others is left or not. One that hangs in its start is killed: earlier
    starts say how long one takes.
    SIGTERM and SIGINT end all, the second one at once; SIGHUP replaces one after the other, each by one that serves
    already; SIGTTIN and SIGTTOU add and end one.
    """

    def __init__(
        self,
        work: WorkerTask,
        sockets: Sequence[socket.socket],
        count: int,
        patience: float,
        started: Callable[[], None],
        longest_silence: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._work, self._sockets, self._count = work, list(sockets), count
        self._patience, self._when_started = patience, started
        self._longest_silence = longest_silence
        self._failures = 0
        self._longest_start = math.inf
        """Seconds, of those that came to serve; nobody knows before the first."""
        self._clock, self._looked = clock, clock()
        self.workers: list[Worker] = []
        self.should_exit = threading.Event()
        self.signal_queue: list[int] = []
        """Signals that came, and weren't acted on."""
        self.code = 0
        """The exit code."""
        for number in _HEARD:
            signal.signal(number, lambda number, _: self.signal_queue.append(number))

    def run(self) -> None:
        """Until all are to end, and have ended."""
        self._start()
        self._act_on_signals()  # that came meanwhile
        while not self.should_exit.wait(_LOOK_SECONDS):
            self._act_on_signals()
            self.keep_alive()
        for worker in self.workers:
            worker.terminate()
        self._join(self.workers)

    def _act_on_signals(self) -> None:
        for number in tuple(self.signal_queue):
            self.signal_queue.remove(number)
            name = signal.Signals(number).name
            if number in _ENDING:
                self.should_exit.set()
                return  # a further one is for `_is_hurried`
            if name == "SIGHUP":
                self._restart_all()
            elif name == "SIGTTIN":
                self._add()
            elif name == "SIGTTOU":
                self._remove()

    def _start(self) -> None:
        """Start the first, and the others when it serves."""
        first = self._begin()
        self.workers.append(first)
        if not self._await([first]):
            if not self._is_to_end():
                self.code = _FAILED
                if (first.exitcode or 0) < 0:  # else it has said why itself
                    log.error("worker %s %s before it served", first.pid, _how(first.exitcode))
            self.should_exit.set()
            return
        self._longest_start = first.starting
        others = [worker for worker in (self._try_to_begin() for _ in range(self._count - 1)) if worker]
        self.workers.extend(others)
        self._await(others)  # one that has ended is replaced, like those that end later
        if not self._is_to_end():
            self._when_started()

    def keep_alive(self) -> None:
        """Replace what has ended or hangs."""
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
                if worker.silent >= self._longest_silence:
                    self._kill_silent(worker)

    def _passed(self) -> float:
        """Seconds since the last look that count."""
        now = self._clock()
        passed, self._looked = min(now - self._looked, _LONGEST_STEP), now
        return passed

    def _has_begun(self, worker: Worker, passed: float) -> bool:
        """Whether a worker has come to serve; one that takes too long is killed."""
        worker.look(passed)
        if worker.has_served:
            self._longest_start = max(self._longest_start, worker.starting)
            return True
        if worker.starting >= max(_TIMES_LONGER * self._longest_start, self._longest_silence):
            log.error(
                "worker %s is killed: it has been starting for %.0f s, and another took %.1f s (server.worker_timeout "
                "is %g). It stands here:\n%s",
                worker.pid,
                worker.starting,
                self._longest_start,
                self._longest_silence,
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
            "worker %s is killed: its event loop has been busy with one thing for %.0f s (server.worker_timeout is "
            "%g), and answers nobody. It stands here:\n%s",
            worker.pid,
            worker.silent,
            self._longest_silence,
            where,
        )
        worker.kill()
        worker.join()

    def _restart_all(self) -> None:
        """Bring a new worker into service for each, before the old one goes: a new build is taken over so."""
        for place, old in enumerate(self.workers):
            new = self._try_to_begin()
            if new is None:
                return
            if not self._await([new]):
                new.kill()
                new.join()
                if not self._is_to_end():
                    log.error("the new worker can't start; worker %s and those after it stay", old.pid)
                return
            self.workers[place] = new
            old.terminate()
            self._join([old])
        self._when_started()

    def _add(self) -> None:
        """One worker more."""
        new = self._try_to_begin()
        if new is not None:
            self._count += 1
            self.workers.append(new)

    def _remove(self) -> None:
        """One worker less, unless it is the last."""
        if self._count > 1:
            self._count -= 1
            last = self.workers.pop()
            last.terminate()
            self._join([last])

    def kill_all(self) -> None:
        """End what still runs, at once."""
        for worker in self.workers:
            if not worker.has_ended():
                worker.kill()

    def _begin(self) -> Worker:
        worker = Worker(self._work, self._sockets, self._patience)
        worker.start()
        return worker

    def _try_to_begin(self) -> Worker | None:
        """None where the system gives no further process, which may pass."""
        try:
            return self._begin()
        except OSError as error:
            log.error("no worker can be started: %s", error)
            return None

    def _await(self, workers: Sequence[Worker]) -> bool:
        """Whether all come to serve; not when one ends, or all are to."""
        starting = list(workers)
        while starting := self._still_starting(starting):
            if self._is_to_end() or any(worker.has_ended() for worker in starting):
                return False
            time.sleep(_LOOK_AGAIN_SECONDS)
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
        log.info("worker %s takes the place of worker %s", new.pid, ended.pid)

    def _pause_after(self, ended: Worker) -> float:
        """Seconds until its place is taken."""
        if ended.has_served:
            log.warning("worker %s %s", ended.pid, _how(ended.exitcode))
            return 0.0
        self._failures += 1
        pause = self._pause()
        log.error(
            "worker %s can't start (it %s)%s; the next try in %g s",
            ended.pid,
            _how(ended.exitcode),
            ", and no other serves" if self._all_have_ended() else "",
            pause,
        )
        return pause

    def _pause(self) -> float:
        """Seconds after so many failures; fewer while nobody serves."""
        longest = _LONGEST_OUTAGE if self._all_have_ended() else _LONGEST_PAUSE
        return retry_pause(self._failures, 1.0, longest)

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
            left[0].process.join(min(seconds, _LOOK_AGAIN_SECONDS))
        for worker in left:
            worker.kill()
            worker.process.join()

    def _is_hurried(self) -> bool:
        """Whether SIGTERM or SIGINT came once more: all is to end now."""
        signals = [number for number in self.signal_queue if number in _ENDING]
        if len(signals) < (1 if self.should_exit.is_set() else 2):
            return False
        self.code = 128 + signals[-1]
        log.warning("%s came once more: all workers are ended at once", signal.Signals(signals[-1]).name)
        return True


def run_workers(
    work: WorkerTask, sockets: Sequence[socket.socket], count: int, bounds: ServerConfig, started: Callable[[], None]
) -> int:
    """Let `count` processes do `work` until SIGINT or SIGTERM; returns the exit code.

    0; 1 when they couldn't start; 128 and the signal's number when a second one ended them at once.

    Args:
        work: what each does.
        sockets: bound; all of them accept from the same.
        count: how many.
        bounds: how long they may take to end, and may be silent.
        started: called when all of them serve, and again when all have been replaced.
    """
    with _signals_restored():
        patience = bounds.shutdown_timeout + GRACE
        workers = Workers(work, sockets, count, patience, started, bounds.worker_timeout)
        try:
            workers.run()
        finally:
            workers.kill_all()
    return workers.code


@contextlib.contextmanager
def _signals_restored() -> Iterator[None]:
    former = {number: signal.getsignal(number) for number in _HEARD}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _how(exitcode: int | None) -> str:
    if exitcode is None or exitcode >= 0:
        return f"ended with exit code {exitcode}"
    return f"was ended by {signal.Signals(-exitcode).name}"
