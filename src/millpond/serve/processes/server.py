"""The HTTP server: uvicorn, with its own sockets, limits on what a client may send, and a graceful shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import math
import signal
import threading
from typing import TYPE_CHECKING, Literal

import uvicorn

from millpond.internals import uvicorn_names
from millpond.internals.private_name import tell_unknown
from millpond.internals.uvicorn_names import differences
from millpond.serve.processes.addresses import is_unix
from millpond.serve.processes.descriptors import Descriptors
from millpond.serve.processes.drain import Drain, SignedApp
from millpond.serve.processes.graceful_shutdown import GracefulShutdown, RunningRequests
from millpond.serve.processes.process_exit import exit_at_once

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from types import FrameType

    from starlette.types import ASGIApp

    from millpond.config import ServerConfig
    from millpond.serve.forwarded import Proxies
    from millpond.serve.hits import Hits
    from millpond.serve.processes.certificate import Certificate

log = logging.getLogger("millpond.serve")

_UNWIND = 2
"""Seconds for cancelled tasks to end."""
_MAX_TIMEOUT = 24 * 60 * 60
"""Seconds: passed to uvicorn, which needs a number, if there is no limit."""


async def serve(
    app: ASGIApp,
    sockets: Sequence[socket.socket],
    bounds: ServerConfig,
    *,
    hits: Hits | None = None,
    proxies: Proxies | None = None,
    certificate: Certificate | None = None,
    drain_delay: float = 0.0,
    second_signal_exits: bool = False,
    started: Callable[[], None] = lambda: None,
    warm: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; then finish running requests for at most `bounds.shutdown_timeout`.

    Streams, which may never end, get `bounds.stream_timeout`. The caller has started `app` and ends its lifespan.
    SIGTERM first begins a drain: connections are accepted for `drain_delay` seconds more. SIGINT doesn't.

    Args:
        app: any ASGI application.
        sockets: bound sockets; they are closed at the end.
        bounds: limits on what clients send, on how long they take, and on the shutdown.
        hits: answers hits at the socket, without calling `app`; None to send all requests to `app`.
        proxies: the proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are trusted; None for none.
        certificate: for TLS; None for plain HTTP.
        drain_delay: seconds from SIGTERM until no more connections are accepted.
        second_signal_exits: a second signal exits immediately. Not for the child of a parent that forwards signals.
        started: called when connections are accepted, and `warm` has returned.
        warm: what is done first; meanwhile `ready_path` says that the server isn't ready.
    """
    if proxies is not None:
        app = proxies.around(app, local_peers=all(map(is_unix, sockets)))
    drain = Drain(drain_delay)
    signed = SignedApp(app, drain, is_warming=warm is not None)
    requests = RunningRequests(signed if drain_delay or warm is not None else app)
    config = uvicorn.Config(
        requests,
        http=protocol_for(bounds, hits, proxies),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_whole(bounds.keep_alive_timeout),
        timeout_graceful_shutdown=_whole(bounds.shutdown_timeout) + _UNWIND,  # for tasks that don't end when cancelled
        **({} if certificate is None else certificate.options),
    )
    tell_unknown(uvicorn_names.SERVER)
    if all(name.is_known for name in uvicorn_names.SERVER):
        shutdown = functools.partial(GracefulShutdown, requests, bounds=bounds)
        beginning = _Beginning(signed, warm, started)
        server = _Server(config, shutdown, beginning, drain, hits, second_signal_exits=second_signal_exits)
        await server.serve(list(sockets))
    else:
        if warm is not None:
            await warm()
            signed.is_warming = False
        await _serve_plainly(config, sockets, started)


