"""One process holds the port and watches the files; another one serves, and is replaced after each change."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Self

from watchfiles import watch

from millpond.dev.watched_files import changed, digests_of, is_watched
from millpond.errors import WatchError
from millpond.serve.processes.addresses import address_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from millpond.config import Entrypoint
    from millpond.serve.processes.certificate import Certificate

_BACKLOG = 128
_GRACE = 4.0
"""Seconds for the serving process to end; then it is killed."""
_LOOK_MS = 200
"""How often the supervisor looks after the serving process."""


def supervise(
    entrypoint: Entrypoint,
    host: str,
    sockets: Sequence[socket.socket],
    tell: Callable[[str], None],
    certificate: Certificate | None = None,
) -> None:
    """Serve an application on `sockets`, reloading at each change in its project's folder, until SIGINT or SIGTERM.

    Args:
        entrypoint: which application.
        host: the name or address that the sockets are bound to.
        sockets: bound. Connections that come during a reload wait in their queue.
        tell: prints one line for the user.
        certificate: for TLS; None for plain HTTP.

    Raises:
        WatchError: the files can't be watched.
    """
    project = entrypoint.folder
    for each in sockets:
        each.listen(_BACKLOG)
    # Only now: who reads this may connect at once.
    shown = address_of(sockets, "http" if certificate is None else "https")
    tell(f"{shown}  (answers aren't cached; Ctrl-C ends)")
    seen = digests_of(project)
    with _until_signalled() as (stop, again), ServingProcess(entrypoint, host, sockets, again, certificate) as child:
        child.start()
        for touched in _wakes(project, stop):
            code = child.crashed()
            if code is not None:
                tell(f"the server process ended with exit code {code}; a change starts it again")
                child.start(crashed=code)
            if not touched:
                continue
            seen, before = digests_of(project), seen
            files = changed(before, seen)
            if files:
                tell(f"{', '.join(files[:3])}{' …' if len(files) > 3 else ''} changed: reloading")
                child.stop()
                child.start()


def _wakes(project: Path, stop: threading.Event) -> Iterator[bool]:
    """Several times a second: whether files were touched. The first is true: something may have come before."""

    def wanted(_: object, path: str) -> bool:
        return is_watched(os.path.relpath(path, project))

    first = True
    try:
        for changes in watch(
            project,
            watch_filter=wanted,
            stop_event=stop,
            debounce=2 * _LOOK_MS,
            rust_timeout=_LOOK_MS,
            yield_on_timeout=True,
        ):
            if stop.is_set():
                return
            yield first or bool(changes)
            first = False
    except OSError as error:
        raise WatchError(
            f"the files of {project} can't be watched: {error}; raise the system's limit, or set "
            "WATCHFILES_FORCE_POLLING=true."
        ) from error


@contextlib.contextmanager
def _until_signalled() -> Iterator[tuple[threading.Event, threading.Event]]:
    """Set when a signal says that all is to end, and when one says so once more."""
    stop, again = threading.Event(), threading.Event()

    def hear(*_: object) -> None:
        (again if stop.is_set() else stop).set()

    former = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop, again
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


class ServingProcess:
    """The serving process, or the one after it."""

    def __init__(
        self,
        entrypoint: Entrypoint,
        host: str,
        sockets: Sequence[socket.socket],
        hurry: threading.Event,
        certificate: Certificate | None = None,
    ) -> None:
        """`hurry`: set when it may no longer take its time to end."""
        self._entrypoint, self._host, self._sockets, self._hurry = entrypoint, host, sockets, hurry
        self._certificate = certificate
        self._process: subprocess.Popen[bytes] | None = None
        self._hopeless = False

    def __enter__(self) -> Self:
        self._alive, self._held = os.pipe()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        os.close(self._alive)
        os.close(self._held)

    def start(self, crashed: int | None = None) -> None:
        """Start it; `crashed` is the exit code of the one before, when that ended by itself."""
        descriptors = [each.fileno() for each in self._sockets]
        which, state = self._entrypoint, "-" if crashed is None else str(crashed)
        named = ["-" if which.given is None else which.given, "factory" if which.factory else "-"]
        certificate, environment = self._certificate, None
        files = ["-", "-"]
        if certificate is not None:
            files = [str(certificate.certfile), str(certificate.keyfile or "-")]
            if certificate.password is not None:  # everybody on the machine can read arguments
                environment = {**os.environ, "SSL_KEYFILE_PASSWORD": certificate.password}
        arguments = [str(which.folder), *named, self._host or "-", str(self._alive), state, *files]
        arguments += map(str, descriptors)
        # -P: what can be imported doesn't depend on the folder that the command was called in.
        command = [sys.executable, "-P", "-m", "millpond.dev.child", *arguments]
        self._process = subprocess.Popen(command, pass_fds=[self._alive, *descriptors], env=environment)  # noqa: S603 - our own
        self._hopeless = crashed is not None

    def crashed(self) -> int | None:
        """The exit code, when it ended and nobody asked it to. One that only says so isn't started twice."""
        if self._process is None or self._hopeless:
            return None
        return self._process.poll()

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        if self._process is None:
            return
        self._process.terminate()
        ends = time.monotonic() + _GRACE
        while self._process.poll() is None:
            if self._hurry.wait(_LOOK_MS / 10_000) or time.monotonic() > ends:  # a handler that doesn't give way
                self._process.kill()
                self._process.wait()
        self._process = None
