"""The HTTP server: uvicorn, with its own sockets, limits on what a client may send, and a graceful shutdown."""

from __future__ import annotations

import asyncio
import contextlib
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
from millpond.serve.processes.graceful_shutdown import GracefulShutdown, RunningRequests
from millpond.serve.processes.process_exit import exit_at_once

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Sequence
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
    second_signal_exits: bool = False,
    started: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGINT or SIGTERM; then finish running requests for at most `bounds.shutdown_timeout`.

    Streams, which may never end, get `bounds.stream_timeout`. The caller has started `app` and ends its lifespan.

    Args:
        app: any ASGI application.
        sockets: bound sockets; they are closed at the end.
        bounds: limits on what clients send, on how long they take, and on the shutdown.
        hits: answers hits at the socket, without calling `app`; None to send all requests to `app`.
        proxies: the proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are trusted; None for none.
        certificate: for TLS; None for plain HTTP.
        second_signal_exits: a second signal exits immediately. Not for the child of a parent that forwards signals.
        started: called when connections are accepted.
    """
    if proxies is not None:
        app = proxies.around(app, local_peers=all(map(is_unix, sockets)))
    requests = RunningRequests(app)
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
        await _Server(config, requests, bounds, started, second_signal_exits=second_signal_exits).serve(list(sockets))
    else:
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


class _Server(uvicorn.Server):  # used only if all of uvicorn_names.SERVER are known
    """uvicorn's server, but it returns after a signal: a clean shutdown is a success."""

    def __init__(
        self,
        config: uvicorn.Config,
        requests: RunningRequests,
        bounds: ServerConfig,
        started: Callable[[], None],
        *,
        second_signal_exits: bool,
    ) -> None:
        super().__init__(config)
        self._when_started, self._second_signal_exits = started, second_signal_exits
        self._graceful_shutdown = GracefulShutdown(requests, self.server_state, bounds)
        self._descriptors = Descriptors(lambda: len(self.server_state.connections))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._descriptors.replace_tracebacks()
        await super().startup(sockets)
        self._when_started()

    async def on_tick(self, counter: int) -> bool:
        self._descriptors.look()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        with self._graceful_shutdown.in_progress():
            await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit and self._second_signal_exits:
            exit_at_once(sig)
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