async def _serve_plainly(config: uvicorn.Config, sockets: Sequence[socket.socket], started: Callable[[], None]) -> None:
    """As `serve`, but only with uvicorn's documented API."""
    for each in sockets:
        each.listen(config.backlog)  # connections are queued until the server accepts them
    with _ignored_signals():  # uvicorn raises them again when it ends, but the application must shut down after it
        serving = asyncio.ensure_future(uvicorn.Server(config).serve(sockets=list(sockets)))
        await asyncio.sleep(0)
        started()
        await serving


@contextlib.contextmanager
def _ignored_signals() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    former = {number: signal.signal(number, lambda *_: None) for number in numbers}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _whole(seconds: float) -> int:
    return math.ceil(min(seconds, _MAX_TIMEOUT))


def protocol_for(
    bounds: ServerConfig, hits: Hits | None, proxies: Proxies | None = None
) -> type[asyncio.Protocol] | Literal["auto"]:
    """The fastest protocol that works with this uvicorn."""
    unknown = next(differences(), None)
    if unknown is not None:
        log.warning(
            "uvicorn %s isn't a version that Millpond knows (%s): %s, or use an older uvicorn, which is faster.",
            uvicorn.__version__,
            unknown,
            uvicorn_names.WITHOUT_PROTOCOL,
        )
        return "auto"
    # Imported late: they are built on the private names that were just checked.
    from millpond.serve.connection.bounded import bounded_protocol
    from millpond.serve.connection.protocol import hit_protocol

    return bounded_protocol(bounds, proxies) if hits is None else hit_protocol(bounds, hits, proxies)


class _Beginning:
    """What is done when connections are accepted, before the server says so."""

    def __init__(
        self, signed: SignedApp, warm: Callable[[], Awaitable[None]] | None, started: Callable[[], None]
    ) -> None:
        self._signed, self._warm, self._started = signed, warm, started
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Do it, in the background if it takes time."""
        if self._warm is None:
            self._started()
        else:
            self._task = asyncio.create_task(self._run(self._warm))

    async def _run(self, warm: Callable[[], Awaitable[None]]) -> None:
        await warm()
        self._signed.is_warming = False
        self._started()

    def end(self) -> None:
        """Leave it, where the server ends before it is done."""
        if self._task is not None:
            self._task.cancel()


class _Server(uvicorn.Server):  # used only if all of uvicorn_names.SERVER are known
    """uvicorn's server, but it returns after a signal: a clean shutdown is a success."""

    def __init__(
        self,
        config: uvicorn.Config,
        shutdown: Callable[[uvicorn_names.ServerState], GracefulShutdown],
        beginning: _Beginning,
        drain: Drain,
        hits: Hits | None,
        *,
        second_signal_exits: bool,
    ) -> None:
        super().__init__(config)
        self._beginning, self._second_signal_exits = beginning, second_signal_exits
        self._drain, self._hits, self._is_drain_told = drain, hits, False
        self._graceful_shutdown = shutdown(self.server_state)
        self._descriptors = Descriptors(lambda: len(self.server_state.connections))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._descriptors.replace_tracebacks()
        await super().startup(sockets)
        self._beginning.begin()

    async def on_tick(self, counter: int) -> bool:
        self._descriptors.look()
        if self._drain.has_begun:
            self._follow_drain()
        return await super().on_tick(counter)

    def _follow_drain(self) -> None:
        if not self._is_drain_told:  # not in the signal's handler, which may have interrupted the writing of a log line
            self._is_drain_told = True
            log.info("draining: connections are accepted for %g s more (server.drain_delay)", self._drain.seconds)
        if self._drain.closes and self._hits is not None:
            self._hits.leave_socket()
        if self._drain.is_over:
            self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._beginning.end()
        with self._graceful_shutdown.in_progress():
            await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if (self.should_exit or self._drain.has_begun) and self._second_signal_exits:
            exit_at_once(sig)
        if sig == signal.SIGTERM and self._drain.seconds and not self.should_exit:
            self._drain.begin()
        else:
            super().handle_exit(sig, frame)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As in uvicorn, but without raising the signals again afterwards."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        former = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)
