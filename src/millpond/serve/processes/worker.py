"""A worker process: the parent's handle for it, and the code that runs in it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from millpond.serve.processes.process_exit import exit_code_of, exit_orphaned, exit_process

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from millpond.config import ServerConfig

log = logging.getLogger("millpond.serve")

_FAILED = 1
_PING, _WHERE = "ping", "where"
_WHERE_TIMEOUT = 1.0
"""Seconds to wait until a thread of the worker reports the stack of its main thread."""
_MAX_FRAMES = 30
"""Frames of that stack in the report; outer frames are left out."""
_SPAWNING = multiprocessing.get_context("spawn")
"""A worker imports everything itself: a forked copy of the parent would lack its threads and event loops."""


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """What a worker tells its parent, which doesn't import the application."""

    build: str | None
    """The id of the build that it serves; None if it has no routes to build."""
    bounds: ServerConfig
    notes: Sequence[str] = ()
    """About how the application was found."""
    environment: Sequence[str] = ()
    """Warnings about variables that have other values than in the build."""


@dataclass(frozen=True, slots=True)
class Warming:
    """What a worker tells its parent before it asks for paths: its start takes longer by that."""

    seconds: float
    """At most."""


class Started(Protocol):
    """What a worker calls once it serves; before that, with a `Warming`, when something is to be done first."""

    def __call__(self, report: WorkerReport | Warming | None = None) -> None: ...


class WorkerTask(Protocol):
    """The work of a worker. It is pickled, and called in the worker's process."""

    def __call__(self, sockets: Sequence[socket.socket], started: Started) -> int:
        """Serve until SIGTERM or SIGINT, and return the exit code. After SIGTERM connections may be accepted a while.

        It calls `started` in the event loop that serves, once connections are accepted. From then on this loop answers
        the parent's pings: a worker is healthy if its loop is. An error that prevents the start must be reported to the
        user before it returns.
        """
        ...


class Worker:
    """One worker process, and a pipe to it on which the parent doesn't block for answers."""

    def __init__(self, work: WorkerTask, sockets: Sequence[socket.socket], patience: float) -> None:
        """`patience`: seconds that a shutdown of the worker may take."""
        self._work, self._patience = work, patience
        self._loop: asyncio.AbstractEventLoop | None = None  # used in the worker
        self._writing: contextlib.AbstractContextManager[object] = contextlib.nullcontext()  # a lock can't be pickled
        self._is_pinged = False  # this and the following are used in the parent
        self.report: WorkerReport | None = None
        """What it told when it began to serve."""
        self.has_served = False
        self.silent = 0.0
        """Seconds for which its loop hasn't answered."""
        self.starting = 0.0
        """Seconds from the start until it served, or until now, without those of its warming."""
        self.allowed = 0.0
        """Seconds that are left for its warming."""
        self.due = 0.0
        """When to replace it, by the monotonic clock; for a worker that has ended."""
        self.parent_conn, self.child_conn = multiprocessing.Pipe()
        self.process = _SPAWNING.Process(target=self.target, args=(list(sockets),))

    # In the worker.

    def target(self, sockets: list[socket.socket]) -> None:
        """The main function of the process. It always exits the process, even if it fails or threads still run."""
        # Only the parent receives Ctrl-C: it ends the workers itself, each of them once.
        os.setpgrp()
        threading.Thread(target=_end_with_parent, args=(self._patience,), daemon=True).start()
        self._writing = threading.Lock()
        threading.Thread(target=self._answer, daemon=True).start()
        exit_process(self._code(sockets))

    def _code(self, sockets: list[socket.socket]) -> int:
        try:
            return self._work(sockets, self._set_loop)
        except SystemExit as error:
            return exit_code_of(error)
        except BaseException:
            log.exception("the worker failed")
            return _FAILED

    def _set_loop(self, report: WorkerReport | Warming | None = None) -> None:
        if report is not None:
            self._send(report)
        if isinstance(report, Warming):
            return
        self._loop = asyncio.get_running_loop()

    def _send(self, message: object) -> None:
        with self._writing:
            self.child_conn.send(message)

    def _answer(self) -> None:
        """Forward the parent's pings to the event loop once there is one, so that the loop that serves answers them."""
        while True:
            question = self.child_conn.recv()
            if question == _WHERE:
                self._send(_main_thread_stack())
            elif self._loop is None:
                self._send(False)
            else:
                with contextlib.suppress(RuntimeError):  # the loop is closed: the process is about to end
                    self._loop.call_soon_threadsafe(self._send, True)

    # In the parent.

    @property
    def pid(self) -> int | None:
        """The process id; None before the start."""
        return self.process.pid

    @property
    def exitcode(self) -> int | None:
        """The exit code; None while it runs, negative for the signal that ended it."""
        return self.process.exitcode

    def start(self) -> None:
        """Start the process.

        Raises:
            OSError: the system allows no further process.
        """
        self.process.start()

    def terminate(self, *, drains: bool) -> None:
        """Have it end, and stop pinging it.

        Args:
            drains: it still accepts connections for `drain_delay`. Not where another one takes its place.
        """
        if self.process.exitcode is None:
            if drains or not self.has_served or self.pid is None:  # before it serves, SIGINT is a KeyboardInterrupt
                self.process.terminate()
            else:
                os.kill(self.pid, signal.SIGINT)
            self._close_pipe()

    def kill(self) -> None:
        """Send SIGKILL."""
        self.process.kill()
        self._close_pipe()

    def join(self) -> None:
        """Wait until it has ended."""
        self.process.join()

    def _close_pipe(self) -> None:
        self.parent_conn.close()
        self.child_conn.close()

    def look(self, passed: float = 0.0) -> None:
        """Process the worker's answers, and ping its event loop; never blocks.

        Args:
            passed: seconds since the last call. They count as silence if there was no answer.
        """
        if not self.has_served:
            warming = min(passed, self.allowed)
            self.allowed -= warming
            self.starting += passed - warming
        try:
            while self.parent_conn.poll(0):
                self._receive(self.parent_conn.recv())
            if self._is_pinged:
                self.silent += passed
            else:
                self.parent_conn.send(_PING)
                self._is_pinged = True
        except (OSError, EOFError):  # it has ended, or is ending
            return

    def where(self) -> str | None:
        """The stack of a silent worker's main thread; None if its loop has answered in the meantime."""
        try:
            self.parent_conn.send(_WHERE)
            while self.parent_conn.poll(_WHERE_TIMEOUT):
                message = self.parent_conn.recv()
                if isinstance(message, str):
                    return message
                self._receive(message)
                if message:
                    return None
        except (OSError, EOFError):
            return "the worker has ended"
        return "unknown: native code holds the interpreter, or the process is stopped"

    def has_ended(self) -> bool:
        return not self.process.is_alive()

    def _receive(self, message: object) -> None:
        if isinstance(message, WorkerReport):
            self.report = message
        elif isinstance(message, Warming):
            self.allowed = message.seconds
        elif isinstance(message, bool):
            self._is_pinged, self.silent = False, 0.0
            self.has_served = self.has_served or message


def _end_with_parent(patience: float) -> None:
    """Exit when the parent is gone: otherwise the worker would keep the port, and no one would end it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        exit_orphaned(patience)


def _main_thread_stack() -> str:
    """The stack of the main thread, in which the loop runs; the innermost frame last."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)  # noqa: SLF001 - documented, for debugging
    if frame is None:
        return "the main thread has ended"
    return "".join(traceback.format_stack(frame, _MAX_FRAMES)).rstrip()
