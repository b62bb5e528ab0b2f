"""`[server]`: bounds on what a client may send, on how long it may take, and on how long a server takes to end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from millpond.config.ranges import not_positive

if TYPE_CHECKING:
    from collections.abc import Iterator


class ServerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[server]`: bounds on what a client may send, on how long it may take, and on how long a server takes to end.

    Times are in seconds. Connections are looked at once a second, so a client has up to two seconds more; `inf` is no
    bound on what a client takes.
    """

    max_path_bytes: int = 8 * 1024
    """A longer path and query is answered 414."""
    max_path_segments: int = 64
    """A path of more is answered 414: an answer has a tag for each, by which `revalidate_path` finds it."""
    max_header_bytes: int = 64 * 1024
    """Longer request headers, or trailers, are answered 431."""
    max_body_bytes: int | None = None
    """A longer body of a request is answered 413; None: it may be as long as it likes."""
    max_connections: int = 10_000
    """Of one process. One more is answered 503."""
    header_timeout: float = 30.0
    """For the first byte of a connection, and for the whole head of a request from its first byte on."""
    body_timeout: float = 60.0
    """Without a byte of a request's body that the server waits for."""
    write_timeout: float = 60.0
    """In which a client takes nothing of an answer that waits for it."""
    keep_alive_timeout: float = 75.0
    """Between two requests. More than the 60 s after which nginx and load balancers drop an idle connection: who closes
    first must be the one that sends the requests, or some are sent into a connection that is being closed."""
    shutdown_timeout: float = 30.0
    """Seconds that a shutdown waits for requests, regenerations, `after` callbacks and purges."""
    stream_timeout: float = 1.0
    """Seconds that a shutdown leaves to streams: answers that have begun, and don't say how long they are. 0: none."""
    worker_timeout: float = 30.0
    """Seconds for which the event loop of one of several workers may be busy with one thing, and the least that its
    start may take; one that takes longer is killed and replaced."""

    def problems(self) -> Iterator[str]:
        """What is wrong with the values."""
        may_be_0 = "stream_timeout"
        yield from not_positive(
            {f"server.{name}": getattr(self, name) for name in self.__struct_fields__ if name != may_be_0}
        )
        if self.stream_timeout < 0:
            yield f'"server.stream_timeout" is {self.stream_timeout}; it must be 0 or more.'
