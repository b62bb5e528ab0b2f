"""`[server]`: limits on what a client sends, on how long it takes, and on how long a shutdown takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from millpond.config.ranges import not_a_fixed_path, not_positive
from millpond.config.values.quantities import Bytes, Seconds, SecondsOrNever

if TYPE_CHECKING:
    from collections.abc import Iterator


class ServerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[server]`: limits on what a client sends, on how long it takes, and on how long a shutdown takes.

    Times are in seconds. Connections are checked once a second, so a client has up to two seconds more; `inf` disables
    a limit on a client's time.
    """

    max_path_bytes: Bytes = 8 * 1024
    """A longer path and query is answered 414."""
    max_path_segments: int = 64
    """A path with more is answered 414: an answer has one tag per segment, by which `revalidate_path` finds it."""
    max_header_bytes: Bytes = 64 * 1024
    """Longer request headers, or trailers, are answered 431."""
    max_body_bytes: Bytes | None = None
    """A longer request body is answered 413; None: no limit."""
    max_connections: int = 10_000
    """Open connections of one process. A further one is answered 503."""
    header_timeout: SecondsOrNever = 30.0
    """Until the first byte of a connection, and from the first byte of a request head to its end."""
    body_timeout: SecondsOrNever = 60.0
    """Without receiving a byte of the request body that the server waits for."""
    write_timeout: SecondsOrNever = 60.0
    """Without the client reading any byte of an answer that is ready to send."""
    keep_alive_timeout: SecondsOrNever = 75.0
    """Between two requests. More than the 60 s after which nginx and load balancers drop an idle connection: the side
    that sends the requests must close first, or it sends some into a connection that is being closed."""
    shutdown_timeout: SecondsOrNever = 30.0
    """Seconds that a shutdown waits for requests, regenerations, `after` callbacks and purges."""
    stream_timeout: SecondsOrNever = 1.0
    """Seconds that a shutdown waits for streams: answers that have started, with an unknown length. 0: it doesn't."""
    ready_path: str | None = None
    """A path below `base_path` that tells orchestrators by 200 or 503 whether to send requests; None: there is none."""
    drain_delay: Seconds = 0.0
    """Seconds from SIGTERM to the end of accepting connections. Meanwhile `ready_path` answers 503, and everything else
    is answered as ever. Only under `millpond start`."""
    warm_timeout: Seconds = 60.0
    """Seconds for `millpond start --warm`, before the server is ready."""
    worker_timeout: SecondsOrNever = 30.0
    """Seconds for which the event loop of a worker may be blocked, and the least that its start may take. A worker that
    takes longer is killed and replaced; only with several workers."""
    compress_live: bool = True
    """Whether live answers are compressed, in the codings of `[cache] codings`; under every server."""

    def problems(self) -> Iterator[str]:
        """What is wrong with the values."""
        may_be_0 = ("stream_timeout", "drain_delay")
        others = (*may_be_0, "ready_path", "compress_live")
        yield from not_positive(
            {f"server.{name}": getattr(self, name) for name in self.__struct_fields__ if name not in others}
        )
        for name in may_be_0:
            if not getattr(self, name) >= 0:
                yield f'"server.{name}" is {getattr(self, name)}; it must be 0 or more.'
        if self.ready_path is not None:
            yield from not_a_fixed_path("server.ready_path", self.ready_path, "/healthz")
