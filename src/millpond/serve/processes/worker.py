"""One of several processes that serve, as its parent sees it and as it is inside."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Protocol

from millpond.serve.processes.process_exit import exit_code_of, exit_orphaned, exit_process

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

log = logging.getLogger("millpond.serve")

_FAILED = 1
_PING, _WHERE = "ping", "where"
_TELLS_WITHIN = 1.0
"""Seconds in which a thread of the worker says where its loop stands."""
_FRAMES = 30
"""Shown of it; the outer ones are left out."""
_SPAWNING = multiprocessing.get_context("spawn")
"""A worker imports everything itself: of a copy of the parent threads and event loops would be missing."""


class WorkerTask(Protocol):
    """What a worker does. It is pickled, and called in a process of its own."""

    def __call__(self, sockets: Sequence[socket.socket], started: Callable[[], None]) -> int:
        """Serve until SIGTERM, and return the exit code.

        `started` is called in the event loop that serves, once connections are accepted. From then on this loop
        answers the parent: a worker is as well as its loop is. What keeps it from starting has been said to the user
        when it returns.
        """
        ...


class Worker:
    """One process that works, and a pipe to it on which no question waits for its answer."""

    def __init__(self, work: WorkerTask, sockets: Sequence[socket.socket], patience: float) -> None:
        """`patience`: seconds in which it ends when it is told to."""
        self._work, self._patience = work, patience
        self._loop: asyncio.AbstractEventLoop | None = None  # in the worker
        self._asked = False  # and these in the parent
        self.has_served = False
        self.silent = 0.0
        """Seconds for which its loop hasn't answered."""
        self.starting = 0.0
        """Seconds that it took to come to serve, or has taken so far."""
        self.due = 0.0
        """When its place is to be taken, by the monotonic clock; for a worker that has ended."""
        self.parent_conn, self.child_conn = multiprocessing.Pipe()
        self.process = _SPAWNING.Process(target=self.target, args=(list(sockets),))

    # In the worker.

    def target(self, sockets: list[socket.socket]) -> None:
        """Runs in the worker, which ends with it, whatever comes out of it and whatever threads go on."""
        # Ctrl-C is the parent's to hear, which ends its workers one way, and once.
        os.setpgrp()
        threading.Thread(target=_end_with_parent, args=(self._patience,), daemon=True).start()
        threading.Thread(target=self._answer, args=(threading.Lock(),), daemon=True).start()
        exit_process(self._code(sockets))

    def _code(self, sockets: list[socket.socket]) -> int:
        try:
            return self._work(sockets, self._say_started)
        except SystemExit as error:
            return exit_code_of(error)
        except BaseException:
            log.exception("a worker ended")
            return _FAILED

    def _say_started(self) -> None:
        self._loop = asyncio.get_running_loop()

    def _answer(self, writing: threading.Lock) -> None:
        """Pass the parent's pings on to the loop, once there is one: what answers is what serves."""

        def say(what: object) -> None:
            with writing:
                self.child_conn.send(what)

        while True:
            question = self.child_conn.recv()
            if question == _WHERE:
                say(_standing())
            elif self._loop is None:
                say(False)
            else:
                with contextlib.suppress(RuntimeError):  # it is closed, and the process about to end
                    self._loop.call_soon_threadsafe(say, True)

    # In the parent.

    @property
    def pid(self) -> int | None:
        """None before it was started."""
        return self.process.pid

    @property
    def exitcode(self) -> int | None:
        """None while it runs; below 0 for the signal that ended it."""
        return self.process.exitcode

    def start(self) -> None:
        """Begin.

        Raises:
            OSError: the system gives no further process.
        """
        self.process.start()

    def terminate(self) -> None:
        """Tell it to end; nothing more is asked of it."""
        if self.process.exitcode is None:
            self.process.terminate()
            self._hang_up()

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self._hang_up()

    def join(self) -> None:
        """Wait until it has ended."""
        self.process.join()

    def _hang_up(self) -> None:
        self.parent_conn.close()
        self.child_conn.close()

    def look(self, passed: float = 0.0) -> None:
        """Take in what the worker has said, and ask whether its loop runs; never waits.

        Args:
            passed: seconds since the last look. They count as silence when nothing was said.
        """
        if not self.has_served:
            self.starting += passed
        try:
            while self.parent_conn.poll(0):
                self._hear(self.parent_conn.recv())
            if self._asked:
                self.silent += passed
            else:
                self.parent_conn.send(_PING)
                self._asked = True
        except (OSError, EOFError):  # it has ended, or been told to
            return

    def where(self) -> str | None:
        """Where the loop of a silent worker stands; None when it has answered after all."""
        try:
            self.parent_conn.send(_WHERE)
            while self.parent_conn.poll(_TELLS_WITHIN):
                said = self.parent_conn.recv()
                if isinstance(said, str):
                    return said
                self._hear(said)
                if said:
                    return None
        except (OSError, EOFError):
            return "it has ended"
        return "it can't tell: native code holds the interpreter, or the process was stopped"

    def has_ended(self) -> bool:
        return not self.process.is_alive()

    def _hear(self, said: object) -> None:
        if isinstance(said, bool):
            self._asked, self.silent = False, 0.0
            self.has_served = self.has_served or said


def _end_with_parent(patience: float) -> None:
    """A worker without a parent would hold the port for ever: nobody could end it by ending the server."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        exit_orphaned(patience)


def _standing() -> str:
    """The frames of the main thread, in which the loop runs; the innermost last."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)  # noqa: SLF001 - documented, for such as this
    return "the main thread has ended" if frame is None else "".join(traceback.format_stack(frame, _FRAMES)).rstrip()


class NamedWorker(logging.Filter):
    """Puts the process id into the fields of each log record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.fields = {**getattr(record, "fields", {}), "worker": os.getpid()}
        return True


def name_worker() -> None:
    """Let the logs of this process say which worker it is."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(NamedWorker())
