"""The HTTP server: uvicorn, with sockets of our own, bounds on what a client may send, and a quiet end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import signal
import socket
import threading
from typing import TYPE_CHECKING, Literal

import uvicorn

from millpond.errors import AddressError
from millpond.internals import uvicorn_names
from millpond.internals.private_name import tell_unknown
from millpond.internals.uvicorn_names import differences
from millpond.serve.processes.descriptors import Descriptors
from millpond.serve.processes.graceful_shutdown import GracefulShutdown, RunningRequests
from millpond.serve.processes.process_exit import exit_at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

    from starlette.types import ASGIApp

    from millpond.config import ServerConfig
    from millpond.serve.forwarded import Proxies
    from millpond.serve.hits import Hits

log = logging.getLogger("millpond.serve")

_UNWIND = 2
"""Seconds for tasks that were cancelled."""
_LONGEST_WAIT = 24 * 60 * 60
"""Seconds, where uvicorn wants a number and there is no bound."""


@contextlib.contextmanager
def bound(host: str, port: int) -> Iterator[list[socket.socket]]:
    """The sockets of `bind`, closed on the way out."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(each) for each in bind(host, port)]


def bind(host: str, port: int) -> list[socket.socket]:
    """Sockets for all addresses of `host`, which nobody can connect to before the server starts.

    Args:
        host: a name or an address.
        port: 0 for any free one; the same for all addresses.

    Raises:
        AddressError: there is no such host, or the port is taken.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError, OverflowError) as error:
        raise AddressError(f"there is no address {host}:{port} ({error}); give another --host or --port.") from None
    sockets: list[socket.socket] = []
    for family, kind, protocol, _, address in dict.fromkeys(found):
        number = port or (sockets[0].getsockname()[1] if sockets else 0)
        try:
            sockets.append(_bound(family, kind, protocol, (address[0], number, *address[2:])))
        except OSError as error:
            for opened in sockets:
                opened.close()
            raise AddressError(_taken(host, number, error)) from None
    return sockets


def _bound(family: int, kind: int, protocol: int, address: tuple[object, ...]) -> socket.socket:
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(address)
    except OSError:
        opened.close()
        raise
    return opened


def _taken(host: str, port: int, error: OSError) -> str:
    reason = (error.strerror or str(error)).lower()
    return f"can't listen on {host}:{port}: {reason}; stop what does, or give another --port."


def address_of(sockets: Sequence[socket.socket]) -> str:
    """The URL of the first socket, for people."""
    host, port = sockets[0].getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(
    app: ASGIApp,
    sockets: Sequence[socket.socket],
    bounds: ServerConfig,
    *,
    hits: Hits | None = None,
    proxies: Proxies | None = None,
    second_signal_exits: bool = False,
    started: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGINT or SIGTERM; then finish the requests that run, for at most `bounds.shutdown_timeout`.

    Streams, which may never end, have `bounds.stream_timeout`. `app` has been started: the lifespan is its owner's.

    Args:
        app: any ASGI application.
        sockets: bound; they are closed at the end.
        bounds: on what clients send, on how long they take, and on the shutdown.
        hits: what is answered at the socket, before `app` is called; None for nothing.
        proxies: whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed; None for nobody's.
        second_signal_exits: a second signal ends the process at once. Not for the child of a parent that passes
            signals on.
        started: called when connections are accepted.
    """
    requests = RunningRequests(app if proxies is None else proxies.around(app))
    config = uvicorn.Config(
        requests,
        http=protocol_for(bounds, hits),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_whole(bounds.keep_alive_timeout),
        timeout_graceful_shutdown=_whole(bounds.shutdown_timeout) + _UNWIND,  # for what doesn't heed being cut off
    )
    tell_unknown(uvicorn_names.SERVER)
    if all(name.is_known for name in uvicorn_names.SERVER):
        await _Server(config, requests, bounds, started, second_signal_exits=second_signal_exits).serve(list(sockets))
    else:
        await _serve_plainly(config, sockets, started)


async def _serve_plainly(config: uvicorn.Config, sockets: Sequence[socket.socket], started: Callable[[], None]) -> None:
    """As `serve`, with what uvicorn documents alone."""
    for each in sockets:
        each.listen(config.backlog)  # from now on connections wait for the server
    with _nothing_on_signals():  # uvicorn raises them again at its end, and there is more to be ended after it
        serving = asyncio.ensure_future(uvicorn.Server(config).serve(sockets=list(sockets)))
        await asyncio.sleep(0)
        started()
        await serving


@contextlib.contextmanager
def _nothing_on_signals() -> Iterator[None]:
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
    return math.ceil(min(seconds, _LONGEST_WAIT))


def protocol_for(bounds: ServerConfig, hits: Hits | None) -> type[asyncio.Protocol] | Literal["auto"]:
    """The fastest protocol that this uvicorn bears."""
    unknown = next(differences(), None)
    if unknown is not None:
        log.warning(
            "uvicorn %s isn't known well enough (%s): hits go through ASGI, and of [server] only max_path_bytes, "
            "max_header_bytes of a whole head, keep_alive_timeout and shutdown_timeout hold. Millpond works with it "
            "behind a proxy that bounds what clients send; an older uvicorn is faster.",
            uvicorn.__version__,
            unknown,
        )
        return "auto"
    # Here, as they are made of what was just looked for.
    from millpond.serve.connection.bounded import bounded_protocol
    from millpond.serve.connection.protocol import hit_protocol

    return bounded_protocol(bounds) if hits is None else hit_protocol(bounds, hits)


class _Server(uvicorn.Server):  # only where each of uvicorn_names.SERVER is known
    """uvicorn's server, which ends by returning: a clean stop is no failure, whoever asked for it."""

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
        """As uvicorn's, without raising the signals again afterwards."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        former = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)
